"""The critical path first: what is known of an earlier run's durations, and what it does to the next."""

import time

import msgspec
import pytest

import taskrunner
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.plan.ordering import ranks
from taskrunner.storage.timings import MIN_RANKED_S, durations


def dag(*nodes):
    return link(msgspec.convert({"taskrunner": 1, "nodes": [{"call": "m:f", **node} for node in nodes]}, GraphFile))


def ran(runs, run_id, *lines, graph="g", ok=True, mean=1.0):
    folder = runs / run_id
    folder.mkdir()
    summary = {"graph": graph, "ok": ok, "wall_s": 1.0, "parallelism": mean * 2, "done": 2, "more": "of it"}
    (folder / "summary.json").write_bytes(msgspec.json.encode(summary))
    (folder / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, lines)))


def done(node, seconds):
    return {"event": "node.done", "node": node, "ran_s": seconds}


def test_a_rank_is_the_longest_chain_that_begins_with_a_node():
    made = dag({"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c", "needs": ["a"]}, {"id": "d"})
    assert ranks(made, {"a": 1.0, "b": 2.0, "c": 4.0, "d": 0.0}) == [5_000_001, 2_000_001, 4_000_001, 1]


def test_a_mapped_node_weighs_its_slowest_child_as_well():
    made = dag({"id": "m", "map": [1, 2]}, {"id": "b", "needs": ["m"]})
    assert ranks(made, {"m": 0.5, "m[0]": 1.0, "m[1]": 3.0, "b": 1.0}) == [4_500_001, 1_000_001]


def test_a_node_that_is_new_is_taken_to_be_as_long_as_most():
    assert ranks(dag({"id": "a"}, {"id": "new"}), {"a": 1.0, "gone": 3.0}) == [1_000_001, 2_000_001]


def test_the_newest_run_of_the_same_name_that_went_well_tells_the_durations(tmp_path):
    assert durations(tmp_path, "g") == {}
    ran(tmp_path, "1", done("a", 1.0))
    ran(tmp_path, "2", {"event": "run.start"}, done("a", 2.0), done("b", 3.0))
    ran(tmp_path, "3", done("a", 4.0), graph="another")
    ran(tmp_path, "4", done("a", 5.0), ok=False)
    assert durations(tmp_path, "g") == {"a": 2.0, "b": 3.0}


def test_a_run_whose_files_are_damaged_is_passed_over(tmp_path):
    ran(tmp_path, "1", done("a", 1.0))
    ran(tmp_path, "2", done("a", 2.0))
    (tmp_path / "2" / "events.jsonl").write_bytes(b'{"event":"node.done","node":"a","ran_')
    ran(tmp_path, "3", done("a", 3.0))
    (tmp_path / "3" / "summary.json").write_bytes(b"{")
    ran(tmp_path, "4", done("a", 4.0))
    (tmp_path / "4" / "events.jsonl").unlink()
    assert durations(tmp_path, "g") == {"a": 1.0}


def test_short_nodes_are_not_worth_an_order(tmp_path):
    ran(tmp_path, "1", done("a", MIN_RANKED_S / 2), mean=MIN_RANKED_S * 0.99)
    assert durations(tmp_path, "g") == {}


def rest(seconds, *_needed):
    time.sleep(seconds)
    return seconds


@pytest.fixture
def uneven():
    """Return a graph in which the node that leads to the long ones comes last."""
    graph = taskrunner.Graph("uneven")
    for name in "abc":
        graph.call(rest, 0.002, id=name)
    first = graph.call(rest, 0.002, id="first")
    graph.call(rest, 0.03, first, id="long")
    return graph


def order_of(result):
    return [timing.node for timing in result.timing]


def test_the_second_run_begins_with_the_critical_path(tmp_path, uneven):
    earlier = taskrunner.run(uneven, workers=1, run_dir=tmp_path)
    assert order_of(earlier) == ["a", "b", "c", "first", "long"]
    again = taskrunner.run(uneven, workers=1, run_dir=tmp_path)
    assert order_of(again)[:2] == ["first", "long"]
    assert again.outputs == earlier.outputs
    assert order_of(taskrunner.run(uneven, workers=1)) == order_of(earlier)  # a run without a folder knows of none


def test_a_priority_in_the_graph_goes_before_the_critical_path(tmp_path, uneven):
    uneven.call(rest, 0.002, id="now", priority=1)
    uneven.call(rest, 0.002, id="later", priority=-1)
    for _ in range(2):
        result = taskrunner.run(uneven, workers=1, run_dir=tmp_path)
    assert order_of(result)[:3] == ["now", "first", "long"]
    assert order_of(result)[-1] == "later"


@pytest.mark.parametrize("workers", [1, 3])
def test_every_kind_of_node_runs_in_an_order(tmp_path, workers):
    file = {
        "taskrunner": 1,
        "pools": {"door": 1},
        "nodes": [
            {"id": "items", "call": "builtins:list", "args": [[0.03, 0.01, 0.02]]},
            {"id": "each", "map": {"$ref": "items"}, "call": f"{__name__}:rest", "args": [{"$item": True}]},
            {"id": "asleep", "call": "asyncio:sleep", "args": [0.01, "woken"], "pool": "door"},
            {"id": "said", "run": ["echo", {"$ref": "asleep"}], "capture": "text"},
            {"id": "all", "call": "builtins:list", "args": [[{"$ref": "each"}, {"$ref": "said"}]]},
            {"id": "last", "call": "builtins:str", "needs": ["all"], "always": True},
        ],
    }
    (tmp_path / "g.json").write_bytes(msgspec.json.encode(file))
    outputs = []
    for _ in range(2):
        graph = taskrunner.load(tmp_path / "g.json")
        result = taskrunner.run(graph, targets=["all", "last"], workers=workers, run_dir=tmp_path / "runs")
        assert result.ok, result.failures
        outputs.append(result.outputs)
    assert outputs[0] == outputs[1]
    assert durations(tmp_path / "runs", graph.name)
