"""Status of the nodes of a recorded run, for drawings of its graph."""

import itertools
import math
from collections.abc import Iterable

import msgspec

from taskrunner.analysis.attempts import FAILED
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.events.types import NodeSkipped

# States of nodes, in addition to the states of attempts.
SKIPPED = "skipped"
NOT_RUN = "not run"  # not selected for the run
NOT_ENDED = "not ended"  # when the run was killed, or so far
UNKNOWN = "unknown"  # not in the graph of the run


class Children(msgspec.Struct, frozen=True):
    """The executed children of a mapped node; ``slowest`` took longest, ``slowest_s`` seconds."""

    count: int
    failed: int
    slowest: str
    slowest_s: float


class NodeStatus(msgspec.Struct, frozen=True):
    """The status of one node.

    - ``ran_s``: the seconds of all attempts of the node and of its children; ``queued_s``: without the children.
    - ``worker``: the worker of the last attempt, -1 for the event loop, or None if there was no attempt.
    - ``critical``: whether the node or one of its children is on the critical path.
    - ``reason`` and ``because``: the fields of ``plan.outcome.Skip``.
    """

    state: str
    ran_s: float = 0.0
    queued_s: float = 0.0
    worker: int | None = None
    attempts: int = 0
    critical: bool = False
    reason: str = ""
    because: str = ""
    children: Children | None = None


class StatusIndex:
    """The statuses of a run's nodes; ``links`` are the pairs of consecutive nodes on the critical path."""

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        _, path = run.critical_path
        mapped = {child: node for node, children in run.children.items() for child in children}
        critical = [node for node, _ in itertools.groupby(mapped.get(node, node) for node in path)]
        self.links = frozenset(itertools.pairwise(critical))
        self._critical = frozenset(critical)

    def of(self, node: str) -> NodeStatus:
        """Return the status of a node."""
        skip = self.run.skipped.get(node)
        attempts, children = self.run.by_node.get(node, ()), self.run.children.get(node, ())
        return NodeStatus(
            state=self._state(node, skip),
            ran_s=_sum(self.run.spent.get(name, 0.0) for name in (node, *children)),
            queued_s=_sum(attempt.queued_s for attempt in attempts),
            worker=attempts[-1].worker if attempts else None,
            attempts=len(attempts),
            critical=node in self._critical,
            reason=skip.reason if skip else "",
            because=skip.because if skip else "",
            children=self._children(children) if children else None,
        )

    def contains(self, node: str) -> bool:
        """Return whether the graph of the run may contain a node; an unreadable graph may contain any node."""
        return self.run.dag is None or node in self.run.dag.index

    def _state(self, node: str, skip: NodeSkipped | None) -> str:
        state = self.run.state_of(node)
        if skip and self.run.state_of(skip.because) == FAILED and skip.because in self.run.children.get(node, ()):
            return FAILED  # the results were not collected, but the children ran
        if state or not self.contains(node):
            return state or UNKNOWN
        return NOT_ENDED if self.run.done is None else NOT_RUN

    def _children(self, children: Iterable[str]) -> Children:
        spent = {child: self.run.spent[child] for child in children}
        slowest = max(spent, key=lambda child: spent[child])
        failed = sum(self.run.state_of(child) == FAILED for child in spent)
        return Children(len(spent), failed, slowest, _sum((spent[slowest],)))


def _sum(seconds: Iterable[float]) -> float:
    """Add seconds; the result is rounded to nanoseconds, the resolution of events."""
    return round(math.fsum(seconds), 9)
