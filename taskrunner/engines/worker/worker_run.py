"""Worker run."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

from taskrunner.engines.messages import (
    Step,
)
from taskrunner.errors import TaskrunnerError
from taskrunner.nodes.resolve import resolve_attribute


class StoppedError(TaskrunnerError):
    """A step does not begin, or was cancelled: the run was stopped."""


class WorkerRun:
    """What this process keeps of one run: whether it is stopped, what runs, and the functions that its calls name."""

    def __init__(self) -> None:
        self._stopped = False
        self.is_cancelled = False
        self._open: dict[object, tuple[threading.Event, Callable[[], None]]] = {}
        self.resolve = functools.cache(resolve_attribute)

    def stop(self, *, cancel: bool) -> None:
        """Have no step begin any more; ``cancel``: cancel those that run."""
        self._stopped = True
        if cancel:
            self.is_cancelled = True
            for cancelled, call in self._open.copy().values():
                cancelled.set()
                call()

    @contextlib.contextmanager
    def attempt(self, step: Step, call: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
        """Have an attempt stand among those that run; ``call`` cancels it.

        Raises:
            StoppedError: it is not to begin.

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


# By the id of the run. ``setdefault`` is atomic, so all threads get the same one.
_runs: dict[str, WorkerRun] = {}


def worker_run(run: str) -> WorkerRun:
    """Return what this process keeps of a run."""
    return _runs.setdefault(run, WorkerRun())


def drop_run(run: str) -> None:
    """Forget a run that is over."""
    _runs.pop(run, None)
