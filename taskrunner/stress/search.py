"""The search: a run as it usually goes, then many others, each under a seed, until one differs from the first."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from taskrunner.api import run
from taskrunner.errors import TaskrunnerError
from taskrunner.graph.graph import Graph
from taskrunner.plan.ordering import Rank, replayed, shuffled
from taskrunner.plan.plan import Plan
from taskrunner.stress.call_log import CallLog
from taskrunner.stress.happens_before import HappensBefore, Pair
from taskrunner.stress.interleaving import Interleaving
from taskrunner.stress.report import ORDER, OVERLAP, UNSTEADY, Difference, Finding, StressReport
from taskrunner.stress.shared_objects import SharedObjects
from taskrunner.stress.shrink import shrink

REPEATS = 5
_SWITCH_S = 1e-5  # how long a thread keeps the GIL, where there is one
_LAST = -1  # the rank of those that are to meet: after all that is ready, the workers' deques as well


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What a search is to do. ``run_dir``: where the run that shows an order is left."""

    params: Mapping[str, Any] = {}
    runs: int = 100
    workers: int = 2
    first_seed: int = 0
    ignore: tuple[str, ...] = ()
    track: bool = False
    timeout: float | None = None
    allow: tuple[str, ...] = ()
    commands: bool = True
    run_dir: Path = Path()


class FailsByItselfError(TaskrunnerError):
    """The graph fails as it usually runs: there is nothing to compare with."""


def search(graph: Graph, choices: Choices) -> StressReport:
    """Run a graph under many seeds and compare results with those of its usual run on one worker.

    Raises:
        FailsByItselfError: the usual run fails.
        GraphError, UsageError: as ``taskrunner.run``.

    """
    began = time.perf_counter()
    found = _Search(graph, choices)
    finding = found.first()
    return StressReport(
        graph=graph.name,
        runs=found.runs,
        seconds=time.perf_counter() - began,
        workers=choices.workers,
        calls=len(found.needs.starts),
        met=found.met,
        finding=finding,
        uncompared=tuple([node for node, seen in found.usual.results.items() if not seen]),
        tracked=choices.track,
        shared=tuple(found.shared.warnings),
    )


class _Search:
    def __init__(self, graph: Graph, choices: Choices) -> None:
        self.runs = self.met = 0
        self._graph = graph
        self._choices = choices
        dag = graph.link(choices.params)
        self._mapped = {vertex.id for vertex in dag.vertices if vertex.is_mapped}
        for node in choices.ignore:
            mapped = node.rpartition("[")[0]
            dag.find(mapped if mapped in self._mapped else node)
        self.usual = self._run(CallLog(is_sharing=True, is_tracking=choices.track), None, 1)
        if failure := self.usual.failure:
            raise FailsByItselfError(f'node "{failure.node}" fails before anything is reordered: {failure.message}')
        self.needs = HappensBefore(dag, self.usual.starts)
        self.shared = SharedObjects(self.usual, self.needs)
        self.usual.handed.clear()  # nothing of the run is kept alive

    def first(self) -> Finding | None:
        """Return the first that is found, if anything is."""
        if different := self._differences(self._in_order(self.needs.starts)):
            return Finding(kind=UNSTEADY, seed=self._choices.first_seed, differences=different)
        for seed in range(self._choices.first_seed, self._choices.first_seed + self._choices.runs):
            watch = self._under(seed)
            if different := self._differences(watch):
                return self._explain(seed, watch, different)
        return None

    def _under(self, seed: int) -> CallLog:
        """Run under a seed: those that are even shuffle one worker's order, odd ones have two nodes meet."""
        if seed % 2 == 0 or self._choices.workers == 1:
            return self._run(CallLog(), shuffled(seed), 1)
        pair = self.shared.pick(Random(f"pair {seed}")) or ("", "")  # noqa: S311  no secret
        meeting = Interleaving(pair, seed)
        rank = _last(pair, shuffled(seed, allow_stealing=True))
        watch = self._run(CallLog(meeting), rank, self._choices.workers, seed)
        self.met += meeting.has_happened
        return watch

    def _explain(self, seed: int, watch: CallLog, different: tuple[Difference, ...]) -> Finding:
        pair = watch.meeting.pair if watch.meeting else None
        # Of two that ran at once the one that ended first may have been the first to act.
        for order in [watch.starts] if pair is None else [watch.starts, watch.ends, _swapped(watch.starts, pair)]:
            if self._shows(order):
                return self._explain_order(seed, order)
        again = sum(bool(self._differences(self._under(seed))) for _ in range(REPEATS))
        return Finding(
            kind=OVERLAP if pair else ORDER, seed=seed, differences=different, pair=pair if pair and pair[0] else (),
            again=again, tries=REPEATS,
        )  # fmt: skip

    def _explain_order(self, seed: int, failing: Sequence[str]) -> Finding:
        swaps = shrink(self.needs, failing, self._shows)
        order = self.needs.order(swaps) if swaps and self._shows(self.needs.order(swaps)) else failing
        different, run_id = self._recorded(order)
        return Finding(kind=ORDER, seed=seed, differences=different, reorderings=tuple(swaps), run=run_id)

    def _recorded(self, order: Sequence[str]) -> tuple[tuple[Difference, ...], str]:
        """Run once more in an order and leave the run's folder, for a replay."""
        watch = CallLog()
        run_id = self._run_for_id(watch, replayed(order, self._mapped), 1, run_dir=self._choices.run_dir)
        return self._differences(watch), run_id

    def _shows(self, order: Sequence[str]) -> bool:
        return bool(self._differences(self._in_order(order)))

    def _in_order(self, order: Sequence[str]) -> CallLog:
        return self._run(CallLog(), replayed(order, self._mapped), 1)

    def _run(self, watch: CallLog, rank: Rank | None, workers: int, seed: int | None = None) -> CallLog:
        self._run_for_id(watch, rank, workers, seed)
        return watch

    def _run_for_id(self, watch: CallLog, rank: Rank | None, workers: int, seed: int | None = None, **more: Any) -> str:
        def adapt(plan: Plan) -> None:
            watch.wrap(plan)
            if rank is not None:
                plan.apply_order(rank, seed)

        self.runs += 1
        options = self._choices
        with _often_switching() if workers > 1 else contextlib.nullcontext():
            result = run(
                self._graph, params=options.params, workers=workers, stop_after=0, timeout=options.timeout,
                allow=options.allow, commands=options.commands, adapt=adapt, **more,
            )  # fmt: skip
        watch.close(result)
        return result.summary.run

    def _differences(self, watch: CallLog) -> tuple[Difference, ...]:
        """Return the nodes whose results are not those of the usual run, in the graph's order."""
        usual = self.usual
        nodes = [node for node in {**usual.results, **watch.results} if self._differs(node, watch)]
        nodes.sort(key=self._place)
        return tuple([Difference(n, usual.shown.get(n, "none"), watch.shown.get(n, "none")) for n in nodes])

    def _differs(self, node: str, watch: CallLog) -> bool:
        before, now = self.usual.results.get(node), watch.results.get(node)
        if before == now or "" in (before, now):  # what has no form compares with nothing
            return False
        return not {node, node.rpartition("[")[0]} & set(self._choices.ignore)

    def _place(self, node: str) -> tuple[int, int, str]:
        dag = self.needs.dag
        vertex = self.needs.vertex(node)
        return dag.depths()[vertex], vertex, node


def _last(pair: Pair, rank: Callable[[str], int]) -> Rank:
    """Return ranks by which a pair comes last of all that are ready: so both are, and meet."""
    return lambda node: _LAST if node in pair else rank(node)


def _swapped(order: Sequence[str], pair: Pair) -> list[str]:
    """Return an order with two nodes in each other's places."""
    other = {pair[0]: pair[1], pair[1]: pair[0]}
    return [other.get(node, node) for node in order]


@contextlib.contextmanager
def _often_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
