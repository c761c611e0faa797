"""What one thread does with one task: run it, note it, and hand on what became ready.

There is one runner for each worker, made in that worker's thread, and one for the event loop. A
runner changes a task that is its own at that moment; ``plan`` says how tasks are handed over.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import UNSET

from taskrunner.run.control import Control
from taskrunner.run.dispatch import Dispatcher
from taskrunner.run.outcome import DONE, FAILED, SKIPPED, Record, Skip, describe
from taskrunner.run.plan import COMMAND, GATHER, MAP, Plan, Task, consume
from taskrunner.tasks import inputs
from taskrunner.tasks.binding import MISSING, fill
from taskrunner.tasks.command import run_command

clock = time.perf_counter_ns


class Runner:
    """Runs tasks on one thread. ``records`` is appended to by this thread alone."""

    def __init__(
        self,
        worker: int,
        plan: Plan,
        control: Control,
        dispatcher: Dispatcher,
        push: Callable[[Task], None],
    ) -> None:
        self.worker = worker
        self.plan = plan
        self.control = control
        self.records: list[Record] = control.open_records()
        self.halted = control.open_flag()
        self._dispatcher = dispatcher
        self._push = push
        self._by_id = plan.by_id

    def execute(self, task: Task) -> Task | None:
        """Run one task on a worker; return one that became ready by that, if there is one."""
        if task.special or self.halted[0]:
            return self._execute_special(task)
        started = clock()
        try:
            value = task.function(*task.constants) if task.constants is not None else self._call(task)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            return self.fail(task, error, started)
        return self.finish(task, value, started)

    def why_not(self, task: Task) -> Skip | None:
        """Say why a task that is ready is not to be run; None: run it.

        Raises:
            BindingError: the reference in its guard leads nowhere.

        """
        if not task.always:
            if task.blocked is not None:
                return task.blocked
            if self.halted[0] and task.kind != GATHER:  # whose children have all run
                return Skip("stopped", self.control.because)
        if task.guard is not UNSET and not fill(task.guard, self.result_of):
            return Skip("when")
        return None

    def result_of(self, node: str) -> Any:
        """Return the result of a node that has finished."""
        return self._by_id[node].value

    def let_go(self, task: Task) -> None:
        """Take back the task's hold on what it refers to: it has what it needs of it. Once is enough."""
        held, task.inputs = task.inputs, None
        task.item = None
        task.children = ()
        if held is task.vertex:
            for index in task.vertex.used:
                consume(self.plan.tasks[index])

    # -- how a task ends ---------------------------------------------------------------------------

    def finish(self, task: Task, value: Any, started: int) -> Task | None:
        """End a task with its result."""
        ended = clock()
        if task.wanted:
            task.value = value
        self._note(DONE, task, started, ended, None)
        return self._advance(task, ended, None)

    def fail(self, task: Task, error: BaseException, started: int) -> Task | None:
        """End a task with an error."""
        ended = clock()
        self.let_go(task)
        failure = describe(task.id, error, self.plan.path_to(task))
        self.control.failed(failure)
        self._note(FAILED, task, started, ended, failure)
        return self._advance(task, ended, Skip("needs", task.id))

    def skip(self, task: Task, why: Skip) -> Task | None:
        """End a task that is not run."""
        now = clock()
        self.let_go(task)
        self._note(SKIPPED, task, now, now, why)
        blocked = why if why.reason == "stopped" else Skip("needs", why.because or task.id)
        return self._advance(task, now, blocked)

    def stop(self, task: Task, started: int) -> Task | None:
        """End a task that was cancelled because the run was interrupted."""
        why = Skip("stopped")
        ended = clock()
        self._note(SKIPPED, task, started, ended, why)
        return self._advance(task, ended, why)

    def _note(self, state: str, task: Task, started: int, ended: int, why: Any) -> None:
        # A mapped node's own time is that of its expanding and that of its gathering.
        ready, started = task.ready_at - task.expanding, started - task.expanding
        self.records.append(Record(state, task.id, self.worker, task.made_by, ready, started, ended, why))

    def _advance(self, task: Task, now: int, blocked: Skip | None) -> Task | None:
        """Arrive at every successor; place those that are ready, but return one of them."""
        following = None
        for successor in task.after:
            if blocked is not None:
                successor.blocked = blocked
                successor.special = True
            if successor.arrive is not None and successor.arrive():
                continue
            successor.ready_at = now
            successor.made_by = self.worker
            if successor.routed:
                self._dispatcher.route(successor, self._push)
            elif following is None:
                following = successor
            else:
                self._push(successor)
        if task.holding:
            self._dispatcher.give_back(task, self._push)
        return following

    # -- tasks that are more than a call ---------------------------------------------------------

    def _call(self, task: Task) -> Any:
        args, kwargs = inputs.arguments(task.inputs, self.result_of, task.item)
        self.let_go(task)
        return task.function(*args, **kwargs)

    def _execute_special(self, task: Task) -> Task | None:
        started = clock()
        try:
            why = self.why_not(task)
            value = None if why else self._special_value(task)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            return self.fail(task, error, started)
        if why:
            return self.skip(task, why)
        if task.kind == MAP and value:
            self._expand(task, value, started)
            return None
        return self.finish(task, value, started)

    def _special_value(self, task: Task) -> Any:
        """Return the result of a call or of a gathering task; of a mapped one, the items."""
        if task.kind == MAP:
            found = inputs.items(task.vertex.items, self.result_of)
            shared = inputs.ChildInputs(task.vertex, self.result_of)
            self.let_go(task)
            task.inputs = shared
            return found
        if task.kind == GATHER:
            values = [None if child.value is MISSING else child.value for child in task.children]
            self.let_go(task)
            return values
        return self._call(task)

    def _expand(self, task: Task, items: list[Any], started: int) -> None:
        """Make a mapped node's children, and place them all."""
        task.expand(items)
        children = task.children
        now = clock()
        task.expanding = now - started
        for child in children:
            child.ready_at = now
            child.made_by = self.worker
        if children[0].routed:
            for child in children:
                self._dispatcher.route(child, self._push)
        else:
            for child in reversed(children):  # a worker takes its newest first: they start in order
                self._push(child)

    async def offloaded(self, task: Task, folder: Path) -> Task | None:
        """Run an async node or a command on the event loop."""
        started = clock()
        try:
            if why := self.why_not(task):
                return self.skip(task, why)
            with contextlib.nullcontext() if task.always else self._dispatcher.cancellable():
                if task.kind == COMMAND:
                    command = inputs.command(task.vertex, task.inputs, self.result_of, task.item)
                    self.let_go(task)
                    value = await run_command(command, folder, task.id)
                else:
                    value = await self._call(task)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            if isinstance(error, asyncio.CancelledError) and self.control.signal:
                return self.stop(task, started)
            return self.fail(task, error, started)
        return self.finish(task, value, started)
