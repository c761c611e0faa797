"""Totals of a recorded run: sums over all its parts, for complete and incomplete runs."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from taskrunner.analysis.attempts import ALLOWED, CACHED, COMMAND, DONE, FAILED, RETRIED, WORKER
from taskrunner.analysis.recorded_run import RecordedRun, kind_of
from taskrunner.storage.summary import CpuTimes, add_up

SKIPPED = "skipped"
OPEN = "not ended"

# The states of nodes, and RETRIED for attempts with a successor; the worst state is first.
STATES = (FAILED, OPEN, ALLOWED, RETRIED, SKIPPED, CACHED, DONE)


class Totals(msgspec.Struct, frozen=True):
    """The sums over one run.

    - ``states``: the number of nodes that ended in each state.
    - ``retried`` counts attempts; ``steals`` counts nodes.
    - ``work_s``: the seconds in calls and commands. Async nodes are excluded, because they mostly wait.
    - ``busy_s``: the seconds that each worker spent in nodes.
    - ``cpu``: the time in calls and the CPU part of it, or None if CPU time was not measured.
    """

    states: Mapping[str, int]
    retried: int
    steals: int
    wall_s: float
    work_s: float
    busy_s: tuple[float, ...]
    cpu: CpuTimes | None = None

    @property
    def parallelism(self) -> float:
        """Work divided by the wall time."""
        return self.work_s / self.wall_s if self.wall_s else 0.0

    @property
    def busy(self) -> tuple[float, ...]:
        """The share of the wall time that each worker was busy."""
        return tuple([each / self.wall_s if self.wall_s else 0.0 for each in self.busy_s])


def totals_of(run: RecordedRun) -> Totals:
    """Return the totals of a run; those of a complete run with one part equal its summary (``session.summarize``)."""
    busy_s, work_s = [0.0] * run.workers, 0.0
    for attempt in run.attempts:
        kind = kind_of(run, attempt)
        if kind == WORKER:
            busy_s[attempt.worker] += attempt.ran_s
        if kind in (WORKER, COMMAND):
            work_s += attempt.ran_s
    return Totals(
        states=Counter([node_state(run, node) for node in nodes_of(run)]),
        retried=sum([attempt.state == RETRIED for attempt in run.attempts]),
        steals=sum([attempt.event.stolen for attempt in run.attempts if attempt.state != RETRIED]),
        wall_s=run.wall_s,
        work_s=work_s,
        busy_s=tuple(busy_s),
        cpu=_cpu(run) if any(start.cpu_time for start in run.starts) else None,
    )


def _cpu(run: RecordedRun) -> CpuTimes:
    return add_up(
        (vertex.call if (vertex := run.vertex(attempt)) is not None else "", attempt.ran_s, attempt.cpu_s)
        for attempt in run.attempts
        if attempt.cpu_s is not None
    )


def nodes_of(run: RecordedRun) -> list[str]:
    """Return the nodes of a run: executed nodes by their first start, then skipped nodes, then all others."""
    others = [vertex.id for vertex in run.dag.vertices] if run.dag is not None else []
    return list(dict.fromkeys([*[attempt.node for attempt in run.attempts], *run.skipped, *others]))


def node_state(run: RecordedRun, node: str) -> str:
    """Return the state of a node, one of STATES; a node whose last attempt was retried has not ended."""
    return run.state_of(node) or OPEN


def worst_state(states: Iterable[str]) -> str:
    """Return the worst of several states."""
    return min(states, key=STATES.index)
