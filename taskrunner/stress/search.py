"""Schedule search: a baseline run, then runs under many seeds, until the results of one differ from the baseline."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import msgspec

from taskrunner.api import run
from taskrunner.errors import TaskrunnerError
from taskrunner.graph.graph import Graph
from taskrunner.plan.ordering import Rank, replayed, shuffled
from taskrunner.plan.plan import Plan
from taskrunner.session.options import RunOptions
from taskrunner.stress.call_log import CallLog
from taskrunner.stress.happens_before import HappensBefore, Pair
from taskrunner.stress.interleaving import Interleaving
from taskrunner.stress.report import ORDER, OVERLAP, UNSTEADY, Difference, Finding, StressReport
from taskrunner.stress.shared_objects import SharedObjects
from taskrunner.stress.shrink import shrink
from taskrunner.system.host import processors

REPEATS = 5
# Seconds that a thread holds the GIL, on builds with one.
_SWITCH_INTERVAL_S = 1e-5
# The rank of the nodes that should overlap: after all ready nodes, including those in the workers' deques.
_LAST_RANK = -1


class StressOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a search.

    ``run`` are the options of each run; the run that shows an order is recorded in its ``run_dir``. ``seeds`` is the
    number of seeds to try, from ``first_seed`` on. ``ignore`` names nodes whose results may differ. ``track`` watches
    objects that unordered nodes share.
    """

    run: RunOptions = RunOptions(workers=2)
    seeds: int = 100
    first_seed: int = 0
    ignore: tuple[str, ...] = ()
    track: bool = False


class BaselineFailedError(TaskrunnerError):
    """Failure of the baseline run, which leaves no results to compare with."""


def search(graph: Graph, options: StressOptions) -> StressReport:
    """Run a graph under many seeds, and compare the results with its baseline run on one worker.

    Raises:
        BaselineFailedError: the baseline run fails.
        GraphError, UsageError: as ``taskrunner.run``.

    """
    started = time.perf_counter()
    state = _Search(graph, options)
    finding = state.find_first()
    return StressReport(
        graph=graph.name,
        runs=state.runs,
        seconds=time.perf_counter() - started,
        workers=state.workers,
        calls=len(state.happens_before.starts),
        met=state.met,
        finding=finding,
        uncompared=tuple([node for node, result_digest in state.baseline.results.items() if not result_digest]),
        tracked=options.track,
        shared=tuple(state.shared.warnings),
    )


class _Search:
    """One search: its options, its baseline run, and the runs that are compared with it."""

    def __init__(self, graph: Graph, options: StressOptions) -> None:
        self.runs = self.met = 0
        self._graph = graph
        self._options = options
        self.workers = options.run.workers or processors()
        dag = graph.link(options.run.params)
        self._mapped = {vertex.id for vertex in dag.vertices if vertex.is_mapped}
        for node in options.ignore:
            mapped = node.rpartition("[")[0]
            dag.find(mapped if mapped in self._mapped else node)
        self.baseline = self._run(CallLog(is_sharing=True, is_tracking=options.track), None, 1)
        if failure := self.baseline.failure:
            raise BaselineFailedError(f'node "{failure.node}" fails in the baseline run: {failure.message}')
        self.happens_before = HappensBefore(dag, self.baseline.starts)
        self.shared = SharedObjects(self.baseline, self.happens_before)
        self.baseline.arguments.clear()  # release the objects of the run

    def find_first(self) -> Finding | None:
        """Return the first finding, or None."""
        if differences := self._compare(self._run_in_order(self.happens_before.starts)):
            return Finding(kind=UNSTEADY, seed=self._options.first_seed, differences=differences)
        for seed in range(self._options.first_seed, self._options.first_seed + self._options.seeds):
            call_log = self._run_with_seed(seed)
            if differences := self._compare(call_log):
                return self._explain(seed, call_log, differences)
        return None

    def _run_with_seed(self, seed: int) -> CallLog:
        """Run under a seed: an even one shuffles the order of one worker, an odd one makes two nodes overlap."""
        if seed % 2 == 0 or self.workers == 1:
            return self._run(CallLog(), shuffled(seed), 1)
        pair = self.shared.pick(Random(f"pair {seed}")) or ("", "")  # noqa: S311  not a secret
        interleaving = Interleaving(pair, seed)
        rank = _rank_last(pair, shuffled(seed, allow_stealing=True))
        call_log = self._run(CallLog(interleaving), rank, self.workers, seed)
        self.met += interleaving.has_happened
        return call_log

    def _explain(self, seed: int, call_log: CallLog, differences: tuple[Difference, ...]) -> Finding:
        pair = call_log.interleaving.pair if call_log.interleaving else None
        orders = [call_log.starts]
        if pair is not None:  # of two overlapping nodes, the one that ended first may have acted first
            orders += [call_log.ends, _swap(call_log.starts, pair)]
        for order in orders:
            if self._shows_fault(order):
                return self._explain_order(seed, order)
        again = sum(bool(self._compare(self._run_with_seed(seed))) for _ in range(REPEATS))
        return Finding(
            kind=OVERLAP if pair else ORDER, seed=seed, differences=differences, pair=pair if pair and pair[0] else (),
            again=again, tries=REPEATS,
        )  # fmt: skip

    def _explain_order(self, seed: int, failing: Sequence[str]) -> Finding:
        pairs = shrink(self.happens_before, failing, self._shows_fault)
        shrunk = self.happens_before.find_order(pairs) if pairs else []
        order = shrunk if pairs and self._shows_fault(shrunk) else failing
        differences, run_id = self._store_run(order)
        return Finding(kind=ORDER, seed=seed, differences=differences, reorderings=tuple(pairs), run=run_id)

    def _store_run(self, order: Sequence[str]) -> tuple[tuple[Difference, ...], str]:
        """Run again in an order, recorded if the options name a directory; return the differences and the run id."""
        call_log = CallLog()
        run_id = self._run_for_id(call_log, replayed(order, self._mapped), 1, run_dir=self._options.run.run_dir)
        return self._compare(call_log), run_id if self._options.run.run_dir is not None else ""

    def _shows_fault(self, order: Sequence[str]) -> bool:
        return bool(self._compare(self._run_in_order(order)))

    def _run_in_order(self, order: Sequence[str]) -> CallLog:
        return self._run(CallLog(), replayed(order, self._mapped), 1)

    def _run(self, call_log: CallLog, rank: Rank | None, workers: int, seed: int | None = None) -> CallLog:
        self._run_for_id(call_log, rank, workers, seed)
        return call_log

    def _run_for_id(
        self,
        call_log: CallLog,
        rank: Rank | None,
        workers: int,
        seed: int | None = None,
        run_dir: str | Path | None = None,
    ) -> str:
        def adapt(plan: Plan) -> None:
            call_log.wrap(plan)
            if rank is not None:
                plan.apply_order(rank, seed)

        self.runs += 1
        options = msgspec.structs.replace(
            self._options.run, workers=workers, stop_after=0, adapt=adapt, run_dir=run_dir
        )
        with _frequent_switches() if workers > 1 else contextlib.nullcontext():
            result = run(self._graph, options)
        call_log.close(result)
        return result.summary.run

    def _compare(self, call_log: CallLog) -> tuple[Difference, ...]:
        """Return the nodes whose results differ from the baseline run, in the order of the graph."""
        baseline = self.baseline
        nodes = [node for node in {**baseline.results, **call_log.results} if self._differs(node, call_log)]
        nodes.sort(key=self._sort_key)
        return tuple(
            [Difference(n, baseline.displayed.get(n, "none"), call_log.displayed.get(n, "none")) for n in nodes]
        )

    def _differs(self, node: str, call_log: CallLog) -> bool:
        expected, actual = self.baseline.results.get(node), call_log.results.get(node)
        if expected == actual or "" in (expected, actual):  # a result without a comparable form never differs
            return False
        return not {node, node.rpartition("[")[0]} & set(self._options.ignore)

    def _sort_key(self, node: str) -> tuple[int, int, str]:
        dag = self.happens_before.dag
        vertex = self.happens_before.find_vertex(node)
        return dag.depths()[vertex], vertex, node


def _rank_last(pair: Pair, rank: Callable[[str], int]) -> Rank:
    """Return ranks by which a pair comes last of all ready nodes, so that both are ready, and overlap."""
    return lambda node: _LAST_RANK if node in pair else rank(node)


def _swap(order: Sequence[str], pair: Pair) -> list[str]:
    """Return an order with the positions of two nodes exchanged."""
    partners = {pair[0]: pair[1], pair[1]: pair[0]}
    return [partners.get(node, node) for node in order]


@contextlib.contextmanager
def _frequent_switches() -> Iterator[None]:
    previous = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(previous)
