"""What a run gives back."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from taskrunner.errors import RunFailedError
from taskrunner.graph.graph import Handle
from taskrunner.run.outcome import DONE, SKIPPED, Failure, Record, Skip
from taskrunner.tasks.binding import follow


class NodeTiming(msgspec.Struct, frozen=True, gc=False):
    """When and where one node ran. Times are seconds, ``started_at`` from the start of the run.

    ``worker`` is -1 for what waited on the event loop: async nodes and commands.
    """

    node: str
    state: str
    worker: int
    queued_s: float
    ran_s: float
    started_at: float
    stolen: bool


class SlowNode(msgspec.Struct, frozen=True):
    """One of the nodes that ran longest."""

    node: str
    ran_s: float


class Summary(msgspec.Struct, frozen=True):
    """A run in numbers, as ``summary.json`` holds it. Times are seconds.

    ``busy`` is each worker's share of the wall time that it spent in nodes. ``parallelism`` is the
    time spent in calls and commands, over the wall time. ``gil_module`` is the import that switched
    the GIL on during a run that began without it. ``signal`` is the one that stopped the run, or 0.
    """

    run: str
    graph: str
    ok: bool
    wall_s: float
    workers: int
    nodes: int
    done: int
    failed: int
    skipped: int
    busy: tuple[float, ...]
    steals: int
    critical_path_s: float
    critical_path: tuple[str, ...]
    parallelism: float
    slowest: tuple[SlowNode, ...]
    python: str
    free_threaded: bool
    gil: bool
    gil_module: str
    peak_memory_bytes: int
    signal: int


class RunResult:
    """The result of one run: ``result[handle]``, ``.ok``, ``.outputs``, ``.failures``, ``.timing``."""

    def __init__(
        self,
        summary: Summary,
        outputs: Mapping[str, Any],
        failures: Sequence[Failure],
        records: Sequence[Record],
        started: int,
    ) -> None:
        self.summary = summary
        self.outputs = dict(outputs)
        self.failures = tuple(failures)
        self._records = records
        self._started = started

    @property
    def ok(self) -> bool:
        """Whether the run came to its end and no node failed."""
        return self.summary.ok

    @functools.cached_property
    def timing(self) -> list[NodeTiming]:
        """When and where each node ran, in the order in which they ended."""
        return [
            NodeTiming(
                record.node,
                record.state,
                record.worker,
                (record.started - record.ready_at) / 1e9,
                (record.ended - record.started) / 1e9,
                (record.started - self._started) / 1e9,
                record.stolen,
            )
            for record in sorted(self._records, key=lambda record: record.ended)
        ]

    @functools.cached_property
    def skipped(self) -> dict[str, Skip]:
        """Why each node that was not run was not run."""
        return {r.node: r.why for r in self._records if r.state == SKIPPED and isinstance(r.why, Skip)}

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
        return follow(self.outputs[name], path, f'"{name}"')

    def _why_missing(self, name: str) -> str:
        for failure in self.failures:
            if failure.node == name:
                return f'node "{name}" failed: {failure.message}'
        if name in self.skipped:
            because = self.skipped[name].because
            return f'node "{name}" was skipped' + (f' because of "{because}"' if because else "")
        known = any(r.node == name and r.state == DONE for r in self._records)
        return f'the result of "{name}" was not kept: it is no output' if known else f'no node "{name}" in this run'
