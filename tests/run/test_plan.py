import asyncio

import msgspec
import pytest

from taskrunner.errors import InternalError
from taskrunner.graph.dag import link
from taskrunner.graph.spec import GraphFile
from taskrunner.run.plan import ASYNC, CALL, COMMAND, COMMAND_PLACES, GATHER, MAP, Plan
from taskrunner.tasks.binding import MISSING


def plan(*nodes, functions=None, among=None, outputs=None, pools=None):
    file = {"taskrunner": 1, "pools": pools or {}, "nodes": [{"call": "m:f", **node} for node in nodes]}
    for node in file["nodes"]:
        if "run" in node:
            del node["call"]
    dag = link(msgspec.convert(file, GraphFile))
    given = {v.index: print for v in dag.vertices if v.argv is None}
    return Plan(dag, {**given, **(functions or {})}, among, outputs)


def task(a_plan, name):
    return a_plan.by_id[name]


REF = [{"$ref": "a"}]


def test_the_kinds_of_tasks():
    made = plan(
        {"id": "a"}, {"id": "b"}, {"id": "c", "run": "x"}, {"id": "d", "map": [1]}, functions={1: asyncio.sleep}
    )
    assert [t.kind for t in made.tasks.values()] == [CALL, ASYNC, COMMAND, MAP]
    assert task(made, "c").limits == (COMMAND_PLACES,)
    assert [t.special for t in made.tasks.values()] == [False, True, True, True]
    assert [t.routed for t in made.tasks.values()] == [False, True, True, False]


def test_only_results_that_somebody_takes_are_wanted_and_only_outputs_kept():
    made = plan({"id": "a"}, {"id": "b", "args": REF}, {"id": "c", "needs": ["b"]})
    assert {t.id: (t.wanted, t.kept) for t in made.tasks.values()} == {
        "a": (True, False),
        "b": (False, False),
        "c": (True, True),
    }


def test_a_part_of_the_graph():
    made = plan({"id": "a"}, {"id": "b", "args": REF}, {"id": "c", "args": REF}, among={0, 1}, outputs=(1,))
    assert list(made.by_id) == ["a", "b"]
    assert [t.id for t in task(made, "a").after] == ["b"]
    assert task(made, "a").uses is None
    assert task(made, "b").kept


def test_successors_and_roots_are_placed_by_priority():
    made = plan(
        {"id": "a"}, {"id": "x", "args": REF}, {"id": "y", "args": REF, "priority": 2}, {"id": "z", "priority": 1}
    )
    assert [t.id for t in task(made, "a").after] == ["y", "x"]
    assert [t.id for t in made.roots()] == ["z", "a"]


def test_a_mapped_task_becomes_the_one_that_gathers():
    made = plan({"id": "m", "map": [1, 2], "pool": "p", "priority": 3}, pools={"p": 1})
    mapped = task(made, "m")
    assert (mapped.limits, mapped.routed) == ((), False)
    mapped.expand([10, 20])
    assert mapped.inputs is None
    assert (mapped.kind, [c.id for c in mapped.children]) == (GATHER, ["m[0]", "m[1]"])
    assert [(c.item, c.limits, c.priority, c.kept, c.after) for c in mapped.children] == [
        (10, ("p",), 3, True, (mapped,)),
        (20, ("p",), 3, True, (mapped,)),
    ]
    assert [mapped.arrive(), mapped.arrive()] == [-1, 0]


def test_the_path_to_a_task_is_a_shortest_one():
    made = plan(
        {"id": "a"},
        {"id": "b", "needs": ["a"]},
        {"id": "c", "needs": ["b"]},
        {"id": "r"},
        {"id": "d", "needs": ["c", "r"]},
    )
    assert made.path_to(task(made, "d")) == ("r", "d")
    assert made.path_to(task(made, "c")) == ("a", "b", "c")
    assert made.path_to(task(made, "a")) == ("a",)


def test_a_result_is_taken_once():
    made = plan({"id": "a"}, {"id": "b", "args": REF})
    task(made, "b").value = 7
    assert (made.take_result(1), made.take_result(1)) == (7, MISSING)
    with pytest.raises(InternalError, match="bug in taskrunner"):
        made.take_result(0)
