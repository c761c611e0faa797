"""What became of a node in a recorded run: what a drawing says of it beside what it is."""

import itertools
import math
from collections.abc import Iterable

import msgspec

from taskrunner.analysis.attempts import FAILED
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.events.types import NodeSkipped

# Beside the states of attempts.
SKIPPED = "skipped"
NOT_RUN = "not run"  # nobody asked for it
NOT_ENDED = "not ended"  # when the run was killed, or until now
UNKNOWN = "unknown"  # the run's graph does not have it


class Children(msgspec.Struct, frozen=True):
    """Those of a mapped node that ran. ``slowest`` is the one that took longest, ``slowest_s`` seconds."""

    count: int
    failed: int
    slowest: str
    slowest_s: float


class NodeStatus(msgspec.Struct, frozen=True):
    """What became of one node.

    ``ran_s`` and ``queued_s`` are the seconds of all its attempts, ``ran_s`` those of its children too. ``worker`` is
    that of its last attempt, -1 for the event loop; None: there was no attempt. ``reason`` and ``because`` are
    those of ``run.outcome.Skip``. ``critical``: it, or a child of it, is on the critical path.
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
    """The marks of a run's nodes. ``links``: the pairs of nodes that follow each other on the critical path."""

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        _, path = run.critical_path
        mapped = {child: node for node, children in run.children.items() for child in children}
        stations = [node for node, _ in itertools.groupby(mapped.get(node, node) for node in path)]
        self.links = frozenset(itertools.pairwise(stations))
        self._critical = frozenset(stations)

    def of(self, node: str) -> NodeStatus:
        """Return what became of a node."""
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

    def knows(self, node: str) -> bool:
        """Say whether the run's graph has a node; where nobody can read that graph it may have any."""
        return self.run.dag is None or node in self.run.dag.index

    def _state(self, node: str, skip: NodeSkipped | None) -> str:
        state = self.run.state_of(node)
        if skip and self.run.state_of(skip.because) == FAILED and skip.because in self.run.children.get(node, ()):
            return FAILED  # it was not gathered, but it did run
        if state or not self.knows(node):
            return state or UNKNOWN
        return NOT_ENDED if self.run.done is None else NOT_RUN

    def _children(self, children: Iterable[str]) -> Children:
        spent = {child: self.run.spent[child] for child in children}
        slowest = max(spent, key=lambda child: spent[child])
        failed = sum(self.run.state_of(child) == FAILED for child in spent)
        return Children(len(spent), failed, slowest, _sum((spent[slowest],)))


def _sum(seconds: Iterable[float]) -> float:
    """Add seconds; what events tell ends with the nanoseconds."""
    return round(math.fsum(seconds), 9)
