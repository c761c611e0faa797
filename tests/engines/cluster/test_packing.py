"""From tasks that are ready to works: slots for what lies elsewhere, chains, and what each of them takes."""

import pytest
from cases import ITEM, call, ref
from told import decoded

from taskrunner.engines.cluster.packing import (
    MAX_CHAIN,
    Packer,
    Results,
    ScatteredInputsError,
    find_required_worker,
    has_remote_condition,
    is_gathered,
    needs_results,
)
from taskrunner.engines.messages import MISSING_RESULT, PICK, PREVIOUS, GatheredResults, Placeholder, ResultRef
from taskrunner.nodes.binding import MISSING
from taskrunner.nodes.resolve import resolve_all
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC, CALL, COMMAND, MAP


def packed(*nodes, first=None, inputs=None, fuses=True, is_journaled=False, lost=(), **fields):
    """Pack the task of a node, whose inputs are these, as if it were ready."""
    dag = decoded({"nodes": list(nodes), **fields}).link({})
    plan = Plan(dag, resolve_all(dag, {}))
    packer = Packer(plan, "run", {}, fuses=fuses, is_journaled=is_journaled)
    packer.lost.update(lost)
    task = next(task for task in plan.tasks if task.id == (first or nodes[0]["id"]))
    if inputs is not None:
        task.inputs[:] = inputs
    return packer.pack(task)


def names(work):
    return [step.node for step in work.steps]


def test_results_are_taken_along_once():
    results, a, b = Results(), ResultRef("a"), ResultRef("b")
    assert [results.pack(value) for value in (b, a, b, 5, [1], MISSING)] == [
        Placeholder(0),
        Placeholder(1),
        Placeholder(0),
        5,
        [1],
        MISSING_RESULT,
    ]
    assert results.pack([a, 1, MISSING]) == GatheredResults([Placeholder(1), 1, MISSING_RESULT])
    assert results.refs == [b, a]


def test_who_takes_what_cannot_be_moved_runs_where_it_is():
    free, one, other = ResultRef("a"), ResultRef("b"), ResultRef("c")
    one.worker, other.worker = "tcp://1", "tcp://2"
    assert [find_required_worker([]), find_required_worker([free]), find_required_worker([one, free, one])] == [
        "",
        "",
        "tcp://1",
    ]
    with pytest.raises(ScatteredInputsError, match="different worker processes: tcp://1, tcp://2"):
        find_required_worker([one, other])


def test_who_takes_what_is_lost_cannot_run():
    lost = ResultRef("a")
    lost.worker = "tcp://1"
    nodes = [call("b", "give", ref("a")), call("a", "give")]
    assert packed(*nodes, inputs=[lost])[0].worker == "tcp://1"
    with pytest.raises(ScatteredInputsError, match="was lost with tcp://1"):
        packed(*nodes, inputs=[lost], lost={"tcp://1"})


def test_a_list_is_gathered_if_a_part_of_it_is_elsewhere():
    assert is_gathered([1, ResultRef("a")])
    assert not any(map(is_gathered, ([1], (ResultRef("a"),), [], None)))


def test_a_call_that_needs_nothing_travels_by_its_name():
    work, remotes, tasks = packed(call("a", "add", 1, 2))
    (step,) = work.steps
    assert (work.run, work.is_async, work.priority, list(remotes), [t.id for t in tasks]) == (
        "run",
        False,
        0,
        [],
        ["a"],
    )
    assert (step.node, step.kind, step.call, list(step.args), step.is_flat) == ("a", CALL, "nodes:add", [1, 2], True)
    assert work.key.startswith("add-")
    assert work.key.endswith("-run")


def test_a_flat_call_has_its_results_in_place():
    a, b = ResultRef("a"), ResultRef("b")
    nodes = [call("c", "add", ref("b"), 7, ref("a")), call("a", "give"), call("b", "give")]
    work, remotes, _ = packed(*nodes, inputs=[b, 7, a])
    assert list(work.steps[0].args) == [Placeholder(0), 7, Placeholder(1)]
    assert list(remotes) == [b, a]


def test_templates_travel_with_the_results_that_they_name():
    a = ResultRef("a")
    nodes = [call("b", "add", [ref("a", 0)], when=ref("a", 1)), call("a", "give")]
    work, _, _ = packed(*nodes, inputs=[a])
    (step,) = work.steps
    assert (step.is_flat, step.has_condition, dict(step.inputs)) == (False, True, {"a": Placeholder(0)})


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        (call("a", "who_async"), ASYNC), (call("a", "meet_async", "x", "y", 3), ASYNC),
        ({"id": "a", "run": "true"}, COMMAND),
    ],
)  # fmt: skip
def test_what_waits_is_marked(node, kind):
    work, _, _ = packed(node, call("b", "give", ref("a")))
    assert (work.is_async, work.steps[0].kind, names(work)) == (True, kind, ["a"])


def test_a_chain_is_as_long_as_each_has_one_after_it_that_waits_for_it_alone():
    nodes = [
        call("a", "give", 1),
        call("b", "add", ref("a"), 1),
        call("c", "add", 2, ref("b")),
        call("d", "many", [ref("c")]),
    ]
    work, remotes, tasks = packed(*nodes)
    assert names(work) == [task.id for task in tasks] == ["a", "b", "c", "d"]
    assert [list(step.args) for step in work.steps[:3]] == [[1], [PREVIOUS, 1], [2, PREVIOUS]]
    assert dict(work.steps[3].inputs) == {"c": PREVIOUS}
    assert list(remotes) == []
    assert names(packed(*nodes, fuses=False)[0]) == ["a"]


@pytest.mark.parametrize(
    ("nodes", "chain"),
    [
        ([call("a", "give"), call("b", "give", ref("a")), call("c", "give", ref("a"))], ["a"]),
        ([call("a", "give"), call("x", "give"), call("b", "add", ref("a"), ref("x"))], ["a"]),
        ([call("a", "give"), call("b", "give", needs=["a"]), call("c", "give", ref("b"))], ["a", "b", "c"]),
        ([call("a", "give"), call("b", "give", ref("a"), retries=1)], ["a"]),
        ([call("a", "give"), call("b", "give", ref("a"), timeout=5)], ["a"]),
        ([call("a", "give"), call("b", "give", ref("a"), pool="p")], ["a"]),
        ([call("a", "give"), call("b", "give", ref("a"), always=True)], ["a"]),
        ([call("a", "give"), call("b", "give", ref("a"), allow_failure=True)], ["a"]),
        ([call("a", "give"), call("b", "give", ref("a"), when=True)], ["a"]),
        ([call("a", "give"), call("b", "give", ITEM, map=ref("a"))], ["a"]),
        ([call("a", "give"), call("b", "who_async", ref("a"))], ["a"]),
        ([call("a", "give"), {"id": "b", "run": ["echo", ref("a")]}], ["a"]),
        ([call("a", "give", retries=1), call("b", "give", ref("a"))], ["a"]),
        ([call("a", "give"), call("b", "give", ref("a"), priority=1)], ["a"]),
    ],
    ids=str,
)
def test_where_a_chain_ends(nodes, chain):
    work, _, _ = packed(*nodes, pools={"p": 1})
    assert names(work)[: len(chain)] == chain
    assert names(work) == chain or nodes[1].get("priority")


def test_an_output_ends_a_chain():
    nodes = [call("a", "give"), call("b", "give", ref("a")), call("c", "give", ref("b"))]
    assert names(packed(*nodes, outputs=["b", "c"])[0]) == ["a", "b"]


def test_a_chain_has_an_end():
    nodes = [call("n0", "give"), *[call(f"n{i}", "give", ref(f"n{i - 1}")) for i in range(1, 2 * MAX_CHAIN)]]
    assert len(packed(*nodes)[0].steps) == MAX_CHAIN


def test_a_mapped_node_takes_what_its_items_come_from_and_its_children_the_rest():
    nodes = [call("m", "many", ITEM, ref("b"), map=ref("a")), call("a", "give"), call("b", "give")]
    dag = decoded({"nodes": nodes}).link({})
    plan = Plan(dag, resolve_all(dag, {}))
    packer = Packer(plan, "run", {}, fuses=True, is_journaled=True)
    task = next(task for task in plan.tasks if task.id == "m")
    a, b, item = ResultRef("a"), ResultRef("b"), ResultRef("item")
    by_name = {"a": a, "b": b}
    task.inputs[:] = [by_name[dag.vertices[index].id] for index in task.vertex.data_predecessors]
    assert needs_results(task)
    work, remotes, _ = packer.pack(task)
    assert (work.steps[0].kind, work.steps[0].is_journaled, list(remotes)) == (MAP, False, [a])
    packer.shared[task.vertex.index] = list(task.inputs)
    first, second = task.expand([item, 5])
    work, remotes, _ = packer.pack(first)
    assert (work.steps[0].node, work.steps[0].is_journaled, set(remotes)) == ("m[0]", True, {b, item})
    assert work.steps[0].inputs["a"] == MISSING_RESULT
    work, remotes, _ = packer.pack(second)
    assert (work.steps[0].item, list(remotes)) == (5, [b])


def test_an_item_is_picked_where_the_items_are():
    dag = decoded({"nodes": [call("a", "give")]}).link({})
    packer = Packer(Plan(dag, resolve_all(dag, {})), "run", {}, fuses=True, is_journaled=False)
    items = ResultRef("items")
    work, remotes = packer.pick("m", items, 3)
    (step,) = work.steps
    assert (step.kind, list(step.args), step.item, work.suppress_reports, remotes) == (
        PICK,
        [Placeholder(0)],
        3,
        True,
        [items],
    )


def test_keys_are_of_their_own():
    nodes = [call("a", "give"), call("b", "give")]
    dag = decoded({"nodes": nodes}).link({})
    plan = Plan(dag, resolve_all(dag, {}))
    packer = Packer(plan, "run", {}, fuses=True, is_journaled=False)
    keys = [packer.pack(task)[0].key for task in plan.tasks]
    assert len(set(keys)) == 2


def test_a_function_given_in_python_travels_itself():
    dag = decoded({"nodes": [call("a", "give", 1)]}).link({})
    plan = Plan(dag, resolve_all(dag, {}))
    packer = Packer(plan, "run", {"a": len}, fuses=True, is_journaled=False)
    assert packer.pack(plan.tasks[0])[0].steps[0].call is len


@pytest.mark.parametrize(
    ("when", "expected"), [(True, False), ({"$param": "p"}, False), (ref("a"), True), ([1, ref("a", 0)], True)]
)
def test_a_guard_is_looked_at_where_the_results_are(when, expected):
    dag = decoded({"params": {"p": 1}, "nodes": [call("a", "give"), call("b", "give", when=when)]}).link({})
    assert has_remote_condition(dag.vertices[1].templates) is expected
