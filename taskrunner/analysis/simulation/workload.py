"""A recorded run as work to be scheduled: what the simulated pool is given.

Durations, waits, needs, pools and priorities are those of the run; when and where a node ran is left out. A mapped
node is three things, as it is in a run: its expanding, its children, and their gathering.
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
    """One node, child, expanding or gathering.

    ``seconds``: of each attempt; none for a node that was skipped, which costs no time but is handed on as others are.
    ``waits``: seconds between the attempts. ``after``: the indexes of the jobs that wait for this one, in the order
    in which they are placed, and ``needs``: for how many jobs this one waits. ``head``: the index of the job that
    ranks for it: its own, or that of the expanding. ``kind``: one of ``observe.kind``. ``expands``: ``after`` are the
    children.
    """

    node: str
    vertex: int
    head: int
    seconds: tuple[float, ...] = ()
    waits: tuple[float, ...] = ()
    kind: str = WORKER
    after: tuple[int, ...] = ()
    needs: int = 0
    limits: tuple[str, ...] = ()
    priority: int = 0
    expands: bool = False

    @property
    def busy_s(self) -> float:
        """Seconds of all attempts."""
        return sum(self.seconds)

    @property
    def length_s(self) -> float:
        """Seconds from the first attempt's start to the last one's end, at least."""
        return sum(self.seconds) + sum(self.waits)


class Workload(msgspec.Struct, frozen=True):
    """Jobs in a topological order, the sizes of the named pools, and what is lost around the jobs.

    ``ranked``: of equal priority, the job with the longest chain behind it goes first.
    """

    jobs: tuple[Job, ...]
    pools: Mapping[str, int] = {}
    overhead: Overhead = Overhead()
    ranked: bool = False

    def priorities(self) -> list[int]:
        """Return for each job the priority that the inbox goes by, as ``Plan.prioritize`` makes it; 0: none."""
        if not self.ranked:
            return [job.priority for job in self.jobs]
        tails = self.tails()
        return [(job.priority << RANK_BITS) + int(tails[job.head] * 1e6) + 1 for job in self.jobs]

    def tails(self) -> list[float]:
        """Return for each job the seconds of the longest chain that begins with it."""
        tails = [0.0] * len(self.jobs)
        for index in range(len(self.jobs) - 1, -1, -1):
            job = self.jobs[index]
            tails[index] = job.length_s + max([tails[i] for i in job.after], default=0.0)
        return tails

    def critical_path(self) -> list[int]:
        """Return the jobs of the longest chain by what they took; skipped ones and gatherings cost nothing."""
        tails = self.tails()
        path: list[int] = []
        following: Sequence[int] = [i for i, job in enumerate(self.jobs) if not job.needs]
        while following:
            path.append(max(following, key=tails.__getitem__))
            following = self.jobs[path[-1]].after
        return path


def workload_of(run: RecordedRun) -> Workload:
    """Return what a recorded run had to do; a node that did not come to run is left out.

    Raises:
        TaskrunnerError: the run tells too little.

    """
    dag = dag_of(run)
    if all(attempt.vertex < 0 for attempt in run.attempts):
        raise TaskrunnerError(f"no node of run {run.id} has told how long it ran: there is nothing to simulate")
    jobs = _Builder(run, dag).build()
    return Workload(tuple(jobs), dict(dag.file.pools), measure(run), run.start.ranked)


def dag_of(run: RecordedRun) -> Dag:
    """Return the graph that was run.

    Raises:
        TaskrunnerError: it cannot be read any more.

    """
    if run.dag is None:
        raise TaskrunnerError(f"the graph of run {run.id} cannot be read, and without it nobody knows what needs what")
    return run.dag


class _Builder:
    """Makes the jobs of a run, vertex by vertex in topological order; those of a mapped one stand together."""

    def __init__(self, run: RecordedRun, dag: Dag) -> None:
        self.run = run
        self.dag = dag
        self.attempts = _last_attempts(run)
        self.first: dict[int, int] = {}  # by the vertex's index: its first job, which waits for what it needs

    def build(self) -> list[Job]:
        """Return the jobs, linked."""
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
        after = tuple([first[i] for i in self.dag.successors[vertex.index] if i in first])
        needs = sum([i in first for i in vertex.predecessors])
        children = self.run.children.get(vertex.id, ())
        if not children:
            yield self._job(vertex, vertex.id, head, after, needs)
            return
        priority, gathering = vertex.options.priority, head + 1 + len(children)
        # Nearly all of a mapped node's own time is spent on its expanding.
        own = tuple([attempt.ran_s for attempt in self.attempts.get(vertex.id, ())])
        inside = tuple(range(head + 1, gathering))
        yield Job(vertex.id, vertex.index, head, own, after=inside, needs=needs, priority=priority, expands=True)
        for child in children:
            yield self._job(vertex, child, head, (gathering,), 1)
        yield Job(vertex.id, vertex.index, head, after=after, needs=len(children), priority=priority)

    def _job(self, vertex: Vertex, node: str, head: int, after: tuple[int, ...], needs: int) -> Job:
        """Return the job of a child, or of a node without children: of a mapped one, too, that had no items."""
        attempts = self.attempts.get(node, [])
        holds = bool(attempts) and (node != vertex.id or not vertex.is_mapped)  # what was skipped holds nothing
        return Job(
            node=node,
            vertex=vertex.index,
            head=head,
            seconds=tuple([attempt.ran_s for attempt in attempts]),
            waits=tuple([a.event.wait_s for a in attempts[:-1] if isinstance(a.event, NodeRetry)]),
            kind=kind_of(self.run, attempts[-1]) if holds else WORKER,
            after=after,
            needs=needs,
            limits=vertex.pools if holds else (),
            priority=vertex.options.priority,
        )


def _last_attempts(run: RecordedRun) -> dict[str, list[Attempt]]:
    """Return the attempts of each node; of one that a resumed run has begun again, the later ones."""
    found: dict[str, list[Attempt]] = {}
    for attempt in run.attempts:
        if attempt.event.attempt == 1:
            found[attempt.node] = []
        found.setdefault(attempt.node, []).append(attempt)
    return found
