"""A result as it lies on a Dask worker: if it cannot move to where it is needed, that is said there.

Dask waits for ever for a result that its worker cannot pickle, or that the other one cannot unpickle
(https://github.com/dask/distributed/issues/6705). So what moves here always arrives, if need be as ``Stuck``. What a
result is made of moves as Dask would move it otherwise, large arrays without a copy.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dask.sizeof import sizeof
from distributed.protocol.serialize import dask_deserialize, dask_serialize, deserialize, serialize

from taskrunner.engines.messages import Stuck
from taskrunner.storage.serialization import ATOMS


class Kept:
    """A result on a worker, unless it is of a type that can always move."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def keep(value: Any) -> Any:
    """Return a result in the form in which a worker keeps it."""
    return value if type(value) in ATOMS else Kept(value)


def kept(value: Any) -> Any:
    """Return the result that a worker has kept, or a Stuck."""
    return value.value if type(value) is Kept else value


def _stuck(error: BaseException) -> Stuck:
    cause = error.__cause__ or error
    return Stuck(f"{type(cause).__name__}: {cause}")


def _dumps(result: Kept) -> tuple[dict[str, Any], list[Any]]:
    try:
        header, frames = serialize(result.value, on_error="raise")
    except Exception as error:  # noqa: BLE001  its methods may raise anything
        header, frames = serialize(_stuck(error))
    return {"result": header}, frames


def _loads(header: Mapping[str, Any], frames: Sequence[Any]) -> Kept:
    try:
        return Kept(deserialize(header["result"], frames))
    except Exception as error:  # noqa: BLE001  its class is not known here, or raises anything
        return Kept(_stuck(error))


def _sizeof(result: Kept) -> int:
    return int(sizeof(result.value))


dask_serialize.register(Kept, _dumps)
dask_deserialize.register(Kept, _loads)
sizeof.register(Kept, _sizeof)
