"""From what the runners noted to a run's summary."""

from collections.abc import Sequence

import msgspec

from taskrunner.events.types import EVENT_LOOP
from taskrunner.execution.cpu_time import CpuTime
from taskrunner.graph.dag import Dag
from taskrunner.plan.outcome import Retried, Skip
from taskrunner.plan.plan import AttemptRecord
from taskrunner.plan.task import ASYNC, Task
from taskrunner.storage.summary import SlowNode, Summary
from taskrunner.system import gil
from taskrunner.system.host import python_build

SLOWEST = 5


class RunFacts(msgspec.Struct, frozen=True):
    """What is known of a run as a whole, at its end."""

    run: str
    graph: str
    ok: bool
    wall_s: float
    workers: int
    gil: bool
    gil_module: str
    peak_memory_bytes: int
    signal: int
    kept: int = 0
    timed_out_s: float = 0.0
    lost: int = 0
    cached: int = 0
    gil_node: str = ""
    engine: str = "threads"


def summarize(
    notes: Sequence[tuple[int, Sequence[AttemptRecord]]], dag: Dag, facts: RunFacts, cpu: CpuTime | None = None
) -> Summary:
    """Count, add up, and find the critical path of what happened."""
    tally = _Tally(dag)
    for worker, noted in notes:
        tally.add(worker, noted)
    wall_s = facts.wall_s
    critical_s, critical = tally.critical_path()
    return Summary(
        run=facts.run,
        graph=facts.graph,
        ok=facts.ok,
        wall_s=wall_s,
        workers=facts.workers,
        nodes=tally.done + tally.failed + tally.skipped,
        done=tally.done,
        failed=tally.failed,
        skipped=tally.skipped,
        retried=tally.retried,
        kept=facts.kept,
        busy=tuple([tally.busy.get(worker, 0) / 1e9 / wall_s if wall_s else 0.0 for worker in range(facts.workers)]),
        steals=tally.steals,
        critical_path_s=critical_s,
        critical_path=critical,
        parallelism=tally.work / 1e9 / wall_s if wall_s else 0.0,
        slowest=tally.slowest(),
        python=python_build(),
        free_threaded=gil.IS_FREE_THREADED,
        gil=facts.gil,
        gil_module=facts.gil_module,
        peak_memory_bytes=facts.peak_memory_bytes,
        signal=facts.signal,
        timed_out_s=facts.timed_out_s,
        lost=facts.lost,
        cached=facts.cached,
        gil_node=facts.gil_node,
        engine=facts.engine,
        cpu=cpu.times(notes) if cpu is not None else None,
    )


class _Tally:
    """Adds up what was noted. Times are nanoseconds; ``busy`` is by worker, ``work`` leaves out what only waited."""

    def __init__(self, dag: Dag) -> None:
        self.dag = dag
        self.done = self.failed = self.skipped = self.retried = self.steals = self.work = 0
        self.busy: dict[int, int] = {}
        self._slowest: list[tuple[int, Task]] = []
        # By the vertex's index: the time of each node, -1 where it did not run, and its slowest child.
        self._spent = [-1] * len(dag.vertices)
        self._before: dict[str, int] = {}  # the time of each node's attempts before the last
        self._first: dict[str, int] = {}  # when the first of them began
        # The time and the end of the last attempt of each node that had more than one.
        self._retried: dict[str, tuple[int, int, Task]] = {}
        self._slowest_child: dict[int, tuple[int, Task]] = {}

    def add(self, worker: int, notes: Sequence[AttemptRecord]) -> None:
        """Add what one worker has noted. This is done for every node of every run."""
        of_node, failed, skipped, retried, steals, busy, waited, least = self._spent, 0, 0, 0, 0, 0, 0, -1
        for task, _, started, ended, why in notes:
            if why is not None:
                if isinstance(why, Skip):
                    skipped += 1
                    continue
                if isinstance(why, Retried):
                    retried += 1
                    self._before[task.id] = self._before.get(task.id, 0) + ended - started
                    self._first[task.id] = min(self._first.get(task.id, started), started)
                    busy += ended - started
                    waited += (ended - started) * (task.details.call_kind == ASYNC)
                    continue
                failed += 1
            spent = ended - started
            busy += spent
            steals += task.stolen
            waited += spent * (task.details.call_kind == ASYNC)
            if task.details.child < 0:
                of_node[task.vertex.index] = spent
            if task.details.attempt > 1:  # the others may be noted by a worker that is still to be added
                self._retried[task.id] = spent, ended, task
                continue
            if task.details.child >= 0:
                self._weigh_child(task, spent)
            if spent > least:
                least = self._rank(task, spent)
        if worker != EVENT_LOOP:
            self.busy[worker] = self.busy.get(worker, 0) + busy  # one that was lost has had another in its place
        self.work += busy - waited
        self.failed += failed
        self.skipped += skipped
        self.retried += retried
        self.steals += steals
        self.done += len(notes) - failed - skipped - retried

    def critical_path(self) -> tuple[float, tuple[str, ...]]:
        """Find the longest chain of what ran; a mapped node weighs its slowest child as well.

        A node that was tried again weighs all from its first start to its last end: nothing can be done meanwhile.
        """
        weights = [max(spent, 0) for spent in self._spent]
        for name, (spent, ended, task) in self._retried.items():
            whole = ended - self._first.get(name, ended - spent)
            if task.details.child >= 0:
                self._weigh_child(task, whole)
            else:
                weights[task.vertex.index] = whole
        for index, (spent, _) in self._slowest_child.items():
            weights[index] += spent
        length, path = self.dag.critical_path(weights)
        ids: list[str] = []
        for vertex in path:
            if vertex.index in self._slowest_child:
                ids.append(self._slowest_child[vertex.index][1].id)
            if self._spent[vertex.index] >= 0:
                ids.append(vertex.id)
        return length / 1e9, tuple(ids)

    def slowest(self) -> tuple[SlowNode, ...]:
        """Return the nodes that took longest, all of their attempts together."""
        for name, (spent, _, task) in self._retried.items():
            self._rank(task, spent + self._before.get(name, 0))
        return tuple([SlowNode(task.id, spent / 1e9) for spent, task in self._slowest])

    def _weigh_child(self, task: Task, spent: int) -> None:
        index = task.vertex.index
        if index not in self._slowest_child or spent > self._slowest_child[index][0]:
            self._slowest_child[index] = (spent, task)

    def _rank(self, task: Task, spent: int) -> int:
        """Put a task among the slowest; return the time that the next one must exceed."""
        self._slowest = sorted([*self._slowest, (spent, task)], key=lambda pair: -pair[0])[:SLOWEST]
        return self._slowest[-1][0] if len(self._slowest) == SLOWEST else -1
