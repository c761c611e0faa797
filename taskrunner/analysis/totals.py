"""A recorded run in numbers: all its parts together, and whether it has come to an end or not."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from taskrunner.analysis.attempts import ALLOWED, CACHED, COMMAND, DONE, FAILED, RETRIED, WORKER
from taskrunner.analysis.recorded_run import RecordedRun, kind_of
from taskrunner.storage.summary import CpuTimes, add_up

SKIPPED = "skipped"
OPEN = "not ended"

# The states of nodes, and that of attempts which others followed, the worst first.
STATES = (FAILED, OPEN, ALLOWED, RETRIED, SKIPPED, CACHED, DONE)


class Totals(msgspec.Struct, frozen=True):
    """``states``: how many nodes ended in each. ``work_s``: seconds in calls and commands; async nodes mostly wait.

    ``busy_s``: the seconds that each worker spent in nodes. ``retried`` counts attempts, ``steals`` nodes.
    ``cpu``: what calls took and how much of it on a processor, if that was measured.
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
        """Work over the wall time."""
        return self.work_s / self.wall_s if self.wall_s else 0.0

    @property
    def busy(self) -> tuple[float, ...]:
        """Each worker's share of the wall time."""
        return tuple([each / self.wall_s if self.wall_s else 0.0 for each in self.busy_s])


def totals_of(run: RecordedRun) -> Totals:
    """Add up a run, as ``run.summarize`` does it for one that has come to its end in one part."""
    busy_s, work_s = [0.0] * run.workers, 0.0
    for attempt in run.attempts:
        where = kind_of(run, attempt)
        if where == WORKER:
            busy_s[attempt.worker] += attempt.ran_s
        if where in (WORKER, COMMAND):
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
    """Return the nodes of a run: those that ran by their first start, then the skipped ones, then all others."""
    others = [vertex.id for vertex in run.dag.vertices] if run.dag is not None else []
    return list(dict.fromkeys([*[attempt.node for attempt in run.attempts], *run.skipped, *others]))


def node_state(run: RecordedRun, node: str) -> str:
    """Say how a node ended, in one of STATES; one that was tried again and no more has not ended."""
    return run.state_of(node) or OPEN


def worst(states: Iterable[str]) -> str:
    """Return the state that matters most of several."""
    return min(states, key=STATES.index)
