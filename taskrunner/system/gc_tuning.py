"""The garbage collector's settings while a graph is loaded and while it runs.

On 3.13t the collector stops every thread and looks at every object in the process, however old, each
time. While a million nodes are made it would do so again and again, and find nothing: none of them
is garbage. While they run, what is worth looking for is what the nodes make. Measured in
``docs/performance.md``. Nothing is frozen: on 3.13t ``gc.freeze`` itself looks at every object.

The settings belong to the process, so each scope counts how many are inside of it and puts back what
it found when the last one leaves.
"""

import contextlib
import gc
import threading
from collections.abc import Iterator

# The nodes may make so many containers, net of those that they drop, before the collector looks at them.
SPARE = 50_000
# A run itself makes at most so many for each node: task, inputs, successors, note.
OF_NODE = 4

_lock = threading.Lock()
_pauses = 0
_was_enabled = False
_runs = 0
_threshold = _raised = (0, 0, 0)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Let the collector rest: what is made inside is kept, not dropped."""
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
def spared(nodes: int) -> Iterator[None]:
    """Spare the collector the run of so many nodes: it looks when enough else was made."""
    global _runs, _threshold, _raised  # noqa: PLW0603  the state of the process
    with _lock:
        if not _runs:
            _threshold = gc.get_threshold()
        _runs += 1
        first, *others = gc.get_threshold()
        if first:  # 0: somebody has switched it off
            gc.set_threshold(max(first, SPARE + OF_NODE * nodes), *others)
        _raised = gc.get_threshold()
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if not _runs and gc.get_threshold() == _raised:  # nobody has set another one
                gc.set_threshold(*_threshold)
