"""How long a wait lasts, and what a wait in a task sleeps on."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from taskrunner.futures.future import TaskFuture


class Deadline:
    """How long to wait, in seconds; None: without an end."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Return the seconds that are left; None: there is no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def left_for_lock(self) -> float:
        """Return the seconds that are left, as a lock takes them."""
        left = self.left()
        return -1 if left is None else left

    def is_up(self) -> bool:
        """Say whether no time is left."""
        return self._end is not None and time.monotonic() >= self._end


class HelpingEvent(threading.Event):
    """The event that ``wait`` or ``as_completed`` sleeps on in a task: first, it runs what is waited for.

    ``run`` runs a queued task. The futures are not kept alive.
    """

    def __init__(self, run: Callable[[TaskFuture], None]) -> None:
        super().__init__()
        self._run = run
        self._futures: deque[weakref.ref[TaskFuture]] = deque()

    def add(self, future: TaskFuture) -> None:
        """Add a future that is waited for."""
        self._futures.append(weakref.ref(future))

    def wait(self, timeout: float | None = None) -> bool:
        """Run queued tasks until the event is set, none is left or the time is up, then sleep until it is set."""
        clock = Deadline(timeout)
        while self._futures and not self.is_set() and not clock.is_up():
            future = self._futures.popleft()()
            if future is not None and future.is_pending():
                self._run(future)
        return super().wait(clock.left())
