"""Whether a result can be moved to another process: whether it can be pickled.

An engine finds that out when somebody waits for the result elsewhere, which is too late. So it is found out where the
result is made, and who takes it is sent there. What is overlooked fails its taker (``engines.kept``).
"""

import itertools
import pickle
from typing import Any

from taskrunner.storage.serialization import ATOMS

# Of a large list, set or dict so many parts are looked at.
MAX_OBJECTS = 1_000

_FLAT = ATOMS | {bytearray}
_CONTAINERS = (list, tuple, set, frozenset)


def is_movable(value: Any) -> bool:
    """Say whether a value can be pickled; large buffers in it, such as those of arrays, are not copied for that."""
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
        return _has_state_to_pickle(value)
    return True


def _has_state_to_pickle(value: Any) -> bool:
    """Say whether a value can be pickled with its code: functions that no name leads to, and their like."""
    try:
        import cloudpickle  # an engine that needs it brings it

        cloudpickle.dumps(value, protocol=5, buffer_callback=lambda _: None)
    except BaseException:  # noqa: BLE001  it is not there, or the value's methods may raise anything
        return False
    return True
