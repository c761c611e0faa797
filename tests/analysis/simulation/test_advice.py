"""Advice: what is too small, what to halve, what not to wait for; each tried out on the simulated pool."""

import pytest

from taskrunner.analysis.simulation import advice
from taskrunner.analysis.simulation.advice import Advice, Cut, Halving, SmallNodes, advise, small_nodes
from taskrunner.analysis.simulation.workload import workload_of


def dag(hand, *names):
    return hand.dag(*[hand.call(name) for name in names])


def test_the_node_to_halve_is_the_one_that_holds_the_run_up(hand):
    diamond = hand.workload((1,), (6, 0), (2, 0), (1, 1, 2))
    found = advise(diamond, dag(hand, *"abcd"), 2)
    assert (found.workers, found.wall_s) == (2, 8)
    assert found.halving == Halving("b", 6, 5, 3)


def test_a_node_is_on_no_path_that_holds_but_on_a_worker_that_does(hand):
    # with one worker everything holds: the longest node is worth most, wherever it stands
    found = advise(hand.workload((1,), (2, 0), (2.5,)), dag(hand, *"abc"), 1)
    assert found.halving == Halving("c", 2.5, 4.25, 1.25)


def test_the_edge_to_do_without_is_in_the_middle_of_the_chain(hand):
    chain = hand.workload((3,), (1, 0), (4, 1))
    graph = hand.dag(hand.call("a"), hand.call("b", needs=["a"]), hand.call("c", args=[{"$ref": "b"}]))
    found = advise(chain, graph, 2)
    assert found.cut == Cut("b", "c", passes_result=True, wall_s=4, saved_s=4)
    without = hand.dag(hand.call("a"), hand.call("b", needs=["a"]), hand.call("c", needs=["b"]))
    assert advise(chain, without, 2).cut.passes_result is False


def test_a_mapped_node_s_children_always_wait_for_it(hand):
    graph = hand.dag(hand.call("m", map=[1]))
    run = hand.run(graph, hand.done("m", ran=1), hand.done("m[0]", ran=4))
    found = advise(workload_of(run), graph, 2)
    assert found.cut is None
    assert found.halving == Halving("m[0]", 4, 3, 2)


def test_of_many_edges_the_one_that_may_save_most_is_tried_first(hand, monkeypatch):
    monkeypatch.setattr(advice, "MAX_CHANGES", 1)
    graph = hand.dag(hand.call("a"), *[hand.call(x, needs=[y]) for x, y in ("ba", "cb", "dc")])
    found = advise(hand.workload((1,), (3, 0), (3, 1), (1, 2)), graph, 2).cut
    assert (found.source, found.target, found.saved_s) == ("b", "c", 4)


def test_where_nothing_helps_nothing_is_named(hand):
    even = hand.workload(*[(1,)] * 200)
    assert advise(even, dag(hand, *map(str, range(200))), 1) == Advice(1, 200, ranked_s=200)


def test_the_order_of_a_graph_that_has_run_before_is_tried_as_well(hand):
    shape = [(1,), (1,), (1,), (5, 2)]
    assert advise(hand.workload(*shape), dag(hand, *"abcd"), 2).ranked_s == 6
    assert advise(hand.workload(*shape, ranked=True), dag(hand, *"abcd"), 2).ranked_s is None


def test_small_nodes_are_told_by_what_they_call(hand):
    graph = hand.dag(*[{"id": str(i), "call": "m:tiny" if i < 8 else "m:big"} for i in range(10)])
    found = hand.workload(*[(0.5,)] * 8, (20,), (20,), node_s=0.25)
    assert list(small_nodes(found, graph)) == [SmallNodes("m:tiny", 8, 0.5, 5)]


@pytest.mark.parametrize(
    ("seconds", "node_s"),
    [
        ([5, 5], 0.5),  # ten times what is lost: large enough
        ([1], 1),  # there is nothing to put together
    ],
)
def test_nodes_that_are_small_and_worth_no_word(hand, seconds, node_s):
    names = [*map(str, range(len(seconds)))]
    assert list(small_nodes(hand.workload(*[(s,) for s in seconds], node_s=node_s), dag(hand, *names))) == []


def test_small_nodes_that_lose_next_to_nothing_of_the_whole_are_worth_no_word(hand):
    graph = hand.dag(*[{"id": x, "call": "m:big" if x == "c" else "m:tiny"} for x in "abc"])
    assert list(small_nodes(hand.workload((1,), (1,), (99,), node_s=0.25), graph)) == []
    assert list(small_nodes(hand.workload((1,), (1,), (20,), node_s=0.25), graph)) == [SmallNodes("m:tiny", 2, 1, 2)]


def test_nodes_that_take_no_time_at_all_go_into_one(hand):
    (found,) = small_nodes(hand.workload((0,), (0,), node_s=1), dag(hand, "a", "b"))
    assert found.batch == 2


def test_big_graphs_are_tried_less_often(hand, monkeypatch):
    tried = []
    monkeypatch.setattr(advice, "MAX_REPLAYED_JOBS", 6)
    monkeypatch.setattr(advice, "_halving", lambda *words: tried.append(words[1]) or Halving("", 1, 1, 0))
    advise(hand.workload((1,), (2, 0), (3, 1)), dag(hand, *"abc"), 1)
    assert tried == [2, 1]
