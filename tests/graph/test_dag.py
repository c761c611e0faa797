import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskrunner.errors import GraphError, UsageError
from taskrunner.graph.codec import decode
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile

FUZZ = settings(max_examples=60, deadline=None, derandomize=True)


def file_of(*nodes, **fields):
    return msgspec.convert({"taskrunner": 1, "nodes": nodes, **fields}, GraphFile)


def node(id, *needs, **fields):  # noqa: A002  the field's own name
    return {"id": id, "call": "m:f", "needs": needs, **fields}


def problems(*nodes, **fields):
    with pytest.raises(GraphError) as caught:
        link(file_of(*nodes, **fields))
    return [(p.where, p.message, p.hint) for p in caught.value.problems]


def ids(vertices):
    return [vertex.id for vertex in vertices]


DIAMOND = (node("d", "b", "c"), node("b", "a"), node("c", "a"), node("a"), node("alone"))


# -- linking -------------------------------------------------------------------------------------------


def test_empty_graph_links():
    dag = link(file_of())
    assert (list(dag.vertices), list(dag.order), dag.outputs, dag.levels()) == ([], [], (), [])
    assert dag.critical_path([]) == (0.0, [])


def test_order_puts_each_node_behind_what_it_needs():
    dag = link(file_of(*DIAMOND))
    assert ids(dag.vertices[i] for i in dag.order) == ["a", "alone", "b", "c", "d"]


def test_vertices_know_their_neighbours_by_index():
    dag = link(file_of(*DIAMOND))
    assert [(v.predecessors, after) for v, after in zip(dag.vertices, dag.successors, strict=True)] == [
        ((1, 2), []),
        ((3,), [0]),
        ((3,), [0]),
        ((), [1, 2]),
        ((), []),
    ]


def test_reference_is_a_dependency_wherever_it_stands():
    ref = {"$ref": "a"}
    users = (
        node("args", args=[1, [ref]]),
        node("kwargs", kwargs={"k": {"x": ref}}),
        node("map", map=ref),
        node("when", when=ref),
        {"id": "stdin", "run": "cat", "stdin": ref},
        {"id": "env", "run": "env", "env": {"A": ref}},
        {"id": "run", "run": ["echo", ref]},
    )
    dag = link(file_of(node("a"), *users))
    assert [(v.predecessors, v.data_predecessors) for v in dag.vertices[1:]] == [((0,), (0,))] * len(users)


def test_need_is_no_use_of_the_result():
    dag = link(file_of(node("a"), node("b"), node("c", "a", "a", args=[{"$ref": "b"}, {"$ref": "b"}])))
    assert (dag.vertices[2].predecessors, dag.vertices[2].data_predecessors) == ((1, 0), (1,))


def test_outputs_are_the_sinks_unless_they_are_named():
    assert link(file_of(*DIAMOND)).outputs == (0, 4)
    assert link(file_of(*DIAMOND, outputs=["c", "a"])).outputs == (2, 3)
    assert link(file_of(*DIAMOND, outputs=[])).outputs == ()


def test_pools_come_from_the_node_or_else_from_the_defaults():
    nodes = (node("a"), node("b", pool="x"), node("c", pool=["x", "y"]), node("d", pool=[]))
    dag = link(file_of(*nodes, pools={"x": 1, "y": 2, "z": 3}, defaults={"pool": "z"}))
    assert [v.pools for v in dag.vertices] == [("z",), ("x",), ("x", "y"), ()]


def test_parameters_take_the_place_of_their_defaults():
    file = file_of(node("a", args=[{"$param": "n"}]), params={"n": 1})
    assert link(file).vertices[0].args == (1,)
    assert link(file, {"n": 2}).vertices[0].args == (2,)


# -- problems ------------------------------------------------------------------------------------------


def test_doubled_ids_are_told_each():
    assert problems(node("a"), node("b"), node("a"), node("a")) == [
        ("nodes[2].id", 'duplicate id "a", first used by nodes[0]', ""),
        ("nodes[3].id", 'duplicate id "a", first used by nodes[0]', ""),
    ]


def test_id_of_a_mapped_nodes_child_is_taken():
    assert problems(node("a[0]"), node("a", map=[1])) == [
        ("nodes[0].id", '"a[0]" is the name of a child of nodes[1]', ""),
    ]


def test_brackets_in_an_id_are_free_where_nothing_is_mapped():
    dag = link(file_of(node("a"), node("a[0]"), node("b[1]"), node("c", map=[1]), node("c[x]"), node("c[0]d")))
    assert len(dag.vertices) == 6


@pytest.mark.parametrize(
    ("nodes", "where", "path"),
    [
        ([node("a", "a")], "nodes[0]", "a -> a"),
        ([node("a", args=[{"$ref": "a"}])], "nodes[0]", "a -> a"),
        ([node("a", "b"), node("b", "c"), node("c", "a")], "nodes[0]", "a -> b -> c -> a"),
        ([node("a", "b"), node("b", args=[{"$ref": "c"}]), node("c", when={"$ref": "b"})], "nodes[1]", "b -> c -> b"),
        ([node("ok"), node("a", "ok", "b"), node("b", "a"), node("z", "b")], "nodes[1]", "a -> b -> a"),
    ],
)
def test_cycle_is_told_with_its_whole_path(nodes, where, path):
    assert problems(*nodes) == [(where, f"dependency cycle: {path}", "")]


def test_cycles_apart_from_each_other_are_told_together():
    assert problems(node("a", "b"), node("b", "a"), node("c", "c"), node("d", "c")) == [
        ("nodes[0]", "dependency cycle: a -> b -> a", ""),
        ("nodes[2]", "dependency cycle: c -> c", ""),
    ]


@pytest.mark.parametrize(
    ("fields", "where", "message", "hint"),
    [
        ({"needs": ["first", "frist"]}, "nodes[1].needs[1]", 'unknown node "frist"', 'did you mean "first"?'),
        ({"needs": ["zzz"]}, "nodes[1].needs[0]", 'unknown node "zzz"', ""),
        (
            {"args": [0, {"k": {"$ref": "fist"}}]},
            "nodes[1].args[1].k.$ref",
            'unknown node "fist"',
            'did you mean "first"?',
        ),
        ({"when": {"$ref": "fist"}}, "nodes[1].when.$ref", 'unknown node "fist"', 'did you mean "first"?'),
        ({"map": {"$ref": "fist"}}, "nodes[1].map.$ref", 'unknown node "fist"', 'did you mean "first"?'),
        (
            {"kwargs": {"k": {"$param": "cuont"}}},
            "nodes[1].kwargs.k.$param",
            'unknown parameter "cuont"',
            'did you mean "count"?',
        ),
        ({"pool": "dsik"}, "nodes[1].pool", 'unknown pool "dsik"', 'did you mean "disk"?'),
        ({"pool": ["disk", "zzz"]}, "nodes[1].pool", 'unknown pool "zzz"', ""),
        ({"args": [{"$item": True}]}, "nodes[1].args[0]", "$item outside a node with map", ""),
        ({"map": [1], "when": {"$item": True}}, "nodes[1].when", "$item outside a node with map", ""),
        ({"map": "abc"}, "nodes[1].map", "map takes a list, or a reference that yields one", ""),
        ({"map": None}, "nodes[1].map", "map takes a list, or a reference that yields one", ""),
        (
            {"map": {"$param": "count"}},
            "nodes[1].map",
            "map takes a list, or a reference that yields one",
            "",
        ),
        ({"map": {"$param": "zzz"}}, "nodes[1].map.$param", 'unknown parameter "zzz"', ""),
        ({"run": "ls"}, "nodes[1]", 'node "x" needs exactly one of call and run, it has both', ""),
        ({"env": {"A": 1}}, "nodes[1].env", "env has no meaning with call", ""),
        ({"cwd": "/"}, "nodes[1].cwd", "cwd has no meaning with call", ""),
        ({"stdin": None}, "nodes[1].stdin", "stdin has no meaning with call", ""),
        ({"capture": "json"}, "nodes[1].capture", "capture has no meaning with call", ""),
        ({"call": "f"}, "nodes[1].call", '"f" is not of the form package.module:name', ""),
        ({"call": "m:"}, "nodes[1].call", '"m:" is not of the form package.module:name', ""),
        ({"call": "m.:f"}, "nodes[1].call", '"m.:f" is not of the form package.module:name', ""),
        ({"call": "m:f()"}, "nodes[1].call", '"m:f()" is not of the form package.module:name', ""),
        ({"call": "1m:f"}, "nodes[1].call", '"1m:f" is not of the form package.module:name', ""),
    ],
)
def test_problem_of_a_calling_node_is_told(fields, where, message, hint):
    found = problems(node("first"), {"id": "x", "call": "m:f", **fields}, pools={"disk": 1}, params={"count": 3})
    assert found == [(where, message, hint)]


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({}, "nodes[0]", 'node "x" needs exactly one of call and run, it has neither'),
        ({"run": "ls", "args": [1]}, "nodes[0].args", "args has no meaning with run"),
        ({"run": "ls", "kwargs": {"k": 1}}, "nodes[0].kwargs", "kwargs has no meaning with run"),
        ({"run": []}, "nodes[0].run", "an empty command"),
        (
            {"run": ["a", ["b"]]},
            "nodes[0].run[1]",
            "an argument of a command is a string, a number or a reference",
        ),
        (
            {"run": ["a", None]},
            "nodes[0].run[1]",
            "an argument of a command is a string, a number or a reference",
        ),
        (
            {"run": ["a", True]},
            "nodes[0].run[1]",
            "an argument of a command is a string, a number or a reference",
        ),
        ({"run": ["a", {"$param": "n"}]}, "nodes[0].run[1].$param", 'unknown parameter "n"'),
        ({"run": "cat", "stdin": {"$ref": "y"}}, "nodes[0].stdin.$ref", 'unknown node "y"'),
        ({"run": "env", "env": {"A": {"$ref": "y"}}}, "nodes[0].env.A.$ref", 'unknown node "y"'),
    ],
)
def test_problem_of_a_command_node_is_told(fields, where, message):
    assert problems({"id": "x", **fields}) == [(where, message, "")]


def test_unknown_output_is_told():
    assert problems(node("alpha"), outputs=["alpha", "alhpa", "zzz"]) == [
        ("outputs[1]", 'unknown node "alhpa"', 'did you mean "alpha"?'),
        ("outputs[2]", 'unknown node "zzz"', ""),
    ]


def test_unknown_pool_of_the_defaults_is_told_once():
    assert problems(node("a"), node("b"), node("c", pool="disk"), pools={"disk": 1}, defaults={"pool": "disc"}) == [
        ("defaults.pool", 'unknown pool "disc"', 'did you mean "disk"?'),
    ]


def test_independent_problems_are_told_together_in_order():
    found = problems(
        node("a", "zzz"),
        {"id": "b"},
        node("a"),
        node("c", "d", args=[1, {"$param": "n"}]),
        node("d", "c"),
        *[node(f"n{i}") for i in range(5)],
        node("late", pool="p"),
        outputs=["nowhere"],
    )
    assert [(where, message) for where, message, _ in found] == [
        ("nodes[0].needs[0]", 'unknown node "zzz"'),
        ("nodes[1]", 'node "b" needs exactly one of call and run, it has neither'),
        ("nodes[2].id", 'duplicate id "a", first used by nodes[0]'),
        ("nodes[3]", "dependency cycle: c -> d -> c"),
        ("nodes[3].args[1].$param", 'unknown parameter "n"'),
        ("nodes[10].pool", 'unknown pool "p"'),
        ("outputs[0]", 'unknown node "nowhere"'),
    ]


def test_problems_under_keys_of_several_types_are_told():
    found = problems(node("a", args=[{None: {"$x": 1}, "b": {"$y": 2}, 3: {"$z": 3}}]))
    assert sorted(message for _, message, _ in found) == [f'not a reference: unexpected "${x}"' for x in "xyz"]


@pytest.mark.parametrize("depth", [1_500, 5_000])
@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (b'"nodes": [{"id": "a", "call": "m:f", "args": [', b"]}]}"),
        (b'"nodes": [{"id": "a", "call": "m:f", "args": [{"$literal": ', b"}]}]}"),
        (b'"nodes": [{"id": "a", "call": "m:f", "args": [{"$param": "p"}]}], "params": {"p": ', b"}}"),
    ],
    ids=["args", "literal", "param"],
)
def test_nesting_that_decodes_links_or_is_refused(head, tail, depth):
    file = decode(b'{"taskrunner": 1, ' + head + b"[" * depth + b"]" * depth + tail, "json")
    try:
        problems = () if link(file).vertices else None
    except GraphError as error:
        problems = error.problems
    except RecursionError:  # not shown: pytest would spend minutes on its traceback
        problems = None
    assert problems is not None, "neither linked nor refused"
    assert all("nested too deeply" in problem.message for problem in problems)


# -- reading -------------------------------------------------------------------------------------------


def test_closure_is_the_targets_and_all_that_they_need():
    dag = link(file_of(*DIAMOND))
    assert dag.closure(["b"]) == {1, 3}
    assert dag.closure(["d", "alone"]) == {0, 1, 2, 3, 4}
    assert dag.closure([]) == set()


def test_unknown_target_is_refused():
    dag = link(file_of(node("alpha")))
    with pytest.raises(UsageError) as caught:
        dag.closure(["alpha", "alhpa"])
    assert str(caught.value) == 'no node "alhpa" in the graph; did you mean "alpha"?'
    with pytest.raises(UsageError, match=r'^no node "zzz" in the graph$'):
        dag.closure(["zzz"])


def test_levels_are_depths():
    dag = link(file_of(*DIAMOND, node("late", "d", "a")))
    assert [ids(level) for level in dag.levels()] == [["a", "alone"], ["b", "c"], ["d"], ["late"]]


def test_critical_path_is_the_heaviest_chain():
    dag = link(file_of(*DIAMOND))
    seconds = {"a": 1.0, "b": 2.0, "c": 5.0, "d": 0.5, "alone": 6.0}
    length, path = dag.critical_path([seconds[vertex.id] for vertex in dag.vertices])
    assert (length, ids(path)) == (6.5, ["a", "c", "d"])
    length, path = dag.critical_path([7.0 if vertex.id == "alone" else 1.0 for vertex in dag.vertices])
    assert (length, ids(path)) == (7.0, ["alone"])


EDGES = st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30)


@FUZZ
@given(EDGES, st.permutations(range(12)))
def test_acyclic_graph_is_ordered_and_levelled(edges, names):
    down = {(high, low) for high, low in edges if high > low}
    nodes = [node(str(i), *(str(low) for high, low in sorted(down) if high == i)) for i in names]
    dag = link(file_of(*nodes))
    position = {int(dag.vertices[index].id): place for place, index in enumerate(dag.order)}
    depth = {int(v.id): level for level, vertices in enumerate(dag.levels()) for v in vertices}
    assert sorted(position) == sorted(depth) == list(range(12))
    assert all(position[low] < position[high] and depth[low] < depth[high] for high, low in down)
    assert dag.depths() == [depth[int(vertex.id)] for vertex in dag.vertices]
    assert dag.critical_path([1.0] * 12)[0] == 1 + max(depth.values())


@FUZZ
@given(EDGES, st.integers(1, 6), st.permutations(range(12)))
def test_told_cycle_is_one(edges, length, names):
    edges |= {(i, (i + 1) % length) for i in range(length)}
    nodes = [node(str(i), *(str(low) for high, low in sorted(edges) if high == i)) for i in names]
    for where, message, _ in problems(*nodes):
        path = [int(name) for name in message.removeprefix("dependency cycle: ").split(" -> ")]
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert edges >= set(itertools.pairwise(path))
        assert where == f"nodes[{names.index(path[0])}]"
