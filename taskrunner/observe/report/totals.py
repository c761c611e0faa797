"""A recorded run in numbers: all its parts together, and whether it has come to an end or not."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from taskrunner.observe.recorded import ALLOWED, CACHED, DONE, FAILED, RETRIED, RecordedRun
from taskrunner.observe.report.timeline import ASYNC, WORKER, Lane

SKIPPED = "skipped"
OPEN = "not ended"

# The states of nodes, and that of attempts which others followed, the worst first.
STATES = (FAILED, OPEN, ALLOWED, RETRIED, SKIPPED, CACHED, DONE)


class Totals(msgspec.Struct, frozen=True):
    """``states``: how many nodes ended in each. ``busy``: each worker's share of the wall time, ``parallelism`` as in
    a run's summary: what calls and commands took, over the wall time. Times are seconds.
    """  # noqa: D205

    states: Mapping[str, int]
    retried: int
    steals: int
    wall_s: float
    work_s: float
    busy: tuple[float, ...]
    parallelism: float


def totals_of(run: RecordedRun, nodes: Sequence[str], lanes: Sequence[Lane]) -> Totals:
    """Add up a run: ``nodes`` are those that it has, ``lanes`` its lanes."""
    wall = run.wall_s * 1e6
    work = sum([lane.busy for lane in lanes if lane.kind != ASYNC])
    return Totals(
        Counter([node_state(run, node) for node in nodes]),
        sum([attempt.state == RETRIED for attempt in run.attempts]),
        sum([attempt.event.stolen for attempt in run.attempts]),
        run.wall_s,
        work / 1e6,
        tuple([lane.busy / wall if wall else 0.0 for lane in lanes if lane.kind == WORKER]),
        work / wall if wall else 0.0,
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
