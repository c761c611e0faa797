"""Cluster runner: completes the tasks of a run from step reports, with the rules of ``execution.runner``."""

import pickle
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from taskrunner.engines.cluster.packing import Packer, has_remote_condition, is_gathered
from taskrunner.engines.messages import STOPPED, StepFailure, StepReport
from taskrunner.errors import TaskrunnerError
from taskrunner.execution.runner import MAX_JOURNAL_DELAY_NS, Runner, clock
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import Failure, Retried, Skip
from taskrunner.plan.plan import AttemptRecord
from taskrunner.plan.task import MAP, Task


class RemoteError(TaskrunnerError):
    """Substitute for an error that cannot be transferred: it is unpicklable, or the client lacks its class."""


class ClusterRunner(Runner):
    """Runner that completes tasks from step reports. One thread calls it.

    Its records belong to the worker number that was passed to ``select_worker`` last.
    """

    def __init__(self, packer: Packer, *runner_args: Any) -> None:
        super().__init__(*runner_args)
        self.packer = packer
        self._append_functions: dict[int, Callable[[AttemptRecord], None]] = {self._worker: self._append_record}

    def select_worker(self, number: int) -> None:
        """Attribute the following records to this worker number."""
        if number not in self._append_functions:
            self._append_functions[number] = self.state.new_record_list(number).append
        self._append_record = self._append_functions[number]

    # -- tasks that complete in the client ---------------------------------------------------------

    def skip_reason(self, task: Task) -> Skip | None:
        """Return the reason to skip a ready task, or None; workers evaluate conditions that depend on results."""
        if not has_remote_condition(task.vertex.templates):
            return super().skip_reason(task)
        condition, task.details.condition = task.details.condition, UNSET
        try:
            return super().skip_reason(task)
        finally:
            task.details.condition = condition

    def settle(self, task: Task) -> Task | None:
        """Complete a task that requires no worker process; return a task that became ready."""
        self.select_worker(self._worker)
        if task.details.kind == MAP:
            self._share_inputs(task)
            next_task = self._execute_special(task)
            if task.details.kind == MAP:  # it has no children and is complete
                self.packer.shared.pop(task.vertex.index, None)
            return next_task
        self.packer.shared.pop(task.vertex.index, None)
        journal = self._journal
        if is_gathered(task.inputs):  # the entries of the children contain all results
            self._journal = None
        try:
            return self._execute_special(task)
        finally:
            self._journal = journal

    def _share_inputs(self, task: Task) -> None:
        """Retain the inputs of a mapped node for its children."""
        self.packer.shared[task.vertex.index] = list(task.inputs or ())

    # -- tasks that complete with a report ---------------------------------------------------------

    def done(self, task: Task, value: Any, report: StepReport, started: int, ended: int) -> Task | None:
        """Complete a task with its result: a ResultRef, or MISSING for a step within a chain."""
        self._record_cpu(task, report.cpu)
        if report.entry is not None and self._journal is not None:
            self._journal(tuple(report.entry))
            if clock() - self.state.journal_polled_at[0] > MAX_JOURNAL_DELAY_NS:
                self.state.wake()
        task.drop_inputs()
        return self.deliver(task, value, started, ended)

    def expanded(self, task: Task, items: list[Any], started: int) -> Task | None:
        """Create and enqueue the children of a mapped node; without items, complete the node itself."""
        if not items:
            return self.complete(task, [], started)
        self._share_inputs(task)
        task.drop_inputs()
        self._expand(task, items, started)
        return None

    def failed(self, task: Task, step_failure: StepFailure, started: int, ended: int, cpu: int = 0) -> Task | None:
        """End an attempt with its error; ``cpu`` is its CPU time in nanoseconds, 0 if unknown."""
        self._record_cpu(task, cpu)
        failure = self._failure(task, step_failure)
        details = task.details
        is_stopped = self.state.cancelled.is_set() or (self.stop_flag[0] and not details.always)
        if step_failure.is_lost:
            self.state.count_abandoned(1)
        if step_failure.wait_s is not None and not is_stopped:
            self._retry(task, Retried(failure, step_failure.wait_s), started, ended)
            return None
        return self._record_failure(task, failure, started, ended)

    def not_run(self, task: Task, state: str) -> Task | None:
        """Complete a task that a worker skipped or stopped."""
        return self.skip_or_fail(
            task, Skip("stopped", self.state.because) if state == STOPPED else Skip("when"), clock()
        )

    def _record_cpu(self, task: Task, cpu: int) -> None:
        if self.state.cpu is not None and cpu:
            self.state.cpu.record(task.id, task.details.attempt, cpu)

    def _failure(self, task: Task, step_failure: StepFailure) -> Failure:
        mask = self.state.mask
        fields = (
            mask(step_failure.message),
            mask(step_failure.traceback),
            self.plan.path_to(task),
            mask(step_failure.arguments),
        )
        return Failure(task.id, task.details.attempt, _load_error(step_failure), *fields, task.details.allow_failure)


def _load_error(step_failure: StepFailure) -> BaseException:
    """Return the original error, or a substitute if it cannot be transferred."""
    if step_failure.timeout_s:
        return NodeTimeoutError(step_failure.timeout_s, is_lost=step_failure.is_lost)
    try:
        error = pickle.loads(step_failure.error)  # noqa: S301  it comes from our own workers, which run our code
    except BaseException:  # noqa: BLE001  loading it may raise anything
        error = None
    return error if isinstance(error, BaseException) else RemoteError(step_failure.message)
