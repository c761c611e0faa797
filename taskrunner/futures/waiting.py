"""Waiting: the deadline of a wait, and the event that a wait inside a task blocks on."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from taskrunner.futures.future import TaskFuture


class Deadline:
    """The end of a wait, from a timeout in seconds; None means no end."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def remaining(self) -> float | None:
        """Return the remaining seconds, or None if there is no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def lock_timeout(self) -> float:
        """Return the remaining seconds in the form that ``Lock.acquire`` accepts."""
        remaining = self.remaining()
        return -1 if remaining is None else remaining

    def has_passed(self) -> bool:
        """Return whether no time remains."""
        return self._end is not None and time.monotonic() >= self._end


class HelpingEvent(threading.Event):
    """The event that ``wait`` or ``as_completed`` blocks on in a task: it first runs the awaited tasks.

    ``run`` runs a queued task. The event keeps no future alive.
    """

    def __init__(self, run: Callable[[TaskFuture], None]) -> None:
        super().__init__()
        self._run = run
        self._futures: deque[weakref.ref[TaskFuture]] = deque()

    def add(self, future: TaskFuture) -> None:
        """Add an awaited future."""
        self._futures.append(weakref.ref(future))

    def wait(self, timeout: float | None = None) -> bool:
        """Run queued tasks until the event is set, none is left or the timeout expires, then block until it is set."""
        deadline = Deadline(timeout)
        while self._futures and not self.is_set() and not deadline.has_passed():
            future = self._futures.popleft()()
            if future is not None and future.is_pending():
                self._run(future)
        return super().wait(deadline.remaining())
