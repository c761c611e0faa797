from types import SimpleNamespace

import msgspec
import pytest

from taskrunner.events.types import EVENT_LOOP
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.plan.outcome import FailedCall, Retried, Skip, describe
from taskrunner.plan.task import ASYNC, CALL, TaskDetails
from taskrunner.session.summarize import RunFacts, summarize

FAILURE = describe(FailedCall("a", ("a",)), ValueError("no"))


class Run:
    """Notes of a run on a graph, by worker."""

    def __init__(self, *nodes, async_nodes=()):
        file = {"taskrunner": 1, "nodes": [{"call": "m:f", **node} for node in nodes]}
        self.dag = link(msgspec.convert(file, GraphFile))
        self.async_nodes = async_nodes
        self.notes = {}

    def note(self, node, start, end, worker=0, *, child=-1, why=None, stolen=False, attempt=1):
        task = SimpleNamespace(
            id=node if child < 0 else f"{node}[{child}]",
            vertex=self.dag.vertices[self.dag.index[node]],
            details=TaskDetails(child=child, call_kind=ASYNC if node in self.async_nodes else CALL, attempt=attempt),
            stolen=stolen,
        )
        self.notes.setdefault(worker, []).append((task, 0, int(start * 1e9), int(end * 1e9), why))

    def facts(self, workers=2, wall_s=4.0, signal=0):
        return RunFacts(
            run="r",
            graph="g",
            ok=not signal,
            wall_s=wall_s,
            workers=workers,
            gil=False,
            gil_module="old.ext",
            peak_memory_bytes=5,
            signal=signal,
        )

    def summary(self, **options):
        return summarize(list(self.notes.items()), self.dag, self.facts(**options))


def test_counts_busy_shares_steals_and_parallelism():
    run = Run({"id": "a"}, {"id": "b"}, {"id": "c", "needs": ["a", "b"]}, {"id": "d", "needs": ["c"]})
    run.note("a", 0, 1)
    run.note("b", 0, 3, 1, stolen=True)
    run.note("c", 3, 4, 1, stolen=True)
    run.note("d", 0, 0, 1, why=Skip("when"), stolen=True)
    found = run.summary()
    assert (found.done, found.failed, found.skipped, found.nodes, found.ok) == (3, 0, 1, 4, True)
    assert (found.busy, found.steals, found.parallelism) == ((0.25, 1.0), 2, 1.25)
    assert (found.critical_path_s, found.critical_path) == (4.0, ("b", "c"))
    assert [(slow.node, slow.ran_s) for slow in found.slowest] == [("b", 3.0), ("a", 1.0), ("c", 1.0)]


def test_what_is_known_of_the_run_as_a_whole_stands_in_the_summary():
    found = Run().summary(workers=3)
    assert (found.run, found.graph, found.wall_s, found.workers) == ("r", "g", 4.0, 3)
    assert (found.gil, found.gil_module, found.peak_memory_bytes, found.signal) == (False, "old.ext", 5, 0)


def test_a_failed_node_is_counted():
    run = Run({"id": "a"})
    run.note("a", 0, 1, why=FAILURE)
    found = run.summary()
    assert (found.failed, found.done) == (1, 0)
    assert (found.busy, found.parallelism, found.critical_path) == ((0.25, 0.0), 0.25, ("a",))


def test_who_took_a_lost_worker_s_place_is_counted_with_it():
    run = Run({"id": "a"}, {"id": "b"})
    run.note("a", 0, 1)
    run.note("b", 0, 2, worker=1)
    first, second = run.notes.values()
    summary = summarize([(0, first), (0, second)], run.dag, run.facts())
    assert summary.busy == (0.75, 0.0)


def test_attempts_before_the_last_are_counted_as_such_and_lengthen_the_critical_path():
    run = Run({"id": "a"}, {"id": "b"})
    run.note("a", 0, 1, why=Retried(FAILURE, 0.5))
    run.note("a", 1.5, 3.5, attempt=2)
    run.note("b", 0, 2, 1)
    found = run.summary()
    assert (found.done, found.failed, found.retried, found.nodes) == (2, 0, 1, 2)
    assert (found.busy, found.parallelism) == ((0.75, 0.5), 1.25)
    assert (found.critical_path_s, found.critical_path) == (3.5, ("a",))  # with the wait between them


def test_a_mapped_node_weighs_its_slowest_child_with_all_of_its_attempts():
    run = Run({"id": "m", "map": [1, 2, 3]})
    for child, (broken, last) in enumerate([(0, 3), (1, 1), (3, 1)]):
        if broken:
            run.note("m", 0, broken, child=child, why=Retried(FAILURE, 0.0))
        run.note("m", broken, broken + last, child=child, attempt=2 if broken else 1)
    run.note("m", 4, 5)
    found = run.summary()
    assert (found.critical_path_s, found.critical_path) == (5.0, ("m[2]", "m"))


def test_a_run_that_a_signal_ended_is_not_ok():
    assert not Run().summary(signal=2).ok


def test_async_nodes_and_their_children_are_no_work():
    run = Run({"id": "a"}, {"id": "m", "map": [1, 2]}, async_nodes={"m"})
    run.note("a", 0, 2)
    run.note("m", 0, 4, EVENT_LOOP, child=0)
    run.note("m", 0, 4, EVENT_LOOP, child=1)
    run.note("m", 4, 4)
    assert run.summary().parallelism == 0.5


def test_commands_are_work_but_keep_no_worker_busy():
    run = Run({"id": "a"})
    run.note("a", 0, 2, EVENT_LOOP)
    found = run.summary()
    assert (found.busy, found.parallelism) == ((0.0, 0.0), 0.5)


def test_a_mapped_node_stands_on_the_critical_path_with_its_slowest_child():
    run = Run({"id": "a"}, {"id": "m", "map": [1, 2], "needs": ["a"]}, {"id": "z", "needs": ["m"]})
    run.note("a", 0, 1)
    run.note("m", 1, 2, child=0)
    run.note("m", 1, 3, child=1)
    run.note("m", 3, 3)
    run.note("z", 3, 4)
    found = run.summary()
    assert (found.critical_path_s, found.critical_path) == (4.0, ("a", "m[1]", "m", "z"))


def test_the_slowest_child_is_found_whichever_worker_ran_it():
    run = Run({"id": "m", "map": [1, 2, 3]})
    for number, end in enumerate((2, 3, 1)):
        run.note("m", 0, end, number, child=number)
    run.note("m", 3, 3)
    assert run.summary(workers=3).critical_path == ("m[1]", "m")


def test_a_node_that_is_only_named_like_a_child_is_none():
    run = Run({"id": "a"}, {"id": "a[0]"}, {"id": "a[0][1]", "needs": ["a"]}, {"id": "]"})
    for node, seconds in (("a", 1), ("a[0]", 1.5), ("a[0][1]", 1), ("]", 0.5)):
        run.note(node, 0, seconds)
    found = run.summary()
    assert (found.critical_path_s, found.critical_path) == (2.0, ("a", "a[0][1]"))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_slowest_are_the_five_slowest_of_all_workers(workers):
    run = Run(*({"id": str(number)} for number in range(12)))
    for number in range(12):
        run.note(str(number), 0, number * 7 % 12, number % workers)
    found = run.summary(workers=workers).slowest
    assert [slow.ran_s for slow in found] == [11.0, 10.0, 9.0, 8.0, 7.0]
    assert [int(slow.node) * 7 % 12 for slow in found] == [11, 10, 9, 8, 7]


def test_of_equally_slow_nodes_the_first_five_are_told():
    run = Run(*({"id": str(number)} for number in range(7)))
    for number in range(7):
        run.note(str(number), 0, 0)
    assert [slow.node for slow in run.summary().slowest] == ["0", "1", "2", "3", "4"]


def test_a_run_of_nothing_has_a_summary():
    found = Run().summary(wall_s=0.0)
    assert (found.busy, found.critical_path, found.parallelism, found.ok) == ((0.0, 0.0), (), 0.0, True)


def test_a_node_is_as_slow_as_all_of_its_attempts():
    run = Run({"id": "a"}, {"id": "b"})
    run.note("a", 0, 2, attempt=2, why=Retried(FAILURE, 0.0))
    run.note("b", 0, 3, worker=1)
    run.note("a", 2, 4, worker=1, attempt=2)
    found = run.summary()
    assert [(slow.node, slow.ran_s) for slow in found.slowest] == [("a", 4.0), ("b", 3.0)]
    assert (found.critical_path_s, found.critical_path) == (4.0, ("a",))
