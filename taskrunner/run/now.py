"""What a worker runs at this moment, told from what it leaves behind anyway: to be asked costs it nothing.

A worker says which task it has taken last, and never that it is done with it: its newest note says that. A task
that is more than a plain call is *begun* as well, with its attempt and the moment, because it may run again: the
same task may be tried again by another worker, or gather what its children have returned.

The three are read one after the other while the worker goes on. What is told was so a moment ago, or is a node that
has just ended; nothing is ever taken for it that did not run.
"""

from collections.abc import Sequence

from taskrunner.events.observer import Running
from taskrunner.plan.plan import Noted
from taskrunner.plan.task import Task
from taskrunner.run.attempt import Attempt

# The task that a worker has begun last of those that are more than a plain call, its attempt if it may be given
# up, and the moment, in nanoseconds of the run's clock.
type Begun = tuple[Task | None, Attempt | None, int]
NOTHING_BEGUN: Begun = (None, None, 0)


def running(worker: int, task: Task | None, begun: Begun, notes: Sequence[Noted], now: int) -> Running | None:
    """Return what a worker runs at the moment ``now`` (nanoseconds), whose last task this is; None: nothing."""
    if task is None:
        return None
    newest = notes[-1] if notes else None
    last, ended = (newest[0], newest[3]) if newest else (None, 0)
    special, attempt, started = begun
    if special is not task:
        if task.special or last is task:  # not begun yet, or over
            return None
        started = max(ended, task.ready_at)  # a worker that has something to do does not pause
    elif (last is task and ended >= started) or (attempt is not None and attempt.is_settled):
        return None
    return Running(task.id, worker, task.demands.attempt, max(now - started, 0) / 1e9)
