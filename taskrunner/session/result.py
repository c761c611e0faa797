"""Result of a run, as ``taskrunner.run`` returns it."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskrunner.errors import RunFailedError
from taskrunner.execution.state import RunState
from taskrunner.graph.graph import Handle
from taskrunner.nodes.binding import resolve_path
from taskrunner.plan.outcome import Failure, Skip, state_of
from taskrunner.plan.plan import AttemptRecord, Plan
from taskrunner.session.summarize import RunFacts, summarize
from taskrunner.storage.summary import Summary


class NodeTiming(msgspec.Struct, frozen=True, gc=False):
    """Time and worker of one attempt of a node. Attempts before the last have the state ``retried``.

    Times are in seconds; ``started_at`` counts from the start of the run. ``worker`` is -1 for nodes that ran on the
    event loop: async nodes and commands.
    """

    node: str
    state: str
    worker: int
    queued_s: float
    ran_s: float
    started_at: float
    stolen: bool


class RunResult:
    """The result of one run: ``result[handle]``, ``.ok``, ``.outputs``, ``.failures``, ``.timing``, ``.summary``.

    ``ok``: the run ended and no node failed except those that may. The object refers to the graph's callables and
    arguments, and to no results but the outputs. ``timing`` and ``summary`` are computed when they are first read.
    """

    def __init__(
        self,
        ok: bool,
        records: Sequence[tuple[int, Sequence[AttemptRecord]]],
        outputs: Mapping[str, Any],
        failures: Sequence[Failure],
        started: int,
        summarize: Callable[[], Summary],
    ) -> None:
        self.ok = ok
        self.outputs = outputs
        self.failures = tuple(failures)
        self._records = records
        self._started = started
        self._summarize = summarize

    @functools.cached_property
    def summary(self) -> Summary:
        """The run in numbers."""
        return self._summarize()

    @functools.cached_property
    def timing(self) -> list[NodeTiming]:
        """Time and worker of each attempt, in the order in which the attempts ended."""
        attempts = [(record[3], worker, record) for worker, records in self._records for record in records]
        attempts.sort(key=operator.itemgetter(0))
        return [self._timing(worker, record) for _, worker, record in attempts]

    def _timing(self, worker: int, record: AttemptRecord) -> NodeTiming:
        task, ready_at, started, ended, outcome = record
        return NodeTiming(
            task.id,
            state_of(outcome),
            worker,
            (started - ready_at) / 1e9,
            (ended - started) / 1e9,
            (started - self._started) / 1e9,
            task.stolen,
        )

    @functools.cached_property
    def skipped(self) -> dict[str, Skip]:
        """The reason of each skipped node."""
        records = (record for _, records in self._records for record in records)
        return {task.id: outcome for task, *_, outcome in records if isinstance(outcome, Skip)}

    def __getitem__(self, node: Handle | str) -> Any:
        """Return the result of an output, or the part of it that a handle refers to.

        Raises:
            RunFailedError: the node failed, was skipped, or is not an output of this run.
            BindingError: its result has no such part.

        """
        name = node.id if isinstance(node, Handle) else node
        if name not in self.outputs:
            raise RunFailedError(self._missing_reason(name))
        path = node.path if isinstance(node, Handle) else ()
        return resolve_path(self.outputs[name], path, f'"{name}"')

    def _missing_reason(self, name: str) -> str:
        for failure in self.failures:
            if failure.node == name:
                return f'node "{name}" failed: {failure.message}'
        if name in self.skipped:
            because = self.skipped[name].because
            return f'node "{name}" was skipped' + (f' because of "{because}"' if because else "")
        if any(task.id == name for _, records in self._records for task, *_ in records):
            return f'the result of "{name}" is not available: the node is not an output'
        return f'no node "{name}" in this run'


def build_result(facts: RunFacts, plan: Plan, state: RunState) -> RunResult:
    """Return the result of a run that has ended; its summary is computed when it is first read."""
    records = state.records()
    dag, cpu = plan.dag, state.cpu
    return RunResult(
        facts.ok,
        records,
        plan.take_outputs(),
        state.failures,
        state.started,
        lambda: summarize(records, dag, facts, cpu),
    )
