"""Attempt to execute a call that can be abandoned: it ends with the call or with its timeout, whichever is first."""

import threading
import time
from collections.abc import Callable, Sequence

from taskrunner.events.observer import Running
from taskrunner.execution.timer import TimerHandle
from taskrunner.nodes.context import Cancellation
from taskrunner.plan.plan import AttemptRecord
from taskrunner.plan.task import Task

# The last task that a worker has started other than a bare synchronous call, its attempt if that can be abandoned, and
# the start time in nanoseconds of the run's clock.
type StartedTask = tuple[Task | None, "Attempt | None", int]

NO_TASK: StartedTask = (None, None, 0)


class Attempt:
    """An attempt on a worker.

    ``abandon(attempt, seconds)``: the callback for a thread that finds that the attempt takes too long.
    ``is_always``: the attempt belongs to an ``always`` node, and is not cancelled when the run is.

    Thread safety: the worker and the abandoning thread both try to acquire ``_settled``, and the first one settles the
    attempt. The other thread does not touch the task from then on.
    """

    __slots__ = ("_settled", "abandon", "began", "cancellation", "is_always", "number", "timer")

    def __init__(self, number: int, abandon: Callable[["Attempt", float], None], *, is_always: bool = False) -> None:
        self.number = number
        self.is_always = is_always
        self.began = time.perf_counter_ns()
        self.abandon = abandon
        self.timer: TimerHandle | None = None
        self.cancellation = Cancellation(threading.Event())
        self._settled = threading.Lock()

    @property
    def cancelled(self) -> threading.Event:
        """The event that cancels the attempt."""
        return self.cancellation.event

    @property
    def is_settled(self) -> bool:
        """Whether a thread has settled the attempt."""
        return self._settled.locked()

    def settle(self) -> bool:
        """Settle the attempt; return whether the caller is the first to do so, and thus completes the task."""
        is_first = self._settled.acquire(blocking=False)
        if self.timer is not None:
            self.timer.cancel()
        return is_first


def describe_running(
    worker: int, task: Task | None, last_started: StartedTask, records: Sequence[AttemptRecord], now: int
) -> Running | None:
    """Return the node that a worker runs at ``now`` (nanoseconds), given its last task; None if it runs no node."""
    if task is None:
        return None
    newest = records[-1] if records else None
    last_task, ended = (newest[0], newest[3]) if newest else (None, 0)
    special, attempt, started = last_started
    if special is not task:
        if task.is_special or last_task is task:  # not started yet, or complete
            return None
        started = max(ended, task.ready_at)  # a worker with a ready task does not pause
    elif (last_task is task and ended >= started) or (attempt is not None and attempt.is_settled):
        return None
    return Running(task.id, worker, task.details.attempt, max(now - started, 0) / 1e9)
