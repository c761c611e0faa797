import asyncio

import msgspec
import pytest

from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.nodes.binding import MISSING
from taskrunner.nodes.resolve import Functions
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC, CALL, COMMAND, COMMAND_SLOTS, GATHER, MAP, NO_DETAILS


def plan(*nodes, by_node=None, among=None, outputs=None, pools=None):
    file = {"taskrunner": 1, "pools": pools or {}, "nodes": [{"call": "m:f", **node} for node in nodes]}
    for node in file["nodes"]:
        if "run" in node:
            del node["call"]
    dag = link(msgspec.convert(file, GraphFile))
    return Plan(dag, Functions({"m:f": print}, by_node or {}), among, outputs)


def task(a_plan, name):
    (found,) = [task for task in a_plan.tasks if task.id == name]
    return found


def led_to(one):
    """Return the tasks that wait for one, each with the place in its inputs for this one's result."""
    return [(after.id, slot) for after, slot in zip(one.successors, one.input_positions, strict=True)]


REF = [{"$ref": "a"}]
BOTH = [{"$ref": "a"}, {"$ref": "b"}]


def test_the_kinds_of_tasks():
    made = plan(
        {"id": "a"}, {"id": "b"}, {"id": "c", "run": "x"}, {"id": "d", "map": [1]}, by_node={"b": asyncio.sleep}
    )
    assert [t.details.kind for t in made.tasks] == [CALL, ASYNC, COMMAND, MAP]
    assert task(made, "c").details.pools == (COMMAND_SLOTS,)
    assert [t.is_special for t in made.tasks] == [False, True, True, True]
    assert [t.is_routed for t in made.tasks] == [False, True, True, False]
    assert [t.function for t in made.tasks] == [print, asyncio.sleep, None, print]


@pytest.mark.parametrize(
    "fields",
    [
        {"when": True},
        {"always": True},
        {"priority": 2},
        {"kwargs": {"k": 1}},
        {"args": [[]]},
        {"args": [{"$ref": "a", "path": [0]}]},
        {"args": [*REF, *REF]},
        {"args": REF, "map": [1]},
    ],
    ids=str,
)
def test_what_is_more_than_a_call_with_constants_and_whole_results_is_special(fields):
    assert task(plan({"id": "a"}, {"id": "x", **fields}), "x").is_special


@pytest.mark.parametrize("fields", [{}, {"args": [1, *REF, None]}, {"needs": ["a"]}])
def test_what_is_no_more_than_that_is_not_special(fields):
    made = task(plan({"id": "a"}, {"id": "x", **fields}), "x")
    assert (made.is_special, made.details) == (False, NO_DETAILS)


@pytest.mark.parametrize("fields", [{"priority": 2}, {"pool": "p"}])
def test_what_does_not_simply_go_on_a_deque_is_routed(fields):
    assert task(plan({"id": "x", **fields}, pools={"p": 1}), "x").is_routed


def test_a_result_has_a_place_where_it_is_taken_and_only_outputs_are_kept():
    made = plan({"id": "a"}, {"id": "b", "args": REF}, {"id": "c", "needs": ["b"]})
    assert {t.id: (led_to(t), t.is_output) for t in made.tasks} == {
        "a": ([("b", 0)], False),
        "b": ([("c", None)], False),
        "c": ([], True),
    }


def test_a_result_s_place_is_that_of_the_argument_in_a_call_that_takes_it_as_it_is():
    flat = plan({"id": "a"}, {"id": "b"}, {"id": "x", "args": [7, {"$ref": "b"}, None, *REF], "needs": ["b"]})
    assert task(flat, "x").inputs == [7, None, None, None]
    assert (led_to(task(flat, "a")), led_to(task(flat, "b"))) == ([("x", 3)], [("x", 1)])


def test_a_result_s_place_is_that_among_the_used_in_any_other_task():
    fields = {"args": [7, [{"$ref": "b"}]], "kwargs": {"k": {"$ref": "a"}, "l": {"$ref": "b"}}, "needs": ["c"]}
    made = plan({"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "x", **fields})
    assert task(made, "x").inputs == [MISSING, MISSING]
    assert [led_to(task(made, name)) for name in "bac"] == [[("x", 0)], [("x", 1)], [("x", None)]]


def test_the_list_of_arguments_is_each_task_s_own_in_each_plan():
    first = plan({"id": "a"}, {"id": "x", "args": [1, *REF]}, {"id": "y", "args": [1, *REF]})
    second = Plan(first.dag, Functions({"m:f": print}, {}))
    task(first, "x").inputs.clear()
    assert [task(first, "y").inputs, task(second, "x").inputs, task(second, "y").inputs] == [[1, None]] * 3


def test_a_part_of_the_graph():
    made = plan({"id": "a"}, {"id": "b", "args": REF}, {"id": "c", "args": REF}, among={0, 1}, outputs=(1,))
    assert [t.id for t in made.tasks] == ["a", "b"]
    assert led_to(task(made, "a")) == [("b", 0)]
    assert task(made, "b").is_output
    assert task(made, "b").pending is None


def test_a_task_waits_for_as_many_as_come_before_it():
    made = plan({"id": "a"}, {"id": "b"}, {"id": "c", "args": BOTH}, {"id": "d", "args": BOTH, "needs": ["c", "a"]})
    assert {t.id: t.pending and repr(t.pending) for t in made.tasks} == {
        "a": None,
        "b": None,
        "c": "count(-1)",
        "d": "count(-2)",
    }


def test_successors_and_roots_are_placed_by_priority():
    made = plan(
        {"id": "a"},
        {"id": "x", "args": REF},
        {"id": "y", "args": [0, *REF], "priority": 2},
        {"id": "z", "priority": 1},
        {"id": "w", "needs": ["a"], "priority": 2},
    )
    assert led_to(task(made, "a")) == [("y", 1), ("w", None), ("x", 0)]
    assert [t.id for t in made.roots()] == ["z", "a"]


def test_a_mapped_task_becomes_the_one_that_gathers():
    made = plan({"id": "m", "map": [1, 2], "pool": "p", "priority": 3}, pools={"p": 1})
    mapped = task(made, "m")
    assert (mapped.details.pools, mapped.is_routed) == ((), False)
    children = mapped.expand([10, 20])
    assert mapped.details.templates is None
    assert (mapped.details.kind, mapped.inputs, [c.id for c in children]) == (GATHER, [MISSING] * 2, ["m[0]", "m[1]"])
    assert [
        (c.details.item, c.details.pools, c.details.priority, c.is_output, led_to(c), c.details.child) for c in children
    ] == [
        (10, ("p",), 3, False, [("m", 0)], 0),
        (20, ("p",), 3, False, [("m", 1)], 1),
    ]
    assert [next(mapped.pending), next(mapped.pending)] == [-1, 0]
    assert mapped.is_output


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


def test_the_outputs_are_taken_once():
    made = plan({"id": "a"}, {"id": "b", "args": REF})
    task(made, "b").value = 7
    assert (made.take_outputs(), made.take_outputs()) == ({"b": 7}, {})
