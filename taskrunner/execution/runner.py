"""What one thread does with one task: run it, note it, and hand on what became ready.

There is one runner for each worker, made in that worker's thread, and one for the event loop. A
runner changes a task that is its own at that moment; ``plan`` says how tasks are handed over.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Any

from msgspec import UNSET

from taskrunner.events.observer import Running
from taskrunner.execution.attempt import NO_TASK, Attempt, StartedTask, running
from taskrunner.execution.router import Router
from taskrunner.execution.state import RunState
from taskrunner.execution.timer import nanoseconds
from taskrunner.nodes import inputs
from taskrunner.nodes.binding import MISSING, bind
from taskrunner.nodes.context import Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.retry import delay_before
from taskrunner.plan.outcome import FailedCall, Failure, Retried, Skip, describe
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import GATHER, MAP, NO_DETAILS, Task, countdown
from taskrunner.pool.worker import AbandonedError
from taskrunner.storage.journal import entry, result_of
from taskrunner.storage.serialization import SerializationError

clock = time.perf_counter_ns
# Nanoseconds that an entry of the journal may lie before it is written.
MIN_JOURNALED_NS = 50_000_000
NEVER = Event()


class Runner:
    """Runs tasks on one thread. What it notes is appended to by this thread alone."""

    def __init__(
        self,
        worker: int,
        plan: Plan,
        state: RunState,
        dispatcher: Router,
        push: Callable[[Task], None],
    ) -> None:
        self.plan = plan
        self.state = state
        self.halted = state.new_stop_flag()
        self.running: Callable[[], Task | None] = lambda: None
        self._worker = worker
        self._begun: StartedTask = NO_TASK
        self._notes = state.new_record_list(worker)
        self._note = self._notes.append
        self._journal = state.new_journal_queue().append if state.is_journaled else None
        self._dispatcher = dispatcher
        self._push = push
        self._reuse = state.run_cache

    def executor(self) -> Callable[[Task], Task | None]:  # noqa: C901  one page on purpose
        """Return what a worker calls for each task: it runs it and returns one that became ready by that.

        This is the hot path. What it uses for every node is a local of its own: without a specializing
        interpreter, as on 3.13t, each attribute costs as much as a call. A task that asks for more than
        a call with what lies in its ``inputs`` takes another way.
        """
        now, halted, note, push, route = clock, self.halted, self._note, self._push, self._dispatcher.route
        kind, fresh, count, pairs = type, list, next, zip
        special, fail, journal, stored = self._execute_special, self.fail, self._journal, entry
        looked, wake = self.state.looked, self.state.wake
        running: Task | None = None

        def execute(task: Task) -> Task | None:  # noqa: C901, PLR0912
            nonlocal running
            running = task
            if task.is_special or halted[0]:
                return special(task)
            arguments = task.inputs
            started = now()
            try:
                value = task.function(*arguments)
            except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
                return fail(task, error, started)
            ended = now()
            note((task, task.ready_at, started, ended, None))
            if journal is not None:
                journal(stored(task.id, value))
                if ended - looked[0] > MIN_JOURNALED_NS:
                    wake()
            following = None
            if kind(arguments) is fresh:  # not the constants, which the graph keeps
                arguments.clear()
            if task.is_output:
                task.value = value
            if successors := task.successors:
                for successor, slot in pairs(successors, task.input_positions):
                    if slot is not None:
                        successor.inputs[slot] = value
                    if (waits := successor.pending) is not None and count(waits):
                        continue
                    successor.ready_at = ended
                    if successor.is_routed:
                        route(successor, push)
                    elif following is None:
                        following = successor
                    else:
                        push(successor)
            return following

        self.running = lambda: running
        return execute

    def current(self) -> Current | None:
        """Return what the function that this thread runs may know of itself."""
        if (task := self.running()) is None:
            return None
        begun, attempt, _ = self._begun
        if begun is task and attempt is not None:  # another thread may have begun the task's next one by now
            return Current(task.id, attempt.number, attempt.cancelled)
        return Current(task.id, task.details.attempt, self._cancelled(task))

    def running_at(self, now: int) -> list[Running]:
        """Return what this runner's thread runs at a moment; any thread may ask."""
        found = running(self._worker, self.running(), self._begun, self._notes, now)
        return [] if found is None else [found]

    def _cancelled(self, task: Task) -> Event:
        """Return what is set when nobody waits any more for a task that has no time-out: never for ``always``."""
        return NEVER if task.details.always else self.state.cancelled

    def skip_reason(self, task: Task) -> Skip | None:
        """Say why a task that is ready is not to be run; None: run it.

        Raises:
            BindingError: the reference in its guard leads nowhere.

        """
        if not task.details.always:
            if task.blocked is not None:
                return task.blocked
            if self.halted[0] and task.details.kind != GATHER:  # whose children have all run
                return Skip("stopped", self.state.because)
        if task.details.condition is not UNSET and not bind(task.details.condition, self._results_of(task)):
            return Skip("when")
        return None

    # -- how a task ends ---------------------------------------------------------------------------

    def complete(self, task: Task, value: Any, started: int) -> Task | None:
        """End a task with its result."""
        ended = clock()
        task.drop_inputs()
        if self._journal is not None and not task.details.always:
            self._journal(entry(task.id, value))
            if ended - self.state.looked[0] > MIN_JOURNALED_NS:
                self.state.wake()
        return self.deliver(task, value, started, ended)

    def deliver(self, task: Task, value: Any, started: int, ended: int) -> Task | None:
        """Keep a result that outlives the run, put it where it is taken, and end the task."""
        if task.is_output:
            task.value = value
        for successor, slot in zip(task.successors, task.input_positions, strict=True):
            if slot is not None:
                successor.inputs[slot] = value
        return self._end(task, started, ended, None, None)

    def fail(self, task: Task, error: BaseException, started: int) -> Task | None:
        """End an attempt with an error: the task is tried again later, or ends with its failure."""
        ended, details = clock(), task.details
        given = details.arguments if task.is_special else (task.inputs, {})
        is_lost = isinstance(error, NodeTimeoutError) and error.is_lost
        call = FailedCall(task.id, self.plan.path_to(task), details.attempt, given, details.allow_failure, is_lost)
        failure = describe(call, error, self.state.mask)
        wait_s = self._wait_before_next(task, error)
        if wait_s is None:
            return self._record_failure(task, failure, started, ended)
        self._retry(task, Retried(failure, wait_s), started, ended)
        return None

    def _wait_before_next(self, task: Task, error: BaseException) -> float | None:
        """Return the seconds before the next attempt; None: there is none, or the run is to end."""
        details = task.details
        is_over = self.state.cancelled.is_set() or (self.halted[0] and not details.always)
        if details.retry is None or details.kind == MAP or is_over:
            return None
        return delay_before(details.retry, details.attempt, error)

    def _retry(self, task: Task, retried: Retried, started: int, ended: int) -> None:
        """Note a failed attempt, and have the task placed again later; its inputs stay."""
        details = task.details
        self._note((task, task.ready_at, started, ended, retried))
        details.attempt += 1
        details.arguments, details.last_failure = None, retried.failure
        if details.holds_slots:
            self._dispatcher.release_slots(task, self._push)
        self._dispatcher.enqueue_later(task, retried.wait_s)

    def _record_failure(self, task: Task, failure: Failure, started: int, ended: int) -> Task | None:
        task.drop_inputs()
        self.state.record_failure(failure)
        return self._end(task, started, ended, failure, None if failure.allowed else Skip("needs", task.id))

    def skip_or_fail(self, task: Task, why: Skip, started: int) -> Task | None:
        """End a task that is not run, or not run again."""
        if task.details.last_failure is not None and why.reason == "stopped":
            return self._record_failure(task, task.details.last_failure, started, started)
        return self.skip(task, why)

    def skip(self, task: Task, why: Skip) -> Task | None:
        """End a task that is not run."""
        now = clock()
        task.drop_inputs()
        blocked = why if why.reason == "stopped" else Skip("needs", why.because or task.id)
        return self._end(task, now, now, why, blocked)

    def _end(
        self, task: Task, started: int, ended: int, why: Failure | Skip | None, blocked: Skip | None
    ) -> Task | None:
        """Note a task and take its number at every successor; place those that are ready, but return one of them."""
        # A mapped node's own time is that of its expanding and that of its gathering.
        self._note((task, task.ready_at - task.details.expanding, started - task.details.expanding, ended, why))
        following = None
        for successor in task.successors:
            if blocked is not None:
                successor.blocked = blocked
                successor.is_special = True
            if successor.pending is not None and next(successor.pending):
                continue
            successor.ready_at = ended
            if successor.is_routed:
                self._dispatcher.route(successor, self._push)
            elif following is None:
                following = successor
            else:
                self._push(successor)
        if task.details.holds_slots:
            self._dispatcher.release_slots(task, self._push)
        return following

    # -- tasks that are more than a call ---------------------------------------------------------

    def _results_of(self, task: Task) -> Callable[[str], Any]:
        """Return what gives a node's result, of the nodes whose results the task takes."""
        vertices = self.plan.dag.vertices
        used = task.vertex.data_predecessors if task.inputs else ()
        results = {vertices[index].id: value for index, value in zip(used, task.inputs or (), strict=True)}
        return results.__getitem__

    def _call(self, task: Task) -> Any:
        args: Any = task.inputs[:]
        kwargs: dict[str, Any] = {}
        details = task.details
        if task.vertex.input_positions is None:
            source = details.templates or task.vertex
            args, kwargs = inputs.arguments(source, self._results_of(task), details.item)
        function = task.function
        if self._reuse is not None and task.vertex.options.cache:
            function = self._reuse.function(task, self._results_of)
        if details.retry is None:  # nobody will ask for them again
            task.drop_inputs()
        begun, attempt, _ = self._begun
        if begun is task and attempt is not None and attempt.is_settled:  # what it took may be gone already
            raise AbandonedError
        if details is not NO_DETAILS:
            details.arguments = args, kwargs
        return function(*args, **kwargs)

    def _execute_special(self, task: Task) -> Task | None:
        started = clock()
        attempt = self._open_attempt(task, started) if task.details.is_timed else None
        self._begun = task, attempt, started
        value, why, error = self._try(task)
        if attempt is not None and not self.state.settle(attempt):
            self.state.count_abandoned(-1)
            raise AbandonedError
        if error is not None:
            return self.fail(task, error, started)
        if why:
            return self.skip_or_fail(task, why, started)
        if task.details.kind == MAP and value:
            self._expand(task, value, started)
            self._begun = NO_TASK  # it has not ended: it goes on when its children have
            return None
        return self.complete(task, value, started)

    def _try(self, task: Task) -> tuple[Any, Skip | None, BaseException | None]:
        """Return the task's value, or why it is not run, or its error."""
        try:
            why = self.skip_reason(task)
            return (None, why, None) if why else (self._special_value(task), None, None)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            return None, None, error

    def _open_attempt(self, task: Task, started: int) -> Attempt:
        """Make an attempt that is given up when its time is over."""
        limit = 0.0 if task.details.kind == MAP else task.details.timeout  # it is that of each child

        def give_up(attempt: Attempt, seconds: float) -> None:
            if not self.state.settle(attempt):
                return
            attempt.cancelled.set()
            self.state.count_abandoned(1)
            error = NodeTimeoutError(seconds, is_lost=True)
            # A runner of its own: this one notes for its own thread alone, which may still come back.
            fail = Runner(self._worker, self.plan, self.state, self._dispatcher, self._dispatcher.enqueue).fail
            self._dispatcher.replace_worker(self._worker, lambda: fail(task, error, started))

        attempt = Attempt(task.details.attempt, give_up, is_always=task.details.always)
        self.state.open_attempt(attempt)
        if limit:
            moment = started + nanoseconds(limit)
            attempt.timer = self._dispatcher.timer.at(moment, lambda: give_up(attempt, limit))
        return attempt

    def _special_value(self, task: Task) -> Any:
        """Return the result of a call or of a gathering task; of a mapped one, the items."""
        if task.details.kind == MAP:
            return self._items(task)
        if task.details.kind == GATHER:
            is_wanted = task.is_output or any(slot is not None for slot in task.input_positions)
            values = [None if value is MISSING else value for value in task.inputs]
            task.drop_inputs()
            return values if is_wanted else MISSING  # which the journal cannot store
        return self._call(task)

    def _items(self, task: Task) -> list[Any]:
        """Return a mapped node's items; what its children share of its inputs becomes its templates."""
        result_of = self._results_of(task)
        found = inputs.items(task.vertex.templates.items, result_of)
        shared = inputs.ChildTemplates(task.vertex, result_of)
        task.drop_inputs()
        if found:
            task.details.templates = shared
        return found

    def _expand(self, task: Task, items: list[Any], started: int) -> None:
        """Make a mapped node's children, and place them all."""
        children = task.expand(items)
        now = clock()
        task.details.expanding = now - started
        if self.plan.children:
            children = self._restore_children(task, children)
        self.plan.rank_all(children)
        self.state.count_children(len(children))
        for child in children:
            child.ready_at = now
        if not children:
            task.ready_at = now
            self._push(task)
        pushed = [child for child in children if not child.is_routed]  # all or none, but where a seed says so
        if len(pushed) < len(children):
            for child in [child for child in children if child.is_routed]:
                self._dispatcher.route(child, self._push)
        for child in reversed(pushed):  # a worker takes its newest first: they start in order
            self._push(child)

    def _restore_children(self, task: Task, children: list[Task]) -> list[Task]:
        """Take the results of children that an earlier run has finished; return those that are still to run."""
        remaining = []
        for child in children:
            try:
                task.inputs[child.details.child] = result_of(self.plan.children[child.id])
            except (KeyError, SerializationError):
                remaining.append(child)
        task.pending = countdown(len(remaining))
        return remaining
