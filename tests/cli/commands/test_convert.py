"""``taskrunner convert``: between encodings, and from recorded workflows."""

import json
import tomllib

import msgspec
import pytest

GRAPH = {
    "taskrunner": 1,
    "name": "sum",
    "params": {"n": 2},
    "outputs": ["total"],
    "nodes": [
        {"id": "one", "call": "functions:give", "args": [{"$param": "n"}]},
        {"id": "total", "call": "functions:add", "args": [{"$ref": "one"}, 40]},
    ],
}
RECORDED = {
    "name": "recorded",
    "description": "Two and two.",
    "schemaVersion": "1.5",
    "author": {"name": "nobody"},
    "workflow": {
        "specification": {
            "tasks": [
                {"name": "split", "id": "split_1", "parents": [], "children": ["work_1", "work_2"], "inputFiles": []},
                {"name": "work", "id": "work_1", "parents": ["split_1"], "children": []},
                {"name": "work", "id": "work_2", "parents": ["split_1"]},
                {"name": "join", "id": "join_1", "parents": ["work_1", "work_2"], "children": []},
            ],
            "files": [],
        },
        "execution": {
            "makespanInSeconds": 10,
            "executedAt": "2026-01-01T00:00:00Z",
            "tasks": [
                {"id": "split_1", "runtimeInSeconds": 1.5, "coreCount": 1},
                {"id": "work_1", "runtimeInSeconds": 4},
                {"id": "work_2", "runtimeInSeconds": 3.25},
                {"id": "join_1", "runtimeInSeconds": 0.5},
            ],
        },
    },
}


@pytest.mark.parametrize("middle", ["json", "msgpack", "toml"])
def test_a_round_trip_keeps_the_graph(cli, inside, middle):
    cli.write("graph.json", json.dumps(GRAPH))
    first = inside("convert", "graph.json", f"middle.{middle}")
    second = inside("convert", f"middle.{middle}", "back.json")
    assert [(told.code, told.out, told.err) for told in (first, second)] == [(0, "", "")] * 2
    assert json.loads((cli.folder / "back.json").read_bytes()) == GRAPH


@pytest.mark.parametrize(("encoding", "decode"), [("msgpack", msgspec.msgpack.decode), ("json", json.loads)])
def test_it_goes_to_standard_output(cli, encoding, decode):
    cli.write("graph.json", json.dumps(GRAPH))
    told = cli("convert", "graph.json", "-", "--to", encoding)
    assert told.code == 0
    assert decode(told.raw) == GRAPH


def test_it_comes_from_standard_input(cli):
    told = cli("convert", "-", "graph.toml", "--from", "msgpack", stdin=msgspec.msgpack.encode(GRAPH))
    assert told.code == 0
    assert tomllib.loads((cli.folder / "graph.toml").read_text()) == GRAPH


@pytest.mark.parametrize("encoding", ["json", "msgpack", "toml"])
def test_every_encoding_runs(cli, encoding):
    cli.write("graph.json", json.dumps(GRAPH))
    cli("convert", "graph.json", f"other.{encoding}")
    assert cli("exec", f"other.{encoding}").json == {"total": 42}


def test_toml_has_no_null(cli, inside):
    told = inside("convert", cli.graph(params={"n": None}), "graph.toml")
    assert told.code == 1
    assert told.err.startswith("taskrunner: TOML cannot express this graph")
    assert not (cli.folder / "graph.toml").exists()


def test_a_recorded_workflow_becomes_a_graph(cli, inside):
    cli.write("recorded.json", json.dumps(RECORDED))
    assert inside("convert", "recorded.json", "graph.json", "--scale", "0.002").code == 0
    graph = json.loads((cli.folder / "graph.json").read_bytes())
    assert graph["name"] == "recorded"
    assert [(node["id"], node["args"], node.get("needs", [])) for node in graph["nodes"]] == [
        ("split_1", [0.003], []),
        ("work_1", [0.008], ["split_1"]),
        ("work_2", [0.0065], ["split_1"]),
        ("join_1", [0.001], ["work_1", "work_2"]),
    ]


def test_a_recorded_workflow_runs(cli):
    cli.write("recorded.json", json.dumps(RECORDED))
    cli("convert", "recorded.json", "graph.json", "--scale", "0.002")
    told = cli("exec", "graph.json", "--json")
    assert told.code == 0
    assert told.json["outputs"] == {"join_1": 0.001}
    assert told.json["done"] == 4
    assert told.json["critical_path"][::2] == ["split_1", "join_1"]


@pytest.mark.parametrize(
    "change", [{"schemaVersion": "1.4"}, {"workflow": {}}, {"workflow": {"specification": {"tasks": 1}}}], ids=str
)
def test_another_workflow_format_is_refused(cli, inside, change):
    cli.write("recorded.json", json.dumps({**RECORDED, **change}))
    told = inside("convert", "recorded.json", "graph.json")
    assert (told.code, told.out) == (3, "")
    assert "recorded.json: " in told.err


def test_a_graph_built_in_python_is_written_down(cli):
    cli.write(
        "built.py",
        """
        import functions, taskrunner
        graph = taskrunner.Graph("built")
        total = graph.call(functions.add, graph.call(functions.give, 2), 40, id="total")
        """,
    )
    assert cli("convert", "built:graph", "built.json").code == 0
    assert cli("exec", "built.json").json == {"total": 42}


@pytest.mark.parametrize(
    "call",
    [
        "call(lambda: 1)",
        "call(functions.give, object())",
        "call(functions.give, {(1, 2): 3})",
        "call('text'.upper)",
        "call(Counter([1]).total)",
    ],
)
def test_a_graph_that_no_file_can_express_is_refused_in_words(cli, inside, call):
    head = "import functions, taskrunner\nfrom collections import Counter\ngraph = taskrunner.Graph()"
    cli.write("built.py", f"{head}\ngraph.{call}")
    told = inside("convert", "built:graph", "built.json")  # what it does not tell in words it raises
    assert told.code in (1, 2)
    assert not (cli.folder / "built.json").exists()
