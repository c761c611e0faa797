"""Task runner: runs a task on one thread, records the attempt, and passes on the tasks that became ready.

Each worker has a runner, created in its thread, and so has the event loop. A runner changes only tasks that its thread
currently owns. The module ``plan`` describes how threads pass tasks to each other.
"""

import time
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from taskrunner.errors import TaskrunnerError
from taskrunner.events.observer import Running
from taskrunner.execution.attempt import NO_TASK, Attempt, StartedTask, describe_running
from taskrunner.execution.router import Router
from taskrunner.execution.state import RunState
from taskrunner.execution.timer import nanoseconds
from taskrunner.nodes import inputs
from taskrunner.nodes.binding import MISSING, bind
from taskrunner.nodes.context import Cancellation, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.isolation import context_factory
from taskrunner.nodes.retry import delay_before
from taskrunner.plan.outcome import FailedCall, Failure, Retried, Skip, describe
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import GATHER, MAP, NO_DETAILS, Task, countdown
from taskrunner.pool.worker import AbandonedError
from taskrunner.storage.journal import Entry, entry, result_of, with_files
from taskrunner.storage.serialization import SerializationError

if TYPE_CHECKING:
    from taskrunner.nodes.command import RunCommand

clock = time.perf_counter_ns
# A journal entry created at least this long after the last poll of the journal writer wakes the writer.
MAX_JOURNAL_DELAY_NS = 50_000_000
NEVER_SET = Event()


class Runner:
    """Runner of tasks on one thread. Only this thread appends to its attempt records."""

    def __init__(
        self,
        worker: int,
        plan: Plan,
        state: RunState,
        router: Router,
        push: Callable[[Task], None],
    ) -> None:
        self.plan = plan
        self.state = state
        self.stop_flag = state.new_stop_flag()
        self.running: Callable[[], Task | None] = lambda: None
        self._worker = worker
        self._started_task: StartedTask = NO_TASK
        # The last task that called ``current()`` or has a timeout, and the cancellation of its attempt.
        self._cancellation: tuple[Task | None, Cancellation] = None, Cancellation(NEVER_SET)
        self._records = state.new_record_list(worker)
        self._append_record = self._records.append
        self._journal = state.new_journal_queue().append if state.is_journaled else None
        self._router = router
        self._push = push
        self._run_cache = state.run_cache
        self._new_context = context_factory(state.caller_context)

    def executor(self) -> Callable[[Task], Task | None]:  # noqa: C901  one page on purpose
        """Return the function that a worker calls for each task: it runs the task and returns one that became ready.

        This is the hot path. All names used for every node are local variables: without a specializing interpreter, as
        on 3.13t, each attribute access costs as much as a call. A task that requires more than a call with its
        ``inputs`` is executed by ``_execute_special``.
        """
        now, stop_flag, append_record = clock, self.stop_flag, self._append_record
        push, route = self._push, self._router.route
        type_of, list_type, advance, pair = type, list, next, zip
        execute_special, fail, append_entry, create_entry = self._execute_special, self.fail, self._journal, entry
        has_seen_cancellation, cancel = self._has_seen_cancellation, self.cancel
        new_context, run_in = self._new_context, Context.run  # unlike a bound method, it is not created for each call
        is_stopping = stop_flag  # a second name: a type checker assumes that a call of a node cannot set the flag
        polled_at, wake = self.state.journal_polled_at, self.state.wake
        running: Task | None = None

        def execute(task: Task) -> Task | None:  # noqa: C901, PLR0912
            nonlocal running
            running = task
            if task.is_special or stop_flag[0]:
                return execute_special(task)
            arguments = task.inputs
            started = now()
            try:
                value = run_in(new_context(), task.function, *arguments)
            except BaseException as error:  # noqa: BLE001  a node may raise any error; it is the node's failure
                return fail(task, error, started)
            if is_stopping[0] and has_seen_cancellation(task):
                return cancel(task, started)
            ended = now()
            append_record((task, task.ready_at, started, ended, None))
            if append_entry is not None:
                append_entry(create_entry(task.id, value))
                if ended - polled_at[0] > MAX_JOURNAL_DELAY_NS:
                    wake()
            next_task = None
            if type_of(arguments) is list_type:  # unlike a tuple of constants, which belongs to the graph
                arguments.clear()
            if task.is_output:
                task.value = value
            if successors := task.successors:
                for successor, position in pair(successors, task.input_positions):
                    if position is not None:
                        successor.inputs[position] = value
                    if (pending := successor.pending) is not None and advance(pending):
                        continue
                    successor.ready_at = ended
                    if successor.is_routed:
                        route(successor, push)
                    elif next_task is None:
                        next_task = successor
                    else:
                        push(successor)
            return next_task

        self.running = lambda: running
        return execute

    def current(self) -> Current | None:
        """Return the context of the function that this thread runs, for ``taskrunner.current()``."""
        if (task := self.running()) is None:
            return None
        started_task, attempt, _ = self._started_task
        if started_task is task and attempt is not None:  # another thread may already run the next attempt of the task
            return Current(task.id, attempt.number, attempt.cancellation)
        if self._cancellation[0] is not task:
            self._cancellation = task, self._new_cancellation(task)
        return Current(task.id, task.details.attempt, self._cancellation[1])

    def running_at(self, now: int) -> list[Running]:
        """Return the node that this runner's thread runs at the timestamp ``now``; any thread may call this."""
        running = describe_running(self._worker, self.running(), self._started_task, self._records, now)
        return [] if running is None else [running]

    def _new_cancellation(self, task: Task) -> Cancellation:
        """Return the cancellation of an attempt without a timeout; an ``always`` node is never cancelled."""
        return Cancellation(NEVER_SET if task.details.always else self.state.cancelled)

    def _has_seen_cancellation(self, task: Task) -> bool:
        """Return whether a task has seen that it is cancelled: then the run drops the value that it returned.

        The stop flag of the run is set before any cancellation is.
        """
        asked_task, cancellation = self._cancellation
        return asked_task is task and cancellation.is_seen

    def skip_reason(self, task: Task) -> Skip | None:
        """Return the reason to skip a ready task; None if it is to run.

        Raises:
            BindingError: a reference in its condition does not resolve.

        """
        if not task.details.always:
            if task.blocked is not None:
                return task.blocked
            if self.stop_flag[0] and task.details.kind != GATHER:  # all children of a gathering task have run
                return Skip("stopped", self.state.because)
        if task.details.condition is not UNSET and not bind(task.details.condition, self._results_of(task)):
            return Skip("when")
        return None

    # -- completion of a task ----------------------------------------------------------------------

    def complete(self, task: Task, value: Any, started: int) -> Task | None:
        """Complete a task with its result."""
        ended = clock()
        task.drop_inputs()
        if self._journal is not None and not task.vertex.options.always:  # a gathering task has other details
            self._journal(self._entry(task, value))
            if ended - self.state.journal_polled_at[0] > MAX_JOURNAL_DELAY_NS:
                self.state.wake()
        return self.deliver(task, value, started, ended)

    @staticmethod
    def _entry(task: Task, value: Any) -> Entry:
        """Return the journal entry of a task, with the files that its node declares."""
        stored, files = entry(task.id, value), task.details.files
        return stored if files is None else with_files(stored, files.describe())

    def deliver(self, task: Task, value: Any, started: int, ended: int) -> Task | None:
        """Store the result of an output, pass the result to its consumers, and complete the task."""
        if task.is_output:
            task.value = value
        for successor, position in zip(task.successors, task.input_positions, strict=True):
            if position is not None:
                successor.inputs[position] = value
        return self._end(task, started, ended, None, None)

    def cancel(self, task: Task, started: int) -> Task | None:
        """Complete a task that has seen its cancellation because the run was stopped."""
        task.drop_inputs()
        skip = Skip("stopped", self.state.because)
        return self._end(task, started, clock(), skip, skip)

    def fail(self, task: Task, error: BaseException, started: int) -> Task | None:
        """Complete an attempt with an error: the task is retried later, or completes with its failure."""
        ended, details = clock(), task.details
        arguments = details.arguments if task.is_special else (task.inputs, {})
        is_lost = isinstance(error, NodeTimeoutError) and error.is_lost
        call = FailedCall(task.id, self.plan.path_to(task), details.attempt, arguments, details.allow_failure, is_lost)
        failure = self._new_context().run(describe, call, error, self.state.mask)  # it calls methods of the error
        wait_s = self._wait_before_next(task, error)
        if wait_s is None:
            return self._record_failure(task, failure, started, ended)
        self._retry(task, Retried(failure, wait_s), started, ended)
        return None

    def _wait_before_next(self, task: Task, error: BaseException) -> float | None:
        """Return the seconds before the next attempt; None if there is none, or if the run is stopping."""
        details = task.details
        is_stopping = self.state.cancelled.is_set() or (self.stop_flag[0] and not details.always)
        if details.retry is None or details.kind == MAP or is_stopping:
            return None
        return delay_before(details.retry, details.attempt, error)

    def _retry(self, task: Task, retried: Retried, started: int, ended: int) -> None:
        """Record a failed attempt, and enqueue the task again after a delay; it retains its inputs."""
        details = task.details
        self._append_record((task, task.ready_at, started, ended, retried))
        details.attempt += 1
        details.arguments, details.last_failure = None, retried.failure
        if details.holds_slots:
            self._router.release_slots(task, self._push)
        self._router.enqueue_later(task, retried.wait_s)

    def _record_failure(self, task: Task, failure: Failure, started: int, ended: int) -> Task | None:
        task.drop_inputs()
        self.state.record_failure(failure)
        return self._end(task, started, ended, failure, None if failure.allowed else Skip("needs", task.id))

    def skip_or_fail(self, task: Task, skip: Skip, started: int) -> Task | None:
        """Complete a task that does not run, or a retried task that does not run again."""
        if task.details.last_failure is not None and skip.reason == "stopped":
            return self._record_failure(task, task.details.last_failure, started, started)
        return self.skip(task, skip)

    def skip(self, task: Task, skip: Skip) -> Task | None:
        """Complete a task that does not run."""
        now = clock()
        task.drop_inputs()
        blocked = skip if skip.reason == "stopped" else Skip("needs", skip.because or task.id)
        return self._end(task, now, now, skip, blocked)

    def _end(
        self, task: Task, started: int, ended: int, outcome: Failure | Skip | None, blocked: Skip | None
    ) -> Task | None:
        """Record a task and count it at every successor; enqueue the ready successors except one, and return that."""
        # The duration of a mapped node is the time for its expansion plus the time for gathering its results.
        self._append_record(
            (task, task.ready_at - task.details.expanding, started - task.details.expanding, ended, outcome)
        )
        next_task = None
        for successor in task.successors:
            if blocked is not None:
                successor.blocked = blocked
                successor.is_special = True
            if successor.pending is not None and next(successor.pending):
                continue
            successor.ready_at = ended
            if successor.is_routed:
                self._router.route(successor, self._push)
            elif next_task is None:
                next_task = successor
            else:
                self._push(successor)
        if task.details.holds_slots:
            self._router.release_slots(task, self._push)
        return next_task

    # -- tasks that require more than a call -------------------------------------------------------

    def _results_of(self, task: Task) -> Callable[[str], Any]:
        """Return a function that maps the id of a data predecessor to its result."""
        vertices = self.plan.dag.vertices
        predecessors = task.vertex.data_predecessors if task.inputs else ()
        results = {vertices[index].id: value for index, value in zip(predecessors, task.inputs or (), strict=True)}
        return results.__getitem__

    def _call(self, task: Task) -> Any:
        args: Any = task.inputs[:]
        kwargs: dict[str, Any] = {}
        details = task.details
        if task.vertex.input_positions is None:
            source = details.templates or task.vertex
            args, kwargs = inputs.arguments(source, self._results_of(task), details.item)
        function = task.function
        if self._run_cache is not None and task.vertex.options.cache:
            function = self._run_cache.function(task, self._results_of)
        self._record_files(task)
        if details.retry is None:  # no later attempt requires the inputs
            task.drop_inputs()
        started_task, attempt, _ = self._started_task
        if started_task is task and attempt is not None and attempt.is_settled:  # its inputs may be dropped already
            raise AbandonedError
        if details is not NO_DETAILS:
            details.arguments = args, kwargs
        return function(*args, **kwargs)

    async def _run_command(self, task: Task, directory: Path, run: "RunCommand") -> Any:
        """Return the result of a command, which ``run`` executes unless the command is up to date."""
        source = task.details.templates or task.vertex
        command = inputs.command(task.vertex.options, source, self._results_of(task), task.details.item)
        if self._run_cache is not None and task.vertex.options.creates:
            run = self._run_cache.command(task, self._results_of, run)
        self._record_files(task)
        if task.details.retry is None:
            task.drop_inputs()
        return await run(command, directory, task.id)

    def _record_files(self, task: Task) -> None:
        """Record the stamps of the files that a node reads, before it starts, for its journal entry."""
        templates = (task.details.templates or task.vertex).templates
        if self._journal is None or (templates.files is None and templates.creates is None):
            return
        from taskrunner.reuse.declared_files import DeclaredFiles  # needed by such nodes alone

        result_of, item = self._results_of(task), task.details.item
        try:
            files, creates = [
                inputs.paths(template, lambda: result_of, item) for template in (templates.files, templates.creates)
            ]
            task.details.files = DeclaredFiles(files, creates)
        except (TaskrunnerError, TypeError, ValueError):  # the node runs again on resume
            task.details.files = None

    def _execute_special(self, task: Task) -> Task | None:
        started = clock()
        attempt = self._open_attempt(task, started) if task.details.is_timed else None
        self._started_task = task, attempt, started
        if attempt is not None:
            self._cancellation = task, attempt.cancellation
        value, skip, error = self._new_context().run(self._try_run, task)
        if attempt is not None and not self.state.settle(attempt):
            self.state.count_abandoned(-1)
            raise AbandonedError
        if error is not None:
            return self.fail(task, error, started)
        if skip:
            return self.skip_or_fail(task, skip, started)
        if self.stop_flag[0] and self._has_seen_cancellation(task):
            return self.cancel(task, started)
        if task.details.kind == MAP and value:
            self._expand(task, value, started)
            self._started_task = NO_TASK  # the task is incomplete: it continues after its children
            return None
        return self.complete(task, value, started)

    def _try_run(self, task: Task) -> tuple[Any, Skip | None, BaseException | None]:
        """Return the value of a task, the reason to skip it, or its error."""
        try:
            if skip := self.skip_reason(task):
                return None, skip, None
            if task.details.always:
                self.state.record_start(task.vertex.id)
            return self._special_value(task), None, None
        except BaseException as error:  # noqa: BLE001  a node may raise any error; it is the node's failure
            return None, None, error

    def _open_attempt(self, task: Task, started: int) -> Attempt:
        """Create an attempt that is abandoned after the timeout of its task."""
        timeout = 0.0 if task.details.kind == MAP else task.details.timeout  # that of a mapped node is for each child

        def abandon(attempt: Attempt, seconds: float) -> None:
            if not self.state.settle(attempt):
                return
            attempt.cancelled.set()
            self.state.count_abandoned(1)
            error = NodeTimeoutError(seconds, is_lost=True)
            # A separate runner, since only its own thread may append to the records of this one: its call may return.
            fail = Runner(self._worker, self.plan, self.state, self._router, self._router.enqueue).fail
            self._router.replace_worker(self._worker, lambda: fail(task, error, started))

        attempt = Attempt(task.details.attempt, abandon, is_always=task.details.always)
        self.state.open_attempt(attempt)
        if timeout:
            deadline = started + nanoseconds(timeout)
            attempt.timer = self._router.timer.at(deadline, lambda: abandon(attempt, timeout))
        return attempt

    def _special_value(self, task: Task) -> Any:
        """Return the result of a call or of a gathering task, or the items of a mapped node."""
        if task.details.kind == MAP:
            return self._items(task)
        if task.details.kind == GATHER:
            has_consumer = task.is_output or any(position is not None for position in task.input_positions)
            values = [None if value is MISSING else value for value in task.inputs]
            task.drop_inputs()
            return values if has_consumer else MISSING  # the journal cannot store MISSING
        return self._call(task)

    def _items(self, task: Task) -> list[Any]:
        """Return the items of a mapped node; the part of its inputs that its children share becomes its templates."""
        result_of = self._results_of(task)
        items = inputs.items(task.vertex.templates.items, result_of)
        shared = inputs.ChildTemplates(task.vertex, result_of)
        task.drop_inputs()
        if items:
            task.details.templates = shared
        return items

    def _expand(self, task: Task, items: list[Any], started: int) -> None:
        """Create the children of a mapped node, and enqueue them all."""
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
        pushed = [child for child in children if not child.is_routed]  # all or none, except with a seeded order
        if len(pushed) < len(children):
            for child in [child for child in children if child.is_routed]:
                self._router.route(child, self._push)
        for child in reversed(pushed):  # a worker takes its newest task first, so that the children start in order
            self._push(child)

    def _restore_children(self, task: Task, children: list[Task]) -> list[Task]:
        """Restore the results of children that an earlier run has finished; return the remaining children."""
        remaining = []
        for child in children:
            try:
                task.inputs[child.details.child] = result_of(self.plan.children[child.id])
            except (KeyError, SerializationError):
                remaining.append(child)
        task.pending = countdown(len(remaining))
        return remaining
