"""Result wrapper on a Dask worker: a result that cannot be moved arrives as an ``ImmovableResult``.

Dask waits forever for a result that its worker cannot pickle, or that the receiving worker cannot unpickle
(https://github.com/dask/distributed/issues/6705). A wrapped result always arrives, if necessary as an
``ImmovableResult``. The content of a result is transferred in the same way as without the wrapper, large arrays without
a copy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dask.sizeof import sizeof
from distributed.protocol.serialize import dask_deserialize, dask_serialize, deserialize, serialize

from taskrunner.engines.messages import ImmovableResult
from taskrunner.storage.serialization import ATOMS


class DaskResult:
    """Wrapper of a result on a worker; types that can always be moved are not wrapped."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def wrap(value: Any) -> Any:
    """Return a result in the form that a worker stores."""
    return value if type(value) in ATOMS else DaskResult(value)


def unwrap(value: Any) -> Any:
    """Return the result from its stored form; an ImmovableResult if it could not be moved."""
    return value.value if type(value) is DaskResult else value


def _immovable(error: BaseException) -> ImmovableResult:
    cause = error.__cause__ or error
    return ImmovableResult(f"{type(cause).__name__}: {cause}")


def _dumps(result: DaskResult) -> tuple[dict[str, Any], list[Any]]:
    try:
        header, frames = serialize(result.value, on_error="raise")
    except Exception as error:  # noqa: BLE001  its methods may raise anything
        header, frames = serialize(_immovable(error))
    return {"result": header}, frames


def _loads(header: Mapping[str, Any], frames: Sequence[Any]) -> DaskResult:
    try:
        return DaskResult(deserialize(header["result"], frames))
    except Exception as error:  # noqa: BLE001  its class is missing in this process, or raises anything
        return DaskResult(_immovable(error))


def _sizeof(result: DaskResult) -> int:
    return int(sizeof(result.value))


dask_serialize.register(DaskResult, _dumps)
dask_deserialize.register(DaskResult, _loads)
sizeof.register(DaskResult, _sizeof)
