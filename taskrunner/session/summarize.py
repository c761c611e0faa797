"""Summary of a run, computed from its attempt records."""

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

MAX_SLOWEST = 5


class RunFacts(msgspec.Struct, frozen=True):
    """Facts of a run as a whole, known at its end. They become fields of the summary."""

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
    records: Sequence[tuple[int, Sequence[AttemptRecord]]], dag: Dag, facts: RunFacts, cpu: CpuTime | None = None
) -> Summary:
    """Count outcomes, add up times, and find the critical path."""
    tally = _Tally(dag)
    for worker, own_records in records:
        tally.add(worker, own_records)
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
        cpu=cpu.times(records) if cpu is not None else None,
    )


class _Tally:
    """Totals of attempt records, in nanoseconds. ``busy`` is by worker; ``work`` leaves out async nodes."""

    def __init__(self, dag: Dag) -> None:
        self.dag = dag
        self.done = self.failed = self.skipped = self.retried = self.steals = self.work = 0
        self.busy: dict[int, int] = {}
        self._slowest: list[tuple[int, Task]] = []
        # By vertex index: the time of each node, -1 if it did not run.
        self._spent = [-1] * len(dag.vertices)
        self._before: dict[str, int] = {}  # by node: the time of its attempts before the last
        self._first: dict[str, int] = {}  # by node: the start of its first attempt
        # By node: time and end of the last attempt, if there was more than one.
        self._retried: dict[str, tuple[int, int, Task]] = {}
        self._slowest_child: dict[int, tuple[int, Task]] = {}  # by vertex index

    def add(self, worker: int, records: Sequence[AttemptRecord]) -> None:
        """Add the records of one worker.

        Cost: this loop runs for every node of every run.
        """
        of_node, failed, skipped, retried, steals, busy, waited, least = self._spent, 0, 0, 0, 0, 0, 0, -1
        for task, _, started, ended, outcome in records:
            if outcome is not None:
                if isinstance(outcome, Skip):
                    skipped += 1
                    continue
                if isinstance(outcome, Retried):
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
            if task.details.attempt > 1:  # another worker, added later, may have the other attempts
                self._retried[task.id] = spent, ended, task
                continue
            if task.details.child >= 0:
                self._weigh_child(task, spent)
            if spent > least:
                least = self._rank(task, spent)
        if worker != EVENT_LOOP:
            self.busy[worker] = self.busy.get(worker, 0) + busy  # a replaced worker has two record lists
        self.work += busy - waited
        self.failed += failed
        self.skipped += skipped
        self.retried += retried
        self.steals += steals
        self.done += len(records) - failed - skipped - retried

    def critical_path(self) -> tuple[float, tuple[str, ...]]:
        """Return the length in seconds and the ids of the longest chain of executed nodes.

        A mapped node also weighs its slowest child. A retried node weighs the time from its first start to its last
        end, since its successors cannot start meanwhile.
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
        """Return the nodes with the longest total time over all attempts."""
        for name, (spent, _, task) in self._retried.items():
            self._rank(task, spent + self._before.get(name, 0))
        return tuple([SlowNode(task.id, spent / 1e9) for spent, task in self._slowest])

    def _weigh_child(self, task: Task, spent: int) -> None:
        index = task.vertex.index
        if index not in self._slowest_child or spent > self._slowest_child[index][0]:
            self._slowest_child[index] = (spent, task)

    def _rank(self, task: Task, spent: int) -> int:
        """Insert a task into the slowest ones; return the time that the next one must exceed."""
        self._slowest = sorted([*self._slowest, (spent, task)], key=lambda pair: -pair[0])[:MAX_SLOWEST]
        return self._slowest[-1][0] if len(self._slowest) == MAX_SLOWEST else -1
