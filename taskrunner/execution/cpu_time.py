"""CPU time of calls, which distinguishes computing from waiting; measured only on request.

All nodes that call the same function share one wrapper around it. The wrapper reads the clock of its thread
(``time.thread_time_ns``) before and after the call.

Cost: none without a request.

Thread safety:

- Each thread has its own dict, created on its first measurement and published with ``list.append``, which is atomic.
  Only the owning thread stores into the dict, and no thread removes from it. With one shared dict all workers would
  contend for its lock, so that a tool for finding contention would cause some.
- The key is the node and the attempt number. No attempt runs twice.
- A thread stores the time before its runner appends the attempt record. A reader of the record therefore finds the
  time: the append follows the store, and ``dict.get`` sees a complete entry while the owner adds others. The keys are
  tuples of ``str`` and ``int``, so a lookup runs no user code.
- An abandoned call stores its time when it returns, perhaps during a lookup. Its time is never looked up.
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

# Nanoseconds of CPU time by node and attempt number.
type AttemptTimes = dict[tuple[str, int], int]

clock = time.thread_time_ns


class CpuTime:
    """The CPU time of the synchronous calls of one run."""

    def __init__(self) -> None:
        self._all_times: list[AttemptTimes] = []
        self._local = _ThreadTimes(self._all_times)

    def wrap(self, plan: Plan) -> None:
        """Wrap each synchronous call of a plan. Code that inspects the functions must run before."""
        wrappers: dict[int, Callable[..., Any]] = {}
        for task in plan.tasks:
            if task.function is None or task.details.call_kind == ASYNC:
                continue
            key = id(task.function)  # the wrapper keeps its function alive, so that the id stays unique
            if key not in wrappers:
                wrappers[key] = _wrap(task.function, self._local)
            task.function = wrappers[key]

    def record(self, node: str, attempt: int, spent: int) -> None:
        """Store the nanoseconds of an attempt on a worker process, before the runner appends the attempt record."""
        self._local.times[node, attempt] = spent

    def of(self, task: Task, outcome: Failure | Retried | Skip | None) -> float | UnsetType:
        """Return the CPU seconds of a recorded attempt; UNSET if no call was made, or if it was abandoned."""
        if isinstance(outcome, Skip):
            return UNSET
        failure = outcome.failure if isinstance(outcome, Retried) else outcome
        if failure is not None and isinstance(failure.error, NodeTimeoutError):
            return UNSET
        key = task.id, task.details.attempt if failure is None else failure.attempt
        for times in self._all_times:
            if (spent := times.get(key)) is not None:
                return spent / 1e9
        return UNSET

    def times(self, all_records: Sequence[tuple[int, Sequence[AttemptRecord]]]) -> CpuTimes:
        """Add up the times of the attempt records of all workers."""
        return add_up(
            (task.vertex.call, (ended - started) / 1e9, spent)
            for _, records in all_records
            for task, _, started, ended, outcome in records
            if not isinstance(spent := self.of(task, outcome), UnsetType)
        )


class _ThreadTimes(threading.local):
    """The times measured by each thread; readers find the dicts of all threads in ``all_times``."""

    def __init__(self, all_times: list[AttemptTimes]) -> None:
        self.times: AttemptTimes = {}
        all_times.append(self.times)


def _wrap(function: Callable[..., Any], local: _ThreadTimes) -> Callable[..., Any]:
    """Return a wrapper that calls a function and stores the CPU time of the call, even if the call raises an error."""

    def call(*args: Any, **kwargs: Any) -> Any:
        node = current()
        start = clock()
        try:
            return function(*args, **kwargs)
        finally:
            local.times[node.node, node.attempt] = clock() - start

    # The wrapper does not copy __dict__: that of a class is large, and no entry is about the wrapper.
    return functools.update_wrapper(call, function, updated=())
