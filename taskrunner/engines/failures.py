"""Failures."""

import contextlib
import io
import pickle
from types import FunctionType
from typing import Any

import msgspec

from taskrunner.engines.messages import (
    MAX_ENTRY_BYTES,
    StepFailure,
)
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import FailedCall, describe


def step_failure(error: BaseException, call: FailedCall = FailedCall("")) -> StepFailure:  # noqa: B008  it is frozen
    """Return what is to be told of an error, which ended a call; nothing is to follow."""
    timeout_s, is_lost = (error.seconds, error.is_lost) if isinstance(error, NodeTimeoutError) else (0.0, False)
    failure = describe(msgspec.structs.replace(call, is_running=is_lost), error)
    message, trace, shown = [_readable(text) for text in (failure.message, failure.traceback, failure.arguments)]
    return StepFailure(message, trace, shown, pickle_error(error), None, timeout_s, is_lost)


def _readable(text: str) -> str:
    """Return a text that can be encoded."""
    return text.encode(errors="backslashreplace").decode()


class _ErrorPickler(pickle.Pickler):
    """Pickles errors that their own ``__init__`` would not take back: it asks for more than it hands on as ``args``."""

    def reducer_override(self, obj: Any) -> Any:
        reduce: Any = type(obj).__reduce__
        if not isinstance(obj, BaseException) or reduce is not BaseException.__reduce__:
            return NotImplemented
        return rebuild_error, (type(obj), obj.args), obj.__dict__ or None


def rebuild_error(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Return an error as it was, by the ``__init__`` of the class that it has from Python itself."""
    error = kind.__new__(kind, *args)
    inits = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)]
    with contextlib.suppress(Exception):  # what is missing then is a field, not the error
        next(init for init in inits if not isinstance(init, FunctionType))(error, *args)
    return error


def pickle_error(error: BaseException) -> bytes:
    """Return an error as bytes; none, if it cannot be pickled or takes too much."""
    file = io.BytesIO()
    try:
        _ErrorPickler(file).dump(error)
    except BaseException:  # noqa: BLE001  its methods may raise anything
        return b""
    data = file.getvalue()
    return data if len(data) <= MAX_ENTRY_BYTES else b""
