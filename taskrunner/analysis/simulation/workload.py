"""Workload: a recorded run as jobs for the simulated pool.

Durations, retry delays, dependencies, pools and priorities are those of the run. The workload leaves out the time
and the worker of each node. A mapped node is three kinds of jobs, as in a run: expansion, children, and gathering.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.attempts import WORKER, Attempt
from taskrunner.analysis.recorded_run import RecordedRun, kind_of
from taskrunner.analysis.simulation.overhead import Overhead, measure
from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import NodeRetry
from taskrunner.graph.dag import Dag, Vertex
from taskrunner.plan.task import RANK_BITS


class Job(msgspec.Struct, frozen=True, gc=False):
    """A node, a child, or the expansion or gathering of a mapped node.

    ``vertex``: the index of the node's vertex in the graph.
    ``head``: the index of the job that supplies its rank: itself, or the expansion of its mapped node.
    ``seconds``: the duration of each attempt. A skipped node has none: it costs no time and releases its successors.
    ``retry_delays``: seconds between the attempts.
    ``kind``: one of the kinds in ``analysis.attempts``.
    ``successors``: the indexes of the jobs that depend on this one, in the order in which they are enqueued.
    ``pending``: the number of jobs that this one depends on.
    ``limits``: the names of its resource pools.
    ``expands``: whether ``successors`` are the children of a mapped node.
    """

    node: str
    vertex: int
    head: int
    seconds: tuple[float, ...] = ()
    retry_delays: tuple[float, ...] = ()
    kind: str = WORKER
    successors: tuple[int, ...] = ()
    pending: int = 0
    limits: tuple[str, ...] = ()
    priority: int = 0
    expands: bool = False

    @property
    def busy_s(self) -> float:
        """Seconds of all attempts."""
        return sum(self.seconds)

    @property
    def length_s(self) -> float:
        """The least seconds from the start of the first attempt to the end of the last one."""
        return sum(self.seconds) + sum(self.retry_delays)


class Workload(msgspec.Struct, frozen=True):
    """Jobs in a topological order, the sizes of the named pools, and the overheads.

    ``ranked``: among jobs of equal priority, the one that starts the longest chain goes first.
    """

    jobs: tuple[Job, ...]
    pools: Mapping[str, int] = {}
    overhead: Overhead = Overhead()
    ranked: bool = False

    def priorities(self) -> list[int]:
        """Return for each job its priority in the global queue, computed as ``Plan.apply_ranks`` does; 0: none."""
        if not self.ranked:
            return [job.priority for job in self.jobs]
        tails = self.tails()
        return [(job.priority << RANK_BITS) + int(tails[job.head] * 1e6) + 1 for job in self.jobs]

    def tails(self) -> list[float]:
        """Return for each job the seconds of the longest chain that begins with it."""
        tails = [0.0] * len(self.jobs)
        for index in range(len(self.jobs) - 1, -1, -1):
            job = self.jobs[index]
            tails[index] = job.length_s + max([tails[i] for i in job.successors], default=0.0)
        return tails

    def critical_path(self) -> list[int]:
        """Return the jobs of the longest chain by duration; skipped jobs and gatherings cost nothing."""
        tails = self.tails()
        path: list[int] = []
        candidates: Sequence[int] = [i for i, job in enumerate(self.jobs) if not job.pending]
        while candidates:
            path.append(max(candidates, key=tails.__getitem__))
            candidates = self.jobs[path[-1]].successors
        return path


def workload_of(run: RecordedRun) -> Workload:
    """Return the jobs and overheads of a recorded run, without the nodes that never started.

    Raises:
        TaskrunnerError: the run has no recorded duration, or its graph is missing.

    """
    dag = dag_of(run)
    if all(attempt.vertex < 0 for attempt in run.attempts):
        raise TaskrunnerError(f"nothing to simulate: no node of run {run.id} has a recorded duration")
    jobs = _Builder(run, dag).build()
    return Workload(tuple(jobs), dict(dag.file.pools), measure(run), run.start.ranked)


def dag_of(run: RecordedRun) -> Dag:
    """Return the graph of a recorded run.

    Raises:
        TaskrunnerError: the graph can no longer be read.

    """
    if run.dag is None:
        raise TaskrunnerError(f"the graph of run {run.id} cannot be read; the dependencies of its nodes are unknown")
    return run.dag


class _Builder:
    """Builder of the jobs of a run, vertex by vertex in topological order; jobs of a mapped node are adjacent."""

    def __init__(self, run: RecordedRun, dag: Dag) -> None:
        self.run = run
        self.dag = dag
        self.attempts = _last_attempts(run)
        # By vertex index: the first job of the vertex, which depends on its predecessors.
        self.first: dict[int, int] = {}

    def build(self) -> list[Job]:
        """Return the jobs with their successors."""
        count = 0
        for index in self.dag.order:
            vertex = self.dag.vertices[index]
            if self._is_present(vertex):
                self.first[index] = count
                count += len(self.run.children[vertex.id]) + 2 if vertex.id in self.run.children else 1
        return [job for index in self.first for job in self._jobs_of(self.dag.vertices[index])]

    def _is_present(self, vertex: Vertex) -> bool:
        return vertex.id in self.attempts or vertex.id in self.run.skipped or vertex.id in self.run.children

    def _jobs_of(self, vertex: Vertex) -> Iterator[Job]:
        head, first = self.first[vertex.index], self.first
        successors = tuple([first[i] for i in self.dag.successors[vertex.index] if i in first])
        pending = sum([i in first for i in vertex.predecessors])
        children = self.run.children.get(vertex.id, ())
        if not children:
            yield self._job(vertex, vertex.id, head, successors, pending)
            return
        priority, gathering = vertex.options.priority, head + 1 + len(children)
        # The expansion takes nearly all of the time of the mapped node itself.
        expansion_s = tuple([attempt.ran_s for attempt in self.attempts.get(vertex.id, ())])
        yield Job(
            node=vertex.id,
            vertex=vertex.index,
            head=head,
            seconds=expansion_s,
            successors=tuple(range(head + 1, gathering)),
            pending=pending,
            priority=priority,
            expands=True,
        )
        for child in children:
            yield self._job(vertex, child, head, (gathering,), 1)
        yield Job(vertex.id, vertex.index, head, successors=successors, pending=len(children), priority=priority)

    def _job(self, vertex: Vertex, node: str, head: int, successors: tuple[int, ...], pending: int) -> Job:
        """Return the job of a child or of a node without children; a mapped node without items is one, too."""
        attempts = self.attempts.get(node, [])
        # A skipped node holds neither a worker nor a slot.
        holds_slots = bool(attempts) and (node != vertex.id or not vertex.is_mapped)
        return Job(
            node=node,
            vertex=vertex.index,
            head=head,
            seconds=tuple([attempt.ran_s for attempt in attempts]),
            retry_delays=tuple([a.event.wait_s for a in attempts[:-1] if isinstance(a.event, NodeRetry)]),
            kind=kind_of(self.run, attempts[-1]) if holds_slots else WORKER,
            successors=successors,
            pending=pending,
            limits=vertex.pools if holds_slots else (),
            priority=vertex.options.priority,
        )


def _last_attempts(run: RecordedRun) -> dict[str, list[Attempt]]:
    """Return the attempts of each node; for a node that a resumed run restarted, only the later ones."""
    attempts_by_node: dict[str, list[Attempt]] = {}
    for attempt in run.attempts:
        if attempt.event.attempt == 1:
            attempts_by_node[attempt.node] = []
        attempts_by_node.setdefault(attempt.node, []).append(attempt)
    return attempts_by_node
