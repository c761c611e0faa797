"""What a run gives back."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskrunner.errors import RunFailedError
from taskrunner.graph.graph import Handle
from taskrunner.nodes.binding import resolve_path
from taskrunner.plan.outcome import Failure, Skip, state_of
from taskrunner.plan.plan import AttemptRecord
from taskrunner.storage.summary import Summary


class NodeTiming(msgspec.Struct, frozen=True, gc=False):
    """When and where one node ran: each attempt for itself, those before the last with the state ``retried``.

    Times are seconds, ``started_at`` from the start of the run.

    ``worker`` is -1 for what waited on the event loop: async nodes and commands.
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

    ``ok``: the run came to its end and no node failed that may not. It holds on to the graph's callables and arguments,
    not to results other than the outputs. What the runners noted becomes timing and summary
    when somebody asks for them.
    """

    def __init__(
        self,
        ok: bool,
        notes: Sequence[tuple[int, Sequence[AttemptRecord]]],
        outputs: Mapping[str, Any],
        failures: Sequence[Failure],
        started: int,
        summarize: Callable[[], Summary],
    ) -> None:
        self.ok = ok
        self.outputs = outputs
        self.failures = tuple(failures)
        self._notes = notes
        self._started = started
        self._summarize = summarize

    @functools.cached_property
    def summary(self) -> Summary:
        """The run in numbers."""
        return self._summarize()

    @functools.cached_property
    def timing(self) -> list[NodeTiming]:
        """When and where each node ran, in the order in which they ended."""
        told = [(note[3], worker, note) for worker, notes in self._notes for note in notes]  # attempts as well
        told.sort(key=operator.itemgetter(0))
        return [self._timing(worker, note) for _, worker, note in told]

    def _timing(self, worker: int, note: AttemptRecord) -> NodeTiming:
        task, ready_at, started, ended, why = note
        return NodeTiming(
            task.id,
            state_of(why),
            worker,
            (started - ready_at) / 1e9,
            (ended - started) / 1e9,
            (started - self._started) / 1e9,
            task.stolen,
        )

    @functools.cached_property
    def skipped(self) -> dict[str, Skip]:
        """Why each node that was not run was not run."""
        return {task.id: why for _, notes in self._notes for task, *_, why in notes if isinstance(why, Skip)}

    def __getitem__(self, node: Handle | str) -> Any:
        """Return the result of an output, or the part of it that a handle stands for.

        Raises:
            RunFailedError: the node failed, was skipped, or is no output of this run.
            BindingError: its result has no such part.

        """
        name = node.id if isinstance(node, Handle) else node
        if name not in self.outputs:
            raise RunFailedError(self._why_missing(name))
        path = node.path if isinstance(node, Handle) else ()
        return resolve_path(self.outputs[name], path, f'"{name}"')

    def _why_missing(self, name: str) -> str:
        for failure in self.failures:
            if failure.node == name:
                return f'node "{name}" failed: {failure.message}'
        if name in self.skipped:
            because = self.skipped[name].because
            return f'node "{name}" was skipped' + (f' because of "{because}"' if because else "")
        known = any(task.id == name for _, notes in self._notes for task, *_ in notes)
        return f'the result of "{name}" was not kept: it is no output' if known else f'no node "{name}" in this run'
