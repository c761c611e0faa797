"""Garbage collector settings for loading and running a graph.

On 3.13t each collection stops all threads and traverses every object in the process, however old. During the load
of a million nodes, the collector would run repeatedly and find nothing, because none of them is garbage. During a
run, only the objects that the nodes create are worth a collection. ``docs/performance.md`` has the measurements.

This module does not call ``gc.freeze``: on 3.13t, it also traverses every object.

Thread safety: the settings belong to the process. Each scope counts its users under a lock. The last user restores
the settings that the first one found.
"""

import contextlib
import gc
import threading
from collections.abc import Iterator

# The number of containers that the nodes may create, minus the dropped ones, before a collection starts.
BASE_THRESHOLD = 50_000
# The maximum number of containers that a run itself creates for each node: task, inputs, successors, record.
CONTAINERS_PER_NODE = 4

_lock = threading.Lock()
_pauses = 0
_was_enabled = False
_runs = 0
_threshold = _raised = (0, 0, 0)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Disable the collector in this scope, for code whose objects do not become garbage."""
    global _pauses, _was_enabled  # noqa: PLW0603  the state of the process
    with _lock:
        if not _pauses:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if not _pauses and _was_enabled:
                gc.enable()


@contextlib.contextmanager
def raised_threshold(nodes: int) -> Iterator[None]:
    """Raise the threshold of the collector by the containers of a run of ``nodes`` nodes.

    A collection starts only after the nodes themselves have created ``BASE_THRESHOLD`` containers.
    """
    global _runs, _threshold, _raised  # noqa: PLW0603  the state of the process
    with _lock:
        if not _runs:
            _threshold = gc.get_threshold()
        _runs += 1
        first, *others = gc.get_threshold()
        if first:  # 0: the user has disabled the collector
            gc.set_threshold(max(first, BASE_THRESHOLD + CONTAINERS_PER_NODE * nodes), *others)
        _raised = gc.get_threshold()
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if not _runs and gc.get_threshold() == _raised:  # the user has not changed it since
                gc.set_threshold(*_threshold)
