"""State of one run in a worker process: the stop flag, the running attempts, and the resolved functions.

Thread safety: any thread executes work items, and each of them may be asked to stop.

* ``_open``: the running attempts. The thread that runs an attempt sets and removes its entry; ``stop`` reads a copy.
  Each of these operations is atomic for a dict.
* ``_stopped``: set once, never reset. An attempt is added to ``_open`` before it reads the flag; ``stop`` sets the flag
  before it copies ``_open``. So at least one of the two observes the other.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

from taskrunner.engines.messages import Step
from taskrunner.errors import TaskrunnerError
from taskrunner.nodes.resolve import resolve_attribute


class StoppedError(TaskrunnerError):
    """The run was stopped: a step was not started, or was cancelled."""


class WorkerRun:
    """State of one run in this process."""

    def __init__(self) -> None:
        self._stopped = False
        self.is_cancelled = False
        self._open: dict[object, tuple[threading.Event, Callable[[], None]]] = {}
        self.resolve = functools.cache(resolve_attribute)

    def stop(self, *, cancel: bool) -> None:
        """Start no more steps; ``cancel``: also cancel the running ones."""
        self._stopped = True
        if cancel:
            self.is_cancelled = True
            for cancelled, call in self._open.copy().values():
                cancelled.set()
                call()

    @contextlib.contextmanager
    def attempt(self, step: Step, call: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
        """Register an attempt as running for the duration of the block; ``call`` cancels it.

        Raises:
            StoppedError: the run was stopped, so the step must not start.

        """
        cancelled, key = threading.Event(), object()
        if step.always:
            yield cancelled
            return
        self._open[key] = cancelled, call
        try:
            if self._stopped:
                raise StoppedError("the run was stopped")
            yield cancelled
        finally:
            del self._open[key]


# By the id of the run. ``setdefault`` is atomic, so all threads get the same object.
_runs: dict[str, WorkerRun] = {}


def get_run(run: str) -> WorkerRun:
    """Return the state of a run in this process; create it on the first call."""
    return _runs.setdefault(run, WorkerRun())


def drop_run(run: str) -> None:
    """Drop the state of a finished run."""
    _runs.pop(run, None)
