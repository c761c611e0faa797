"""What becomes of a task that was run elsewhere: as in ``run.runner``, but told by reports."""

import pickle
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from taskrunner.engines.cluster.packing import Packer, has_remote_condition, is_gathered
from taskrunner.engines.messages import STOPPED, StepFailure, StepReport
from taskrunner.errors import TaskrunnerError
from taskrunner.execution.runner import MIN_JOURNALED_NS, Runner, clock
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import Failure, Retried, Skip
from taskrunner.plan.plan import AttemptRecord
from taskrunner.plan.task import MAP, Task


class RemoteError(TaskrunnerError):
    """Stands for an error that cannot come here: it cannot be pickled, or its class is not known here."""


class ClusterRunner(Runner):
    """Ends the tasks of a run as reports say. One thread calls it. ``lane`` is the worker that it speaks of."""

    def __init__(self, packer: Packer, *given: Any) -> None:
        super().__init__(*given)
        self.packer = packer
        self._lanes: dict[int, Callable[[AttemptRecord], None]] = {self._worker: self._note}

    def at(self, lane: int) -> None:
        """Speak of what a worker has done from now on."""
        if lane not in self._lanes:
            self._lanes[lane] = self.state.new_record_list(lane).append
        self._note = self._lanes[lane]

    # -- what is done here -------------------------------------------------------------------------

    def skip_reason(self, task: Task) -> Skip | None:
        """Say why a task that is ready is not to be run; a guard that takes results is looked at where they are."""
        if not has_remote_condition(task.vertex.templates):
            return super().skip_reason(task)
        guard, task.details.condition = task.details.condition, UNSET
        try:
            return super().skip_reason(task)
        finally:
            task.details.condition = guard

    def settle(self, task: Task) -> Task | None:
        """End a task for which nothing is to be done elsewhere; return one that became ready by that."""
        self.at(self._worker)
        if task.details.kind == MAP:
            self._share(task)
            following = self._execute_special(task)
            if task.details.kind == MAP:  # it has no children: it has ended
                self.packer.shared.pop(task.vertex.index, None)
            return following
        self.packer.shared.pop(task.vertex.index, None)
        journal = self._journal
        if is_gathered(task.inputs):  # the children's entries say all of it
            self._journal = None
        try:
            return self._execute_special(task)
        finally:
            self._journal = journal

    def _share(self, task: Task) -> None:
        """Keep a mapped node's inputs for its children."""
        self.packer.shared[task.vertex.index] = list(task.inputs or ())

    # -- what was done elsewhere -------------------------------------------------------------------

    def done(self, task: Task, value: Any, report: StepReport, started: int, ended: int) -> Task | None:
        """End a task with its result: a Remote, unless it is a step in the middle of a chain."""
        self._measure(task, report.cpu)
        if report.entry is not None and self._journal is not None:
            self._journal(tuple(report.entry))
            if clock() - self.state.looked[0] > MIN_JOURNALED_NS:
                self.state.wake()
        task.drop_inputs()
        return self.deliver(task, value, started, ended)

    def expanded(self, task: Task, items: list[Any], started: int) -> Task | None:
        """Make a mapped node's children and place them; without any the node itself is ready."""
        if not items:
            return self.complete(task, [], started)
        self._share(task)
        task.drop_inputs()
        self._expand(task, items, started)
        return None

    def failed(self, task: Task, step_failure: StepFailure, started: int, ended: int, cpu: int = 0) -> Task | None:
        """End an attempt with its error; ``cpu`` is the nanoseconds of CPU time that it took, if they are known."""
        self._measure(task, cpu)
        failure = self._failure(task, step_failure)
        details = task.details
        is_over = self.state.cancelled.is_set() or (self.halted[0] and not details.always)
        if step_failure.is_lost:
            self.state.count_abandoned(1)
        if step_failure.wait_s is not None and not is_over:
            self._retry(task, Retried(failure, step_failure.wait_s), started, ended)
            return None
        return self._record_failure(task, failure, started, ended)

    def not_run(self, task: Task, state: str) -> Task | None:
        """End a task that was skipped elsewhere."""
        return self.skip_or_fail(
            task, Skip("stopped", self.state.because) if state == STOPPED else Skip("when"), clock()
        )

    def _measure(self, task: Task, cpu: int) -> None:
        if self.state.cpu is not None and cpu:
            self.state.cpu.record(task.id, task.details.attempt, cpu)

    def _failure(self, task: Task, step_failure: StepFailure) -> Failure:
        mask = self.state.mask
        texts = (
            mask(step_failure.message),
            mask(step_failure.traceback),
            self.plan.path_to(task),
            mask(step_failure.arguments),
        )
        return Failure(task.id, task.details.attempt, _error(step_failure), *texts, task.details.allow_failure)


def _error(step_failure: StepFailure) -> BaseException:
    """Return the error itself, if it can come here."""
    if step_failure.timeout_s:
        return NodeTimeoutError(step_failure.timeout_s, is_lost=step_failure.is_lost)
    try:
        error = pickle.loads(step_failure.error)  # noqa: S301  it comes from our own sites, which run our code
    except BaseException:  # noqa: BLE001  loading it may raise anything
        error = None
    return error if isinstance(error, BaseException) else RemoteError(step_failure.message)
