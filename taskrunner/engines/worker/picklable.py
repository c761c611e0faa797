"""Test whether a result can be pickled, and thus moved to another process.

An engine detects an unpicklable result only when a consumer on another worker requests it, which is too late.
Therefore the worker that produced the result tests it, and the client sends the consumers to this worker. If the test
misses an unpicklable part, the consumer fails (``engines.dask.results``).
"""

import itertools
import pickle
from typing import Any

from taskrunner.storage.serialization import ATOMS

# Of a large list, set or dict, at most this number of items is tested.
MAX_OBJECTS = 1_000

_FLAT = ATOMS | {bytearray}
_CONTAINERS = (list, tuple, set, frozenset)


def is_movable(value: Any) -> bool:
    """Return whether a value can be pickled; large buffers in it, such as those of arrays, are not copied."""
    kind = type(value)
    if kind in _FLAT:
        return True
    if kind in _CONTAINERS:
        value = list(itertools.islice(value, MAX_OBJECTS))
    elif kind is dict:
        value = dict(itertools.islice(value.items(), MAX_OBJECTS))
    try:
        pickle.dumps(value, protocol=5, buffer_callback=lambda _: None)
    except BaseException:  # noqa: BLE001  its methods may raise anything
        return _is_picklable_by_value(value)
    return True


def _is_picklable_by_value(value: Any) -> bool:
    """Return whether a value can be pickled together with its code, as for functions without an importable name."""
    try:
        import cloudpickle  # installed as a dependency of an engine that uses it

        cloudpickle.dumps(value, protocol=5, buffer_callback=lambda _: None)
    except BaseException:  # noqa: BLE001  it is not installed, or the value's methods may raise anything
        return False
    return True
