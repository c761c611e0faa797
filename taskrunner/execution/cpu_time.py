"""The CPU time of each call, so that waiting is told apart from work: measured only where a run is asked to.

A wrapper around each function of a plan, one for all nodes that call it, reads the clock of the thread that it
runs on (``time.thread_time_ns``) before and after. So a run that is not asked pays nothing.

Who touches what
----------------
Each thread has a dict of its own, which it makes the first time that it measures, and shows by ``list.append``,
which is atomic. It alone stores into that dict; nobody takes anything out. All workers storing into one dict would
wait for its lock: what is to find contention would make some. The key is the node and the number of the attempt, and no
attempt runs twice. A thread stores before its runner notes the attempt, so who has read the note finds the number:
the appending of the note, which is read by others, comes after the store, and ``dict.get`` sees what was stored,
whole, while its owner adds more. (The keys are tuples of a ``str`` and an ``int``, so no look-up runs anybody's code.)

A call that was given up stores when it returns, perhaps while others look. So its number is never asked for.
"""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from taskrunner.nodes.context import current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import Failure, Retried, Skip
from taskrunner.plan.plan import AttemptRecord, Plan
from taskrunner.plan.task import ASYNC, Task
from taskrunner.storage.summary import CpuTimes, add_up

type Spent = dict[tuple[str, int], int]


clock = time.thread_time_ns


class CpuTime:
    """Measures the plain calls of one run."""

    def __init__(self) -> None:
        self._spent: list[Spent] = []
        self._here = _ThreadTimes(self._spent)

    def wrap(self, plan: Plan) -> None:
        """Have each plain call of a plan measured. What looks at a function's code has to look before."""
        around: dict[int, Callable[..., Any]] = {}
        for task in plan.tasks:
            if task.function is None or task.details.call_kind == ASYNC:
                continue
            known = id(task.function)  # a wrapper keeps its function: nothing else gets this number
            if known not in around:
                around[known] = _measured(task.function, self._here)
            task.function = around[known]

    def record(self, node: str, attempt: int, spent: int) -> None:
        """Take the nanoseconds of an attempt that was measured elsewhere, before its runner notes it."""
        self._here.spent[node, attempt] = spent

    def of(self, task: Task, why: Failure | Retried | Skip | None) -> float | UnsetType:
        """Return the seconds of the attempt that a note tells of; UNSET: nothing was called, or it was given up."""
        if isinstance(why, Skip):
            return UNSET
        failure = why.failure if isinstance(why, Retried) else why
        if failure is not None and isinstance(failure.error, NodeTimeoutError):
            return UNSET
        key = task.id, task.details.attempt if failure is None else failure.attempt
        for spent in self._spent:
            if (found := spent.get(key)) is not None:
                return found / 1e9
        return UNSET

    def times(self, notes: Sequence[tuple[int, Sequence[AttemptRecord]]]) -> CpuTimes:
        """Add up what was noted."""
        return add_up(
            (task.vertex.call, (ended - started) / 1e9, spent)
            for _, noted in notes
            for task, _, started, ended, why in noted
            if not isinstance(spent := self.of(task, why), UnsetType)
        )


class _ThreadTimes(threading.local):
    """Each thread's own dict; whoever reads them finds it in ``all_spent``."""

    def __init__(self, all_spent: list[Spent]) -> None:
        self.spent: Spent = {}
        all_spent.append(self.spent)


def _measured(function: Callable[..., Any], here: _ThreadTimes) -> Callable[..., Any]:
    """Return what calls a function and leaves its CPU time, also if it raises."""

    def call(*args: Any, **kwargs: Any) -> Any:
        node = current()
        began = clock()
        try:
            return function(*args, **kwargs)
        finally:
            here.spent[node.node, node.attempt] = clock() - began

    # Without its dictionary: a class has a large one, and none of it is the wrapper's.
    return functools.update_wrapper(call, function, updated=())
