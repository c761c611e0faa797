"""Linking nodes one by one as they are decoded gives what linking them all at once gives: vertices, or problems."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskrunner.errors import GraphError
from taskrunner.graph.codec import decode
from taskrunner.graph.dag import DEFAULT_OPTIONS
from taskrunner.graph.graph import Graph
from taskrunner.graph.link import link
from taskrunner.graph.spec import FlatNode
from taskrunner.graph.template import DictOf, Item, ListOf, Ref, TupleOf

FUZZ = settings(max_examples=150, deadline=None, derandomize=True)

IDS = [*"abcdefg", "m", "a[0]", "m[0]", "m[1]", "m[x]"]
CONSTANTS = st.sampled_from([None, True, 0, 1.5, "text", "$ref", -(2**63), 2**64, "ä", [], [1], {}, {"k": None}])


def references(names):
    one = st.sampled_from(names).map(lambda name: {"$ref": name})
    part = one.map(lambda ref: {**ref, "path": ["rows", 0]})
    deep = st.sampled_from(names).map(lambda name: [{"k": {"$ref": name}}])
    odd = st.sampled_from([{"$ref": "nobody"}, {"$ref": 3}, {"$item": True}, {"$literal": {"$ref": "a"}}, {"$zz": 1}])
    param = st.sampled_from([{"$param": "n"}, {"$param": "zz"}])
    return st.one_of(one, one, one, one, part, deep, odd, param) if names else odd | param


def nodes(name, names):
    """Draw a node that may refer to the named ones: three of four are calls and say nothing else."""
    argument = CONSTANTS | references(names)
    args = st.lists(argument, max_size=4)
    need = st.sampled_from([*names, "nobody"])
    plain = st.fixed_dictionaries({"id": st.just(name), "call": st.sampled_from(["m:f", "m:f", "m:g", "bad"])})
    flat = st.lists(st.sampled_from([{"$ref": n} for n in names] or [1]) | st.sampled_from([1, None]), max_size=4)
    more = st.fixed_dictionaries(
        {},
        optional={
            "args": args,
            "kwargs": st.dictionaries(st.sampled_from("kl"), argument, max_size=2),
            "needs": st.lists(need, max_size=3),
            "map": st.lists(argument, max_size=2) | argument,
            "when": argument,
            "always": st.booleans(),
            "pool": st.sampled_from(["p", ["p", "q"], "zz"]),
            "priority": st.integers(-1, 1),
            "run": st.lists(argument, max_size=2),
            "stdin": argument,
        },
    )
    call = st.tuples(plain, flat).map(lambda pair: pair[0] | ({"args": pair[1]} if pair[1] else {}))
    whole = st.tuples(plain, more).map(lambda pair: pair[0] | pair[1])
    command = st.fixed_dictionaries({"id": st.just(name), "run": st.lists(argument, min_size=1, max_size=2)})
    return st.one_of(call, call, call, call, whole, command)


@st.composite
def files(draw):
    """Draw a graph: mostly of nodes that need earlier ones, in that order or in another."""
    names = draw(st.lists(st.sampled_from(IDS), max_size=9, unique=draw(st.integers(0, 3)) > 0))
    is_cyclic = draw(st.integers(0, 4)) == 0
    drawn = [draw(nodes(name, names if is_cyclic else names[:place])) for place, name in enumerate(names)]
    if draw(st.booleans()):
        drawn = draw(st.permutations(drawn))
    head = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "outputs": st.lists(st.sampled_from([*names, "nobody"]), max_size=2),
                "defaults": st.sampled_from([{"pool": "p"}, {"pool": "zz"}, {"retries": 1}]),
            },
        )
    )
    return {"taskrunner": 1, "nodes": drawn, "params": {"n": [7]}, "pools": {"p": 1, "q": 2}, **head}


def shape(template):
    """Write a template as plain tuples, which compare: types count, 1 is not True."""
    if type(template) is Ref:
        return ("ref", template.node, template.path)
    if type(template) is Item:
        return ("item", template.path)
    if type(template) is DictOf:
        return ("dict", template.keys, tuple(map(shape, template.parts)))
    if isinstance(template, ListOf):
        return ("tuple" if type(template) is TupleOf else "list", *map(shape, template.parts))
    return (type(template).__name__, template)


def called_with(vertex, vertices):
    """Return what a vertex's function is called with: a result has its place in a flat call."""
    args = [shape(part) for part in vertex.args]
    if vertex.input_positions is not None:
        for index, slot in zip(vertex.data_predecessors, vertex.input_positions, strict=True):
            assert vertex.args[slot] is None
            args[slot] = ("ref", vertices[index].id, ())
    return args


def linked(make):
    """Return all that is known of a linked graph, or its problems."""
    try:
        dag = make()
    except GraphError as error:
        return [(problem.path, problem.message, problem.hint) for problem in error.problems]
    facts = [
        {
            "predecessors": v.predecessors,
            "data_predecessors": v.data_predecessors,
            "input_positions": v.input_positions,
            "call": v.call,
            "pools": v.pools,
            "args": called_with(v, dag.vertices),
            "templates": [(shape(template), place) for template, place in v.template_locations()],
            "options": None if v.options is DEFAULT_OPTIONS else v.options,
        }
        for v in dag.vertices
    ]
    names = [vertex.id for vertex in dag.vertices]
    slots = [list(slots) for slots in dag.input_positions]
    return names, facts, list(dag.order), dag.outputs, dict(dag.index), dag.successors, slots, dag.depths(), dag.edges


A, B = {"id": "a", "call": "m:f"}, {"id": "b", "call": "m:f"}
REF_A, REF_B = {"$ref": "a"}, {"$ref": "b"}


def file_of(*nodes):
    return {"taskrunner": 1, "nodes": list(nodes)}


@FUZZ
@given(files())
@example(file_of(A, B, {"id": "c", "call": "m:f", "args": [REF_B, 1, None, REF_A]}))
@example(file_of(A, {"id": "c", "call": "m:f", "args": [REF_A, REF_A]}))
@example(file_of(A, {"id": "c", "call": "m:f", "args": [REF_A, REF_B]}, B))
@example(file_of(A, {"id": "c", "call": "m:f", "args": [REF_A, {"$ref": "c"}]}))
@example(file_of(A, A, {"id": "a", "call": "m:f", "args": [REF_A]}))
@example(file_of(A, {"id": "c", "call": "bad"}, {"id": "d", "call": "bad", "args": [REF_A]}))
@example(file_of(A, {"id": "m", "call": "m:f", "map": [1]}, {"id": "m[0]", "call": "m:f", "args": [REF_A]}))
@example({**file_of(A, {**B, "args": [REF_A]}), "pools": {"p": 1}, "defaults": {"pool": "p"}})
def test_nodes_linked_one_by_one_are_linked_as_all_at_once(file):
    data = json.dumps(file).encode()
    assert linked(Graph.decode(data, "json").link) == linked(lambda: link(decode(data, "json")))


@pytest.mark.slow
def test_each_way_is_taken_by_some_drawn_graphs():
    """What the test above compares is not the same thing twice, nor nothing but problems."""
    seen = {"flat": 0, "linked": 0, "problems": 0}

    @FUZZ
    @given(files())
    def look(file):
        data = json.dumps(file).encode()
        graph = Graph.decode(data, "json")
        seen["flat"] += sum(type(node) is FlatNode and bool(node.args) for node in graph._nodes.iterate_flat())
        seen["linked" if isinstance(linked(graph.link), tuple) else "problems"] += 1

    look()
    assert min(seen.values()) > 30, seen


def test_of_flat_nodes_behind_what_they_need_only_the_first_of_each_call_is_looked_at_twice(monkeypatch):
    whole, looked_at = FlatNode.to_node, []
    monkeypatch.setattr(FlatNode, "to_node", lambda node: looked_at.append(node.id) or whole(node))
    calls = [("a", "m:f"), ("b", "m:f"), ("c", "m:g"), ("d", "m:f"), ("e", "m:g")]
    drawn = [
        {"id": name, "call": call, "args": [0, *({"$ref": other} for other, _ in calls[:place])]}
        for place, (name, call) in enumerate(calls)
    ]
    Graph.decode(json.dumps(file_of(*drawn)).encode(), "json").link()
    assert looked_at == ["a", "c"]


@pytest.mark.parametrize(
    ("args", "used", "slots", "kept"),
    [
        ([], (), (), ()),
        ([1, None], (), (), (1, None)),
        ([REF_A], (0,), (0,), (None,)),
        ([REF_B, REF_A], (1, 0), (0, 1), (None, None)),
        ([None, REF_B, "x", REF_A], (1, 0), (1, 3), (None, None, "x", None)),
    ],
)
@pytest.mark.parametrize("place", [2, 0], ids=["behind", "before"])
def test_a_flat_call_keeps_a_place_free_for_each_result(args, used, slots, kept, place):
    drawn = [A, B]
    drawn.insert(place, {"id": "c", "call": "m:f", "args": args})
    dag = Graph.decode(json.dumps(file_of(*drawn)).encode(), "json").link()
    vertex, names = dag.vertices[place], "ab"
    assert [dag.vertices[i].id for i in vertex.data_predecessors] == [names[i] for i in used]
    assert (vertex.predecessors, vertex.input_positions, vertex.args) == (vertex.data_predecessors, slots, kept)
    for number, slot in zip(vertex.data_predecessors, slots, strict=True):
        assert (dag.successors[number], dag.input_positions[number]) == ([place], (slot,))


@pytest.mark.parametrize(
    "fields",
    [
        {"args": [REF_A, REF_A]},
        {"args": [{"$ref": "a", "path": [0]}]},
        {"args": [[1]]},
        {"args": [REF_A, {}]},
        {"kwargs": {"k": 1}},
        {"when": True},
        {"always": True},
        {"map": [1]},
        {"map": REF_A},
    ],
    ids=str,
)
def test_a_call_that_is_not_flat_has_no_places_for_results(fields):
    dag = Graph.decode(json.dumps(file_of(A, {"id": "c", "call": "m:f", **fields})).encode(), "json").link()
    assert dag.vertices[1].input_positions is None


def test_what_a_node_needs_beside_its_references_stands_behind_them():
    drawn = [A, B, {"id": "c", "call": "m:f"}, {"id": "d", "call": "m:f", "args": [REF_B], "needs": ["c", "b", "a"]}]
    vertex = link(decode(json.dumps(file_of(*drawn)).encode(), "json")).vertices[3]
    assert (vertex.predecessors, vertex.data_predecessors, vertex.input_positions) == ((1, 2, 0), (1,), (0,))


def test_nodes_that_say_nothing_special_share_their_options():
    drawn = [A, {**B, "needs": ["a"], "kwargs": {"k": REF_A}}, {"id": "c", "call": "m:f", "priority": 1}]
    dag = Graph.decode(json.dumps(file_of(*drawn)).encode(), "json").link()
    assert [vertex.options is DEFAULT_OPTIONS for vertex in dag.vertices] == [True, True, False]
    assert dag.vertices[2].options.priority == 1


@pytest.mark.parametrize("fields", [{"cache": True}, {"cache": True, "files": ["a"]}])
def test_a_cached_node_is_a_special_one(fields):
    drawn = [A, {**B, "args": [REF_A], **fields}]
    dag = Graph.decode(json.dumps(file_of(*drawn)).encode(), "json").link()
    assert [vertex.id for vertex in dag.special] == ["b"]
    assert dag.vertices[1].options.cache


# -- problems that one might lose ----------------------------------------------------------------------


def told(data):
    with pytest.raises(GraphError) as caught:
        link(decode(data, "json"))
    return [(problem.where, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize("more", [{}, {"call": "m:f", "run": "ls"}], ids=["neither", "both"])
def test_an_unknown_pool_is_told_also_of_a_node_that_has_not_exactly_one_of_call_and_run(more):
    data = json.dumps(file_of({"id": "x", "pool": "zz", **more})).encode()
    assert ("nodes[0].pool", 'unknown pool "zz"') in told(data)


def test_unknown_needs_are_told_also_of_a_node_that_is_nested_too_deeply():
    deep = "[" * 1500 + "]" * 1500
    data = f'{{"taskrunner": 1, "nodes": [{{"id": "x", "call": "m:f", "needs": ["zz"], "args": [{deep}]}}]}}'.encode()
    assert told(data) == [
        ("nodes[0]", 'node "x" is nested too deeply'),
        ("nodes[0].needs[0]", 'unknown node "zz"'),
    ]
