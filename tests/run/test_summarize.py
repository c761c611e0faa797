import msgspec

from taskrunner.graph.dag import link
from taskrunner.graph.spec import GraphFile
from taskrunner.run.outcome import DONE, FAILED, SKIPPED, Record, Skip
from taskrunner.run.summarize import parent_of, summarize


def dag(*nodes):
    file = {"taskrunner": 1, "nodes": [{"call": "m:f", **node} for node in nodes]}
    return link(msgspec.convert(file, GraphFile))


def ran(node, start, end, worker=0, made_by=0, state=DONE):
    return Record(state, node, worker, made_by, 0, int(start * 1e9), int(end * 1e9), None)


def summary(records, graph, async_nodes=frozenset(), workers=2, wall_s=4.0):
    return summarize(
        records,
        graph,
        set(async_nodes),
        run="r",
        graph="g",
        wall_s=wall_s,
        workers=workers,
        gil_module="",
        signal=0,
    )


def test_counts_busy_shares_steals_and_parallelism():
    graph = dag({"id": "a"}, {"id": "b"}, {"id": "c", "needs": ["a", "b"]}, {"id": "d", "needs": ["c"]})
    skip = Record(SKIPPED, "d", 1, 0, 0, 0, 0, Skip("when"))
    found = summary([ran("a", 0, 1), ran("b", 0, 3, 1), ran("c", 3, 4, 1, 0), skip], graph)
    assert (found.done, found.failed, found.skipped, found.nodes, found.ok) == (3, 0, 1, 4, True)
    assert (found.busy, found.steals, found.parallelism) == ((0.25, 1.0), 2, 1.25)
    assert (found.critical_path_s, found.critical_path) == (4.0, ("b", "c"))
    assert [(slow.node, slow.ran_s) for slow in found.slowest] == [("b", 3.0), ("a", 1.0), ("c", 1.0)]


def test_a_failed_node_makes_the_run_fail():
    assert not summary([ran("a", 0, 1, state=FAILED)], dag({"id": "a"})).ok


def test_async_nodes_and_their_children_are_no_work():
    graph = dag({"id": "a"}, {"id": "m", "map": [1, 2]})
    records = [ran("a", 0, 2), ran("m[0]", 0, 4, -1), ran("m[1]", 0, 4, -1), ran("m", 4, 4)]
    assert summary(records, graph, {"m"}).parallelism == 0.5


def test_a_mapped_node_stands_on_the_critical_path_with_its_slowest_child():
    graph = dag({"id": "a"}, {"id": "m", "map": [1, 2], "needs": ["a"]}, {"id": "z", "needs": ["m"]})
    records = [ran("a", 0, 1), ran("m[0]", 1, 2), ran("m[1]", 1, 3), ran("m", 3, 3), ran("z", 3, 4)]
    found = summary(records, graph)
    assert (found.critical_path_s, found.critical_path) == (4.0, ("a", "m[1]", "m", "z"))


def test_a_run_of_nothing_has_a_summary():
    found = summary([], dag(), wall_s=0.0)
    assert (found.busy, found.critical_path, found.parallelism, found.ok) == ((0.0, 0.0), (), 0.0, True)


def test_the_parent_of_a_child():
    assert [parent_of(name) for name in ("a[0]", "a[0][1]", "a", "]", "a]")] == ["a", "a[0]", "", "", ""]
