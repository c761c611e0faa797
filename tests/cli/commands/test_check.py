"""``taskrunner check``: everything that can be known without running."""

import pytest


def test_a_good_graph_is_counted(cli):
    graph = cli.graph(
        {"id": "a", "call": "functions:give"},
        {"id": "b", "call": "functions:give", "args": [{"$ref": "a"}]},
        {"id": "c", "call": "functions:add", "args": [{"$ref": "a"}, {"$ref": "b"}]},
    )
    told = cli("check", graph)
    assert (told.code, told.out, told.err) == (0, "graph.json: ok, 3 nodes, 3 edges, 3 levels\n", "")


def test_nothing_is_run(cli):
    graph = cli.graph({"id": "a", "call": "functions:touch", "args": ["ran"]}, {"id": "b", "run": "touch ran"})
    assert cli("check", graph).code == 0
    assert sorted(path.name for path in cli.folder.iterdir() if path.name != "__pycache__") == ["functions.py", graph]


@pytest.mark.parametrize("name", ["counter", "fib", "ingest", "offload", "stdlib", "tour"])
def test_the_workloads_are_good(inside, workloads, name):
    assert inside("check", workloads / f"{name}.json").code == 0


def test_a_cycle_is_told_as_a_whole_path(cli, inside):
    nodes = [{"id": one, "run": "true", "needs": [other]} for one, other in ("ab", "bc", "ca")]
    told = inside("check", cli.graph(*nodes))
    assert told.code == 3
    assert "dependency cycle: a -> b -> c -> a" in told.err


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"call": "functions:giv"}, 'did you mean "give"?'),
        ({"call": "function:give"}, 'did you mean "functions"?'),
        ({"call": "functions:give", "args": [1, 2]}, "does not accept its arguments: too many positional arguments"),
        ({"call": "functions:give", "kwargs": {"valu": 1}}, "does not accept its arguments"),
        ({"call": "functions:add", "args": [1]}, "missing a required argument: 'b'"),
        ({"call": "functions.give"}, "is not of the form package.module:name"),
        ({"call": "functions:os"}, '"functions:os" is not callable'),
        ({"call": "functions:give", "args": [{"$item": True}]}, "$item outside a node with map"),
        ({"call": "functions:give", "args": [{"$param": "n"}]}, 'unknown parameter "n"'),
        ({"call": "functions:give", "pool": "disk"}, 'unknown pool "disk"'),
        ({"call": "functions:give", "cwd": "."}, "cwd has no meaning with call"),
        ({"call": "broken:f"}, 'importing "broken" failed: ZeroDivisionError: division by zero'),
        ({"call": "leaving:f"}, 'importing "leaving" failed: SystemExit: 7'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_node_is_told_with_its_place(cli, inside, node, message):
    cli.write("broken.py", "1 / 0")
    cli.write("leaving.py", "raise SystemExit(7)")
    told = inside("check", cli.graph({"id": "a", **node}))
    assert (told.code, told.out) == (3, "")
    assert "graph.json:1:" in told.err
    assert "nodes[0]" in told.err
    assert message in told.err


def test_a_parameter_without_a_value_is_no_problem(cli, inside):
    graph = cli.graph({"id": "a", "call": "functions:give", "args": [{"$param": "n"}]}, params={"n": None})
    assert inside("check", graph).code == 0


@pytest.mark.parametrize(
    "node",
    [
        {"call": "functions:give", "map": {"$param": "n"}, "args": [{"$item": True}]},
        {"run": ["echo", {"$param": "n"}]},
        {"call": "functions:give", "args": [{"$param": "n", "path": ["part"]}]},
    ],
    ids=["map", "run", "path"],
)
def test_a_parameter_without_a_value_may_stand_anywhere(cli, inside, node):
    told = inside("check", cli.graph({"id": "a", **node}, params={"n": None}))
    assert (told.code, told.err) == (0, "")


def test_set_values_are_checked(cli, inside):
    graph = cli.graph({"id": "a", "call": "functions:give", "args": [{"$param": "n"}]}, params={"n": 1})
    assert inside("check", graph, "--set", "n=2").code == 0
    told = inside("check", graph, "--set", "n=two")
    assert (told.code, told.err) == (2, "taskrunner: parameter \"n\" takes int, as its default 1, not str 'two'\n")
