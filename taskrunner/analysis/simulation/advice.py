"""What would make a workload's schedule shorter: tried out, one change at a time, on the simulated pool."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from taskrunner.analysis.attempts import WORKER
from taskrunner.analysis.labels import function_of
from taskrunner.analysis.simulation.simulator import Replay, replay
from taskrunner.analysis.simulation.workload import Job, Workload
from taskrunner.graph.dag import Dag

# A node is too small if it runs for less than so many times what it costs to get from one to the next,
SMALL = 10
# and the nodes of one callable are worth a word if they lose this share of the work.
WORTH = 0.01
# So many changes of a kind are tried, fewer where there are many jobs.
TRIES = 8
JOBS_IN_ALL = 200_000


class Small(msgspec.Struct, frozen=True):
    """Nodes of one callable that are too small for what a node costs; ``batch``: how many of them would make one."""

    call: str
    nodes: int
    mean_s: float
    batch: int


class Halving(msgspec.Struct, frozen=True):
    """What is saved if one node takes half of its ``seconds``; ``wall_s`` is the whole run's then."""

    node: str
    seconds: float
    wall_s: float
    saved_s: float


class Cut(msgspec.Struct, frozen=True):
    """What is saved if ``target`` does not wait for ``source``; ``passes_result``: it takes its result."""

    source: str
    target: str
    passes_result: bool
    wall_s: float
    saved_s: float


class Advice(msgspec.Struct, frozen=True):
    """Advice for a number of workers. No halving or cut: none that was tried saves a hundredth.

    ``ranked_s``: what it would take with the critical path first; None where that was so.
    """

    workers: int
    wall_s: float
    small: tuple[Small, ...] = ()
    halving: Halving | None = None
    cut: Cut | None = None
    ranked_s: float | None = None


def advise(workload: Workload, dag: Dag, workers: int) -> Advice:
    """Return what would help most on so many workers."""
    schedule = replay(workload, workers)
    wall = schedule.makespan_s + workload.overhead.fixed_s
    tries = max(1, min(TRIES, JOBS_IN_ALL // len(workload.jobs)))
    halving = _best([_halving(workload, job, workers, wall) for job in _longest(workload, schedule)[:tries]])
    edges = _edges(workload, schedule)[:tries]
    cut = _best([_cut(workload, dag, edge, workers, wall) for edge in edges])
    ranked = None if workload.ranked else _wall(msgspec.structs.replace(workload, ranked=True), workers)
    return Advice(workers, wall, tuple(small_nodes(workload, dag)), halving, cut, ranked)


def _wall(workload: Workload, workers: int) -> float:
    return replay(workload, workers).makespan_s + workload.overhead.fixed_s


def small_nodes(workload: Workload, dag: Dag) -> Iterator[Small]:
    """Yield the callables whose nodes are too small, those that lose most first."""
    each_s = workload.overhead.node_s
    least = WORTH * sum(job.busy_s + each_s for job in workload.jobs)
    groups: dict[str, list[float]] = {}
    for job in workload.jobs:
        if job.kind == WORKER and job.seconds and not job.expands:
            groups.setdefault(function_of(dag.vertices[job.vertex]), []).append(job.busy_s)
    for call, seconds in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        mean = sum(seconds) / len(seconds)
        if len(seconds) > 1 and mean < SMALL * each_s and len(seconds) * each_s >= least:
            yield Small(call, len(seconds), mean, _batch(mean, each_s, len(seconds)))


def _batch(mean_s: float, each_s: float, nodes: int) -> int:
    """Return how many nodes together would run long enough."""
    return min(nodes, math.ceil(SMALL * each_s / mean_s)) if mean_s else nodes


def _best[T: (Halving, Cut)](found: Iterable[T]) -> T | None:
    best = max(found, key=lambda change: change.saved_s, default=None)
    return best if best is not None and best.saved_s >= WORTH * (best.wall_s + best.saved_s) else None


def _longest(workload: Workload, schedule: Replay) -> list[int]:
    """Return the jobs that may hold the schedule back, the longest first."""
    found = {*workload.critical_path(), *schedule.holding_chain()}
    return sorted([job for job in found if workload.jobs[job].seconds], key=lambda job: (-_busy(workload, job), job))


def _busy(workload: Workload, job: int) -> float:
    return workload.jobs[job].busy_s


def _halving(workload: Workload, job: int, workers: int, wall: float) -> Halving:
    halved = tuple([seconds / 2 for seconds in workload.jobs[job].seconds])
    changed = _changed(workload, {job: msgspec.structs.replace(workload.jobs[job], seconds=halved)})
    now = _wall(changed, workers)
    return Halving(workload.jobs[job].node, _busy(workload, job), now, wall - now)


def _edges(workload: Workload, schedule: Replay) -> list[tuple[int, int]]:
    """Return the edges of the graph that may hold the schedule back, those in the middle of their chain first.

    Without an edge its chain is two, and the longer one remains: so much of it can be gained at most.
    """
    tails = workload.tails()
    gain: dict[tuple[int, int], float] = {}
    for chain in (workload.critical_path(), schedule.holding_chain()):
        before = 0.0
        for source, target in itertools.pairwise(chain):
            before += workload.jobs[source].length_s
            if _is_edge(workload.jobs, source, target):
                gain[source, target] = max(min(before, tails[target]), gain.get((source, target), 0.0))
    return sorted(gain, key=lambda edge: (-gain[edge], edge))


def _is_edge(jobs: Sequence[Job], source: int, target: int) -> bool:
    """Say whether one job waits for another because the graph says so: children and their gathering always do."""
    return target in jobs[source].after and jobs[source].vertex != jobs[target].vertex


def _cut(workload: Workload, dag: Dag, edge: tuple[int, int], workers: int, wall: float) -> Cut:
    source, target = (workload.jobs[index] for index in edge)
    remaining = tuple([index for index in source.after if index != edge[1]])
    freed = {
        edge[0]: msgspec.structs.replace(source, after=remaining),
        edge[1]: msgspec.structs.replace(target, needs=target.needs - 1),
    }
    now = _wall(_changed(workload, freed), workers)
    passes = source.vertex in dag.vertices[target.vertex].data_predecessors
    return Cut(source.node, target.node, passes, now, wall - now)


def _changed(workload: Workload, jobs: dict[int, Job]) -> Workload:
    changed = tuple([jobs.get(index, job) for index, job in enumerate(workload.jobs)])
    return msgspec.structs.replace(workload, jobs=changed)
