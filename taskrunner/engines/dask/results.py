"""A result as it lies on a Dask worker: if it cannot move to where it is needed, that is said there.

Dask waits for ever for a result that its worker cannot pickle, or that the other one cannot unpickle
(https://github.com/dask/distributed/issues/6705). So what moves here always arrives, if need be as ``Stuck``. What a
result is made of moves as Dask would move it otherwise, large arrays without a copy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dask.sizeof import sizeof
from distributed.protocol.serialize import dask_deserialize, dask_serialize, deserialize, serialize

from taskrunner.engines.messages import ImmovableResult
from taskrunner.storage.serialization import ATOMS


class DaskResult:
    """A result on a worker, unless it is of a type that can always move."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def wrap(value: Any) -> Any:
    """Return a result in the form in which a worker keeps it."""
    return value if type(value) in ATOMS else DaskResult(value)


def unwrap(value: Any) -> Any:
    """Return the result that a worker has kept, or a Stuck."""
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
    except Exception as error:  # noqa: BLE001  its class is not known here, or raises anything
        return DaskResult(_immovable(error))


def _sizeof(result: DaskResult) -> int:
    return int(sizeof(result.value))


dask_serialize.register(DaskResult, _dumps)
dask_deserialize.register(DaskResult, _loads)
sizeof.register(DaskResult, _sizeof)
