"""Dry runner: decides which tasks a run would execute, and executes none.

It is the runner of a run, so skips, mapped nodes, bound arguments and the cache are decided by the same code. Only the
last step differs: functions and commands are replaced by ones that raise ``NotExecutedError``. The result of such a
task is ``Unknown``. The dry runner assumes that executed nodes succeed.

A decision that depends on an executed node is left open:

- a condition that depends on its result, and with it every successor, which a false condition would skip;
- the items of a mapped node that depend on its result;
- whether a node with ``cache`` or ``creates`` that depends on it, directly or not, is reused: the arguments, the files
  and the data of its code are known afterwards only.
"""

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from taskrunner.errors import InternalError
from taskrunner.execution.attempt import Attempt
from taskrunner.execution.dry.decision import (
    CACHED,
    DONE,
    FAILS,
    MAY_RUN,
    RESTORED,
    RUNS,
    SKIPPED,
    UP_TO_DATE,
    Decision,
)
from taskrunner.execution.dry.unknown import UndecidedError, Unknown
from taskrunner.execution.router import Push, Router
from taskrunner.execution.runner import Runner
from taskrunner.execution.state import RunState
from taskrunner.nodes.resolve import Function
from taskrunner.plan.outcome import Skip
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC, COMMAND, GATHER, MAP, Task

if TYPE_CHECKING:
    from pathlib import Path

    from taskrunner.execution.dry.cache import DryRunCache
    from taskrunner.nodes.command import Command


class NotExecutedError(Exception):
    """The call or the command of a node that a run would execute."""


class DryRunner(Runner):
    """Runner that decides on the tasks of a plan. One thread uses it.

    ``reasons``: for each node that a resumed run executes again, by its index, the reason why it is not restored.
    ``decisions``: by node, in the order in which the decisions were made.
    """

    def __init__(self, plan: Plan, state: RunState, reasons: Mapping[int, str]) -> None:
        self._ready: deque[Task] = deque(plan.roots())
        super().__init__(0, plan, state, _DryRouter(), self._ready.append)
        self.decisions: dict[str, Decision] = {}
        self._reasons = reasons
        self._cache: DryRunCache | None = None
        # By the index of a vertex: the id of an executed node that is the vertex, or on which it depends.
        self._executed: dict[int, str] = {}
        # By the index of a vertex that may be skipped: its id.
        self._may_be_skipped: dict[int, str] = {}
        self._children: dict[str, list[str]] = {}  # by the id of a mapped node

    def decide(self, cache: "DryRunCache | None") -> None:
        """Decide on all tasks. The cache has read the code of the functions, which are replaced now."""
        self._cache = self._run_cache = cache
        _replace_functions(self.plan)
        while self._ready:
            task: Task | None = self._ready.popleft()
            while task is not None:
                task = self._execute_special(task)
        for node, children in self._children.items():
            self.decisions[node] = _decide_mapped(node, [self.decisions[child] for child in children])

    def leave_open(self, node: str, equal: Task) -> None:
        """Leave open whether a node is executed, because an equal task may be executed first."""
        decision = self.decisions.get(node)
        if decision is not None and decision.status == RUNS and not self._depends_on(equal, node):
            reason = f"{decision.reason}, unless {equal.id}, which equals it, is executed first"
            self.decisions[node] = Decision(node, MAY_RUN, reason)

    # -- decisions ---------------------------------------------------------------------------------

    def skip_reason(self, task: Task) -> Skip | None:
        """Return the reason to skip a ready task; None if it is to run.

        Raises:
            UndecidedError: the condition of the task, or of a predecessor, depends on an executed node.

        """
        try:
            skip = super().skip_reason(task)
        except UndecidedError as error:
            self._may_be_skipped[task.vertex.index] = task.id
            self._find_equal_calls(task)
            raise UndecidedError(f"its condition is unknown: {error}") from None
        if skip is None and not task.details.always and task.details.kind != GATHER:
            for index in task.vertex.predecessors:
                if cause := self._may_be_skipped.get(index):
                    self._may_be_skipped[task.vertex.index] = cause
                    self._find_equal_calls(task)
                    raise UndecidedError(f"it depends on {cause}, which may be skipped")
        return skip

    def _special_value(self, task: Task) -> Any:
        if task.details.kind in (MAP, GATHER):
            return super()._special_value(task)
        if cause := self._cause(task):
            if self._cache is not None and _is_reusable(task):
                self._find_equal_calls(task)
                raise UndecidedError(f"it depends on {cause}, which is executed first")
            raise NotExecutedError  # its arguments are unknown
        return self._find_result(task)

    def _find_result(self, task: Task) -> Any:
        """Return the stored result of a task; raise ``NotExecutedError`` if there is none."""
        if task.details.kind == COMMAND:
            return _result_of(self._run_command(task, self._no_directory(), _refuse_command))
        value = self._call(task)
        return _result_of(value) if task.details.kind == ASYNC else value

    def _find_equal_calls(self, task: Task) -> None:
        """Search the cache for an undecided task, only to find equal tasks: the cache reports them to ``leave_open``.

        Unknown arguments have no meaning there. They are equal to themselves alone.
        """
        if self._cache is not None and _is_reusable(task) and task.details.kind not in (MAP, GATHER):
            with contextlib.suppress(Exception):
                self._find_result(task)

    def _depends_on(self, task: Task, node: str) -> bool:
        dag = self.plan.dag
        index = dag.index[node] if node in dag.index else dag.index[node.rpartition("[")[0]]  # that of a child
        return index != task.vertex.index and index in dag.closure([task.vertex.id])

    def complete(self, task: Task, value: Any, started: int) -> Task | None:
        """Complete a task without an execution."""
        if task.details.kind == MAP:
            self._decide(task, DONE, "it has no items")
        elif task.details.kind == COMMAND:
            self._decide(task, UP_TO_DATE, "its command and files are unchanged")
        elif task.details.kind != GATHER:
            self._decide(task, CACHED, "its code, arguments and files are unchanged")
        return super().complete(task, value, started)

    def fail(self, task: Task, error: BaseException, started: int) -> Task | None:
        """Complete a task that is executed, may be executed, or fails."""
        if isinstance(error, KeyboardInterrupt):
            raise error
        if isinstance(error, NotExecutedError):
            self._decide(task, RUNS, self._reason_to_run(task))
        elif isinstance(error, UndecidedError):
            self._decide(task, MAY_RUN, str(error))
        else:
            next_task = super().fail(task, error, started)
            self._decide(task, FAILS, self.state.failures[-1].message)
            return next_task
        task.drop_inputs()
        return self.deliver(task, Unknown(task.id), started, started)

    def skip(self, task: Task, skip: Skip) -> Task | None:
        """Complete a task that does not run."""
        if task.details.kind != GATHER:
            self._decide(task, SKIPPED, f"it depends on {skip.because}" if skip.because else "its condition is false")
        return super().skip(task, skip)

    def _decide(self, task: Task, status: str, reason: str) -> None:
        decision = Decision(task.id, status, reason)
        self.decisions[task.id] = decision
        index = task.vertex.index
        if decision.is_executed:
            self._executed[index] = task.vertex.id
        elif index not in self._executed and (cause := self._cause(task)):
            self._executed[index] = cause
        if task.details.child >= 0:
            self._children.setdefault(task.vertex.id, []).append(task.id)

    def _reason_to_run(self, task: Task) -> str:
        reasons = [self._reasons.get(task.vertex.index, "")]
        if not _is_reusable(task):
            reasons.append("" if reasons[0] else "every run executes it")
        elif self._cache is None:
            reasons.append("the cache is not used")
        else:
            reasons.append(self._cache.reason(task))
        return "; ".join(filter(None, reasons))

    def _cause(self, task: Task) -> str:
        """Return the id of an executed node on which a task depends; "" if there is none."""
        executed = self._executed
        return next((executed[index] for index in task.vertex.predecessors if index in executed), "")

    # -- parts of a run that a dry run does without ------------------------------------------------

    def _restore_children(self, task: Task, children: list[Task]) -> list[Task]:
        remaining = super()._restore_children(task, children)
        ids = {child.id for child in remaining}
        for child in children:
            if child.id not in ids:
                self._decide(child, RESTORED, "it has finished in the resumed run")
        return remaining

    def _wait_before_next(self, task: Task, error: BaseException) -> float | None:  # noqa: ARG002
        return None

    def _open_attempt(self, task: Task, started: int) -> Attempt:  # noqa: ARG002
        return Attempt(task.details.attempt, _never)

    @staticmethod
    def _no_directory() -> "Path":
        from pathlib import Path

        return Path()


class _DryRouter(Router):
    """Router without pools: each ready task is pushed."""

    def __init__(self) -> None:
        """Create a router that waits for nothing."""

    def route(self, task: Task, push: Push) -> None:
        """Push a task."""
        push(task)

    def enqueue(self, task: Task) -> None:
        raise InternalError(f"a dry run has no queue for {task.id}")

    def enqueue_later(self, task: Task, seconds: float) -> None:
        raise InternalError(f"a dry run does not retry {task.id} after {seconds} s")

    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        raise InternalError(f"a dry run does not replace worker {worker}: {end}")

    def _enqueue_ready(self, task: Task, push: Push) -> None:
        push(task)


def _decide_mapped(node: str, children: Iterable[Decision]) -> Decision:
    """Return the decision on a mapped node; its reason lists the decisions on its children by status."""
    by_status: dict[str, list[Decision]] = {}
    for child in children:
        by_status.setdefault(child.status, []).append(child)
    status = next((status for status in (RUNS, MAY_RUN, FAILS) if status in by_status), DONE)
    parts = [f"{len(equal)} {name} ({equal[0].reason})" for name, equal in by_status.items()]
    return Decision(node, status, f"children: {', '.join(parts)}")


def _replace_functions(plan: Plan) -> None:
    """Replace the functions of all tasks by ones with the same signatures that refuse calls."""
    refusing: dict[int, Function] = {}
    for task in plan.tasks:
        if task.function is None:
            continue
        key = id(task.function)  # the replacement keeps its function alive, so that the id stays unique
        if key not in refusing:
            refusing[key] = _refuse_calls(task.function)
        task.function = refusing[key]


def _refuse_calls(function: Function) -> Function:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotExecutedError

    return functools.update_wrapper(refuse, function, updated=())


async def _refuse_command(command: "Command", directory: "Path", name: str) -> Any:  # noqa: ARG001
    raise NotExecutedError


def _result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
    raise InternalError("a dry run waits for a coroutine")


def _is_reusable(task: Task) -> bool:
    return bool(task.vertex.options.cache or task.vertex.options.creates)


def _never(attempt: Attempt, seconds: float) -> None:
    """Do not abandon an attempt that executes nothing."""
