import msgspec
import pytest

import taskrunner
from taskrunner.errors import GraphError
from taskrunner.graph.graph import Graph
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.nodes.permissions import Permissions

NODES = [
    {"id": "a", "call": "math:sqrt", "args": [1]},
    {"id": "b", "run": "true"},
    {"id": "c", "call": "os.path:join", "args": ["x"]},
    {"id": "d", "call": "math:floor", "args": [1]},
]
DAG = link(msgspec.convert({"taskrunner": 1, "nodes": NODES}, GraphFile))


def refused(allow=(), local_functions=(), *, commands=True):
    try:
        Permissions(tuple(allow), commands).check(DAG, dict.fromkeys(local_functions))
    except GraphError as error:
        return [(problem.where, problem.message, problem.hint) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "allow",
    [
        (),
        ("*",),
        ("math:*", "os.path:join"),
        ("math:sqrt", "math:floor", "os.*"),
        ("*:sqrt", "*:[fj]*"),
        ("????:*", "o*"),
    ],
)
def test_what_matches_a_pattern_is_allowed(allow):
    assert refused(allow) == []


@pytest.mark.parametrize(
    ("allow", "nodes"),
    [
        (("math:*",), [2]),
        (("math:sqrt",), [2, 3]),
        (("math",), [0, 2, 3]),
        (("MATH:*",), [0, 2, 3]),
        (("os:*",), [0, 2, 3]),
        (("",), [0, 2, 3]),
    ],
)
def test_what_matches_none_is_told_with_its_place(allow, nodes):
    calls = [NODES[number]["call"] for number in nodes]
    hint = f"allowed: {', '.join(allow)}"
    assert refused(allow) == [
        (f"nodes[{number}].call", f'"{name}" is not allowed', hint) for number, name in zip(nodes, calls, strict=True)
    ]


def test_commands_are_refused_each():
    assert refused(commands=False) == [("nodes[1].run", "commands are not allowed", "")]
    assert [where for where, *_ in refused(["math:*"], commands=False)] == ["nodes[1].run", "nodes[2].call"]


def test_the_program_s_own_functions_are_allowed():
    assert refused(["math:*"], local_functions=["c"]) == []


def test_of_many_patterns_a_few_are_told():
    ((_, _, hint), *_) = refused([f"m{number}:*" for number in range(9)])
    assert hint == "allowed: m0:*, m1:*, m2:*, m3:*, m4:*, …"


# -- from Python ---------------------------------------------------------------------------------------


def calling(name, *args):
    file = {"taskrunner": 1, "nodes": [{"id": "a", "call": name, "args": args}]}
    return Graph.decode(msgspec.json.encode(file), "json")


def test_a_call_of_a_file_that_is_not_allowed_is_refused_before_it_is_imported():
    with pytest.raises(GraphError, match=r'nodes\[0\]\.call: "no\.such\.module:f" is not allowed; allowed: math:\*'):
        taskrunner.run(calling("no.such.module:f"), allow=["math:*"])


@pytest.mark.parametrize("allow", [(), ["math:*"], "math:*", ("x:*", "*")])
def test_a_call_of_a_file_that_is_allowed_is_run(allow):
    assert taskrunner.run(calling("math:sqrt", 4), allow=allow)["a"] == 2


def test_own_functions_are_always_allowed_and_commands_are_not():
    graph = Graph("g")
    total = graph.call(lambda: 3)
    assert taskrunner.run(graph, allow=["math:*"], commands=False)[total] == 3
    graph.run("true")
    with pytest.raises(GraphError, match="commands are not allowed"):
        taskrunner.run(graph, commands=False)
