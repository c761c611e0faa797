"""Advice on shortening a workload's schedule: single changes, each tested on the simulated pool."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from taskrunner.analysis.attempts import WORKER
from taskrunner.analysis.labels import function_of
from taskrunner.analysis.simulation.simulator import Replay, replay
from taskrunner.analysis.simulation.workload import Job, Workload
from taskrunner.graph.dag import Dag

# A node is too small if it runs for less than this multiple of the overhead between two nodes.
MIN_OVERHEADS_PER_NODE = 10
# Small nodes of one callable are reported if their overhead is at least this share of all busy time.
# A change is reported if it saves at least this share of the wall time.
MIN_SHARE = 0.01
# At most this many changes of each kind are simulated, and fewer if the workload has many jobs.
MAX_CHANGES = 8
MAX_REPLAYED_JOBS = 200_000


class SmallNodes(msgspec.Struct, frozen=True):
    """Nodes of one callable that are too small for the overhead of a node.

    ``batch``: the number of them that would together be long enough.
    """

    call: str
    nodes: int
    mean_s: float
    batch: int


class Halving(msgspec.Struct, frozen=True):
    """The effect of halving the ``seconds`` of one node; ``wall_s``: the new wall time of the run."""

    node: str
    seconds: float
    wall_s: float
    saved_s: float


class Cut(msgspec.Struct, frozen=True):
    """The effect of removing the dependency of ``target`` on ``source``.

    ``passes_result``: whether the target takes the result of the source.
    """

    source: str
    target: str
    passes_result: bool
    wall_s: float
    saved_s: float


class Advice(msgspec.Struct, frozen=True):
    """Advice for a number of workers.

    ``halving``, ``cut``: None if no tested change saves a hundredth.
    ``ranked_s``: the wall time with the critical path first, None if the run already had that order.
    """

    workers: int
    wall_s: float
    small: tuple[SmallNodes, ...] = ()
    halving: Halving | None = None
    cut: Cut | None = None
    ranked_s: float | None = None


def advise(workload: Workload, dag: Dag, workers: int) -> Advice:
    """Return the most effective changes for a number of workers."""
    schedule = replay(workload, workers)
    wall = schedule.makespan_s + workload.overhead.fixed_s
    count = max(1, min(MAX_CHANGES, MAX_REPLAYED_JOBS // len(workload.jobs)))
    halving = _best([_halving(workload, job, workers, wall) for job in _longest(workload, schedule)[:count]])
    edges = _edges(workload, schedule)[:count]
    cut = _best([_cut(workload, dag, edge, workers, wall) for edge in edges])
    ranked = None if workload.ranked else _wall(msgspec.structs.replace(workload, ranked=True), workers)
    return Advice(workers, wall, tuple(small_nodes(workload, dag)), halving, cut, ranked)


def _wall(workload: Workload, workers: int) -> float:
    return replay(workload, workers).makespan_s + workload.overhead.fixed_s


def small_nodes(workload: Workload, dag: Dag) -> Iterator[SmallNodes]:
    """Yield the callables whose nodes are too small, those with the most overhead first."""
    node_s = workload.overhead.node_s
    least = MIN_SHARE * sum(job.busy_s + node_s for job in workload.jobs)
    groups: dict[str, list[float]] = {}
    for job in workload.jobs:
        if job.kind == WORKER and job.seconds and not job.expands:
            groups.setdefault(function_of(dag.vertices[job.vertex]), []).append(job.busy_s)
    for call, seconds in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        mean = sum(seconds) / len(seconds)
        if len(seconds) > 1 and mean < MIN_OVERHEADS_PER_NODE * node_s and len(seconds) * node_s >= least:
            yield SmallNodes(call, len(seconds), mean, _batch_size(mean, node_s, len(seconds)))


def _batch_size(mean_s: float, node_s: float, nodes: int) -> int:
    """Return the number of nodes that together run long enough."""
    return min(nodes, math.ceil(MIN_OVERHEADS_PER_NODE * node_s / mean_s)) if mean_s else nodes


def _best[T: (Halving, Cut)](changes: Iterable[T]) -> T | None:
    best = max(changes, key=lambda change: change.saved_s, default=None)
    return best if best is not None and best.saved_s >= MIN_SHARE * (best.wall_s + best.saved_s) else None


def _longest(workload: Workload, schedule: Replay) -> list[int]:
    """Return the jobs that may delay the end of the schedule, the longest first."""
    candidates = {*workload.critical_path(), *schedule.blocking_chain()}
    timed = [job for job in candidates if workload.jobs[job].seconds]
    return sorted(timed, key=lambda job: (-workload.jobs[job].busy_s, job))


def _halving(workload: Workload, job: int, workers: int, wall: float) -> Halving:
    spec = workload.jobs[job]
    halved = tuple([seconds / 2 for seconds in spec.seconds])
    changed = _changed(workload, {job: msgspec.structs.replace(spec, seconds=halved)})
    new_wall = _wall(changed, workers)
    return Halving(spec.node, spec.busy_s, new_wall, wall - new_wall)


def _edges(workload: Workload, schedule: Replay) -> list[tuple[int, int]]:
    """Return the edges of the graph that may delay the end of the schedule, those in the middle of a chain first.

    Without an edge its chain becomes two, and the longer one remains. The other one limits the gain.
    """
    tails = workload.tails()
    gain: dict[tuple[int, int], float] = {}
    for chain in (workload.critical_path(), schedule.blocking_chain()):
        head = 0.0
        for source, target in itertools.pairwise(chain):
            head += workload.jobs[source].length_s
            if _is_edge(workload.jobs, source, target):
                gain[source, target] = max(min(head, tails[target]), gain.get((source, target), 0.0))
    return sorted(gain, key=lambda edge: (-gain[edge], edge))


def _is_edge(jobs: Sequence[Job], source: int, target: int) -> bool:
    """Return whether a job depends on another by an edge of the graph, rather than within a mapped node."""
    return target in jobs[source].successors and jobs[source].vertex != jobs[target].vertex


def _cut(workload: Workload, dag: Dag, edge: tuple[int, int], workers: int, wall: float) -> Cut:
    source, target = (workload.jobs[index] for index in edge)
    remaining = tuple([index for index in source.successors if index != edge[1]])
    separated = {
        edge[0]: msgspec.structs.replace(source, successors=remaining),
        edge[1]: msgspec.structs.replace(target, pending=target.pending - 1),
    }
    new_wall = _wall(_changed(workload, separated), workers)
    passes_result = source.vertex in dag.vertices[target.vertex].data_predecessors
    return Cut(source.node, target.node, passes_result, new_wall, wall - new_wall)


def _changed(workload: Workload, jobs: dict[int, Job]) -> Workload:
    changed = tuple([jobs.get(index, job) for index, job in enumerate(workload.jobs)])
    return msgspec.structs.replace(workload, jobs=changed)
