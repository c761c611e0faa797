"""One attempt to run a call that may be given up: it ends by itself or by its time-out, whichever is first."""

import threading
import time
from collections.abc import Callable, Sequence

from taskrunner.events.observer import Running
from taskrunner.execution.timer import TimerHandle
from taskrunner.plan.plan import AttemptRecord
from taskrunner.plan.task import Task


class Attempt:
    """An attempt on a worker. ``give_up(attempt, seconds)`` is called by whoever finds that it took too long.

    Who settles it, the worker or the one that gives up, is who acquires ``_open`` first. The other one
    leaves the task alone from then on. ``is_always``: it is not cancelled with the run, for which it may run.
    """

    __slots__ = ("_open", "abandon", "began", "cancelled", "is_always", "number", "timer")

    def __init__(self, number: int, give_up: Callable[["Attempt", float], None], *, is_always: bool = False) -> None:
        self.number = number
        self.is_always = is_always
        self.began = time.perf_counter_ns()
        self.abandon = give_up
        self.timer: TimerHandle | None = None
        self.cancelled = threading.Event()
        self._open = threading.Lock()

    @property
    def is_settled(self) -> bool:
        """Whether somebody has ended it."""
        return self._open.locked()

    def settle(self) -> bool:
        """Say whether the caller is the one who ends the attempt."""
        is_first = self._open.acquire(blocking=False)
        if self.timer is not None:
            self.timer.cancel()
        return is_first


# The task that a worker has begun last of those that are more than a plain call, its attempt if it may be given
# up, and the moment, in nanoseconds of the run's clock.
type StartedTask = tuple[Task | None, Attempt | None, int]


NO_TASK: StartedTask = (None, None, 0)


def running(
    worker: int, task: Task | None, begun: StartedTask, notes: Sequence[AttemptRecord], now: int
) -> Running | None:
    """Return what a worker runs at the moment ``now`` (nanoseconds), whose last task this is; None: nothing."""
    if task is None:
        return None
    newest = notes[-1] if notes else None
    last, ended = (newest[0], newest[3]) if newest else (None, 0)
    special, attempt, started = begun
    if special is not task:
        if task.is_special or last is task:  # not begun yet, or over
            return None
        started = max(ended, task.ready_at)  # a worker that has something to do does not pause
    elif (last is task and ended >= started) or (attempt is not None and attempt.is_settled):
        return None
    return Running(task.id, worker, task.details.attempt, max(now - started, 0) / 1e9)
