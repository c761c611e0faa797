"""Step failures: serializable descriptions of errors, with the pickled error where possible."""

import contextlib
import io
import pickle
from types import FunctionType
from typing import Any

import msgspec

from taskrunner.engines.messages import MAX_ENTRY_BYTES, StepFailure
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import FailedCall, describe


class _ErrorPickler(pickle.Pickler):
    """Pickler for errors whose ``__init__`` requires other arguments than those in ``args``."""

    def reducer_override(self, obj: Any) -> Any:
        reduce: Any = type(obj).__reduce__
        if not isinstance(obj, BaseException) or reduce is not BaseException.__reduce__:
            return NotImplemented
        return rebuild_error, (type(obj), obj.args), obj.__dict__ or None


def make_step_failure(error: BaseException, call: FailedCall = FailedCall("")) -> StepFailure:  # noqa: B008  it is frozen
    """Describe the error that ended a call; the description asks for no retry."""
    timeout_s, is_lost = (error.seconds, error.is_lost) if isinstance(error, NodeTimeoutError) else (0.0, False)
    failure = describe(msgspec.structs.replace(call, is_running=is_lost), error)
    strings = (failure.message, failure.traceback, failure.arguments)
    message, trace, arguments = [_to_encodable(string) for string in strings]
    return StepFailure(message, trace, arguments, pickle_error(error), None, timeout_s, is_lost)


def pickle_error(error: BaseException) -> bytes:
    """Pickle an error; return b"" if it cannot be pickled or exceeds MAX_ENTRY_BYTES."""
    file = io.BytesIO()
    try:
        _ErrorPickler(file).dump(error)
    except BaseException:  # noqa: BLE001  its methods may raise anything
        return b""
    data = file.getvalue()
    return data if len(data) <= MAX_ENTRY_BYTES else b""


def rebuild_error(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Recreate an error with the ``__init__`` of its nearest built-in base class."""
    error = kind.__new__(kind, *args)
    inits = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)]
    with contextlib.suppress(Exception):  # then a field is missing, but the error itself is complete
        next(init for init in inits if not isinstance(init, FunctionType))(error, *args)
    return error


def _to_encodable(string: str) -> str:
    """Escape the characters of a string that UTF-8 cannot encode."""
    return string.encode(errors="backslashreplace").decode()
