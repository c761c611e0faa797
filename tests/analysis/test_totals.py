import pytest

import taskrunner
from taskrunner.analysis.recorded_run import load_run
from taskrunner.analysis.totals import STATES, nodes_of, totals_of, worst_state
from taskrunner.graph.graph import Graph

NODES = [{"id": name, "call": "m:f"} for name in "abcdef"] + [{"id": "s", "run": "true"}]


def test_a_run_in_numbers(recording):
    record = recording(*NODES).done("a", 0.0, 1.0).done("b", 0.0, 2.0, worker=1, stolen=True)
    record.done("c", 2.0, 0.0, cached=True).retried("d", 2.0, 1.0).failed("d", 3.0, 1.0, attempt=2)
    record.failed("e", 0.0, 0.0, allowed=True, worker=-1).done("s", 0.0, 2.0, worker=-1).skipped("f", "needs", "d")
    found = totals_of(record.end(4.0).run())
    assert found.states == {"done": 3, "cached": 1, "failed": 1, "allowed": 1, "skipped": 1}
    assert (found.retried, found.steals, found.wall_s) == (1, 1, 4.0)
    assert found.busy == pytest.approx((0.75, 0.5))
    assert (found.work_s, found.parallelism) == pytest.approx((7.0, 1.75))


def test_the_parts_of_a_resumed_run_count_together(recording):
    record = recording(*NODES[:2]).done("a", 0.0, 1.0).end(1.0).begin().done("b", 0.0, 3.0).end(3.0)
    found = totals_of(record.run())
    assert (found.wall_s, found.busy, found.parallelism) == (4.0, (1.0, 0.0), 1.0)


def test_a_run_that_was_killed_has_nodes_that_have_not_ended(recording):
    record = recording(*NODES[:3]).done("a", 0.0, 1.0).retried("b", 1.0, 1.0)
    assert totals_of(record.run()).states == {"done": 1, "not ended": 2}


def test_async_nodes_mostly_wait_and_are_no_work(recording):
    assert totals_of(recording(NODES[0]).done("a", 0.0, 5.0, worker=-1).end(5.0).run()).parallelism == 0.0


def test_nothing_in_no_time(recording):
    found = totals_of(recording().run())
    assert (found.states, found.busy, found.parallelism) == ({}, (0.0, 0.0), 0.0)


def test_nodes_stand_in_the_order_of_their_starts_then_the_others(recording):
    record = recording(*NODES[:4]).skipped("a", "when").done("c", 1.0, 1.0).done("b", 0.0, 1.0)
    assert nodes_of(record.run()) == ["b", "c", "a", "d"]
    assert nodes_of(record.run(has_graph=False)) == ["b", "c", "a"]


def test_the_worst_state_matters():
    assert worst_state(["done", "failed", "skipped"]) == "failed"
    assert worst_state(["done", "cached"]) == "cached"
    assert worst_state(reversed(STATES)) == STATES[0]


def test_what_waits_on_the_event_loop_of_a_graph_that_cannot_be_read_is_no_work(recording):
    run = recording(NODES[0]).done("a", 0.0, 5.0, worker=-1).done("s", 0.0, 1.0).end(5.0).run(has_graph=False)
    assert totals_of(run).work_s == 1.0


def test_an_attempt_that_was_tried_again_is_no_steal_of_its_own(recording):
    record = recording(NODES[0]).retried("a", 0.0, 1.0, stolen=True).done("a", 1.0, 1.0, attempt=2, stolen=True)
    assert totals_of(record.run()).steals == 1


def test_a_mapped_node_has_made_a_worker_busy_with_its_expanding_too(recording):
    record = recording({"id": "m", "call": "m:f", "map": [1]}, workers=1).done("m[0]", 1.0, 1.0).done("m", 1.5, 1.0)
    assert totals_of(record.end(2.5).run()).busy_s == (2.0,)


async def wait():
    return 1


def test_the_numbers_are_those_of_the_summary(tmp_path):
    graph = Graph("g")
    parts = graph.map(sorted, [[3, 1], [2, 1], [5]], id="parts")
    graph.run(["true"], needs=[parts])
    graph.call(wait)
    summary = taskrunner.run(graph, workers=2, run_dir=tmp_path).summary
    found = totals_of(load_run(tmp_path, "last"))
    assert (found.parallelism, *found.busy) == pytest.approx((summary.parallelism, *summary.busy))
    assert (found.steals, found.retried) == (summary.steals, summary.retried)


def test_cpu_time_is_added_up_where_it_was_measured(recording):
    record = recording(*NODES, cpu_time=True).done("a", 0.0, 2.0, cpu_s=0.5).failed("b", 0.0, 1.0, cpu_s=1.0)
    found = totals_of(record.done("s", 0.0, 2.0, worker=-1).end(4.0).run()).cpu
    assert (found.calls, found.ran_s, found.cpu_s) == (2, 3.0, 1.5)
    assert [(each.call, each.waited_s) for each in found.functions] == [("m:f", 1.5)]
    assert totals_of(recording(*NODES).done("a", 0.0, 2.0).end(4.0).run()).cpu is None
