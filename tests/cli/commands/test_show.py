"""``taskrunner show``: a small graph in every form, what became of it in a run, and parts of big ones."""

import json
import os
import pty
import shutil
import stat
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest

from taskrunner.cli import graphviz
from taskrunner.cli.commands.show import MAX_NODES, show

TEXT = """\
level 0
  load  functions:give
level 1
  double  functions:add [map]  <- load
  say "hi"  $ echo {"$ref":"load"}  <- load
level 2
  tidy  $ true [when, always]  <- double, say "hi"
outputs: tidy
"""
DOT = r"""digraph "small" {
  rankdir=LR;
  node [shape=box];
  "load" [label="load", tooltip="functions:give"];
  "double" [label="double", tooltip="functions:add [map]", peripheries=2];
  "say \"hi\"" [label="say \"hi\"", tooltip="$ echo {\"$ref\":\"load\"}", style="rounded"];
  "tidy" [label="tidy", tooltip="$ true [when, always]", style="rounded"];
  "load" -> "double";
  "load" -> "say \"hi\"";
  "double" -> "tidy";
  "say \"hi\"" -> "tidy" [style=dashed];
}
"""
MERMAID = """\
flowchart LR
  n0["load"]
  n1[["double"]]
  n2("say #34;hi#34;")
  n3("tidy")
  n0 --> n1
  n0 --> n2
  n1 --> n3
  n2 -.-> n3
"""
AS_JSON = {
    "name": "small",
    "nodes": [
        {"id": "load", "label": "functions:give", "level": 0, "needs": []},
        {"id": "double", "label": "functions:add [map]", "level": 1, "needs": ["load"]},
        {"id": 'say "hi"', "label": '$ echo {"$ref":"load"}', "level": 1, "needs": ["load"]},
        {"id": "tidy", "label": "$ true [when, always]", "level": 2, "needs": ["double", 'say "hi"']},
    ],
    "outputs": ["tidy"],
}


@pytest.fixture
def small(cli):
    return cli.graph(
        {"id": "load", "call": "functions:give", "args": [[1, 2]]},
        {"id": "double", "call": "functions:add", "map": {"$ref": "load"}, "args": [{"$item": True}, {"$item": True}]},
        {"id": 'say "hi"', "run": ["echo", {"$ref": "load"}]},
        {"id": "tidy", "run": "true", "when": {"$ref": "double"}, "needs": ['say "hi"'], "always": True},
        name="small",
    )


@pytest.mark.parametrize(("form", "expected"), [("text", TEXT), ("dot", DOT), ("mermaid", MERMAID)])
def test_each_form(inside, small, form, expected):
    told = inside("show", small, "--format", form)
    assert (told.code, told.err) == (0, "")
    assert told.out == expected


def test_text_is_the_default(cli, small):
    assert cli("show", small).out == TEXT


def test_json(inside, small):
    assert inside("show", small, "--format", "json").json == AS_JSON


def test_it_goes_to_a_file(cli, inside, small):
    told = inside("show", small, "-o", "small.txt")
    assert (told.code, told.out) == (0, "")
    assert (cli.folder / "small.txt").read_text() == TEXT


def test_callables_need_not_exist(cli, inside):
    assert inside("show", cli.graph({"id": "a", "call": "nowhere:f"})).code == 0


def test_an_empty_graph(cli, inside):
    told = inside("show", cli.graph())
    assert (told.code, told.out) == (0, "outputs: \n")


@pytest.mark.parametrize("size", [1, 2000])
def test_a_reader_that_has_gone_is_no_error_to_shout_about(cli, size):
    cli.graph(*({"id": f"node-{number}", "run": "true"} for number in range(size)))
    process = cli.start("show", "graph.json")
    process.stdout.close()
    process.stdin.close()
    err = process.stderr.read().decode()
    assert process.wait(60) == 1
    assert err == ""


def test_every_option_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "observing.md").read_text()
    table = page[page.index("## The graph, and what became of it") :].partition("## As a page")[0]
    options = [param.opts[-1] for param in show.params if isinstance(param, click.Option)]
    assert [option for option in options if f"`{option}" not in table] == []
    assert f"more than {MAX_NODES}" in table
    assert f"{graphviz.MAX_NODES:,} nodes with {graphviz.MAX_EDGES:,} edges" in table


# -- with a run ------------------------------------------------------------------------------------

RUN_ID = "20260101-000000-abcdef0"
START = {
    "event": "run.start", "run": RUN_ID, "graph": "flow", "nodes": 5, "workers": 2, "python": "CPython 3.13",
    "free_threaded": True, "gil": False, "platform": "Linux", "at": 0.0,
}  # fmt: skip
NODES = [
    {"id": "load", "call": "functions:give"},
    {"id": "many", "call": "functions:add", "map": {"$ref": "load"}, "args": [{"$item": True}, 1]},
    {"id": "poll", "run": ["true"]},
    {"id": "off", "run": "true", "when": False},
    {"id": "end", "call": "functions:add", "args": [{"$ref": "many"}, {"$ref": "poll"}]},
]


def attempt(event, node, started, ran, **fields):
    texts = {} if event == "node.done" else {"error": "E", "traceback": "", "arguments": ""}
    common = {"worker": 0, "attempt": 1, "queued_s": 0.125, "stolen": False}
    return {"event": event, "node": node, "started_at": started, "ran_s": ran, **common, **texts, **fields}


DONE = [
    attempt("node.done", "load", 0.0, 0.5),
    attempt("node.retry", "poll", 0.0, 0.25, worker=-1, wait_s=0.5),
    attempt("node.done", "poll", 1.0, 0.25, worker=-1, attempt=2),
    {"event": "node.skipped", "node": "off", "reason": "when", "because": ""},
    attempt("node.done", "many[0]", 0.5, 1.0),
    attempt("node.done", "many[1]", 0.5, 2.0, worker=1),
]
END = [attempt("node.done", "many", 2.5, 0.0625), attempt("node.done", "end", 2.75, 0.25, cached=True)]
LAST = {
    "event": "run.done", "ok": True, "wall_s": 3.0, "done": 6, "failed": 0, "skipped": 1, "busy": [], "steals": 0,
    "critical_path_s": 0.0, "critical_path": [], "parallelism": 1.0, "gil": False, "peak_memory_bytes": 0,
}  # fmt: skip
TOLD = """\
level 0
  load  functions:give                * done     500.0 ms
  poll  $ true                          done     500.0 ms  2 attempts
  off  $ true [when]                    skipped            its condition is false
level 1
  many  functions:add [map]  <- load  * done       3.06 s  2 children, slowest many[1] 2.00 s
level 2
  end  functions:add  <- many, poll   * cached   250.0 ms
outputs: off, end
run: 20260101-000000-abcdef0, unfinished, 3.00 s; * is the critical path, 2.81 s
"""


def record(cli, *events, nodes=NODES, run=RUN_ID):
    """Leave what a run leaves."""
    folder = f".taskrunner/runs/{run}"
    cli.write(f"{folder}/graph.json", json.dumps({"taskrunner": 1, "name": "flow", "nodes": nodes}))
    cli.write(f"{folder}/params.json", "{}")
    cli.write(f"{folder}/events.jsonl", "".join(f"{json.dumps(event)}\n" for event in events))


@pytest.fixture
def recorded(cli):
    record(cli, START, *DONE, *END, LAST)


@pytest.mark.usefixtures("recorded")
def test_a_run_is_shown_with_the_graph_that_it_kept(inside):
    told = inside("show", "--run", "last")
    assert (told.code, told.err) == (0, "")
    assert told.out == TOLD
    assert inside("show", "--run", "2026").out == TOLD


@pytest.mark.usefixtures("recorded")
def test_a_run_is_shown_on_a_graph(cli, inside):
    graph = cli.graph(NODES[0], {"id": "new", "run": "true", "needs": ["load"]})
    told = inside("show", graph, "--run", "last", "--format", "json")
    assert [(node["id"], node["state"]) for node in told.json["nodes"]] == [("load", "done"), ("new", "unknown")]
    assert told.err == f'taskrunner: warning: run {RUN_ID} of graph "flow" has 1 of these 2 nodes\n'


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("dot", r'"poll" [label="poll\ndone 500.0 ms\n2 attempts", tooltip="$ true", fillcolor="#56b4e9"'),
        ("dot", r'"load" -> "many" [penwidth=3];'),
        ("mermaid", 'n2("poll<br/>done 500#46;0 ms<br/>2 attempts")'),
        ("mermaid", "class n0,n1,n4 critical"),
        ("json", '"attempts": 2,'),
    ],
)
@pytest.mark.usefixtures("recorded")
def test_every_form_tells_what_became_of_the_nodes(inside, form, expected):
    told = inside("show", "--run", "last", "--format", form)
    assert (told.code, told.err) == (0, "")
    assert expected in told.out


def states(ended):
    return {node["id"]: node["state"] for node in ended.json["nodes"]}


def test_a_run_that_was_killed(cli, inside):
    record(cli, START, *DONE)
    told = inside("show", "--run", "last", "--format", "json")
    assert states(told) == {
        "load": "done", "many": "not ended", "poll": "done", "off": "skipped", "end": "not ended",
    }  # fmt: skip
    assert told.json["nodes"][1]["children"]["count"] == 2


def test_a_run_that_was_resumed(cli, inside):
    again = [START, {"event": "run.resumed", "kept": 5, "changed": [], "unstored": []}]
    record(cli, START, *DONE, *again, *END, LAST)
    assert set(states(inside("show", "--run", "last", "--format", "json")).values()) == {"done", "cached", "skipped"}


def test_a_run_of_some_targets(cli, inside):
    inside("exec", cli.graph(NODES[0], NODES[2]), "poll", "-q")
    assert states(inside("show", "--run", "last", "--format", "json")) == {"load": "not run", "poll": "done"}


def test_a_run_that_kept_no_events_of_nodes(cli, inside):
    inside("exec", cli.graph(NODES[0]), "--log-level", "warning")
    told = inside("show", "--run", "last")
    assert (told.code, told.out) == (1, "")
    assert told.err.endswith("events.jsonl does not record a run: was its log level above info?\n")


@pytest.mark.usefixtures("recorded")
def test_a_run_whose_graph_cannot_be_read_is_shown_on_another(cli, inside):
    cli.write(f".taskrunner/runs/{RUN_ID}/graph.json", "{")
    told = inside("show", "--run", "last")
    assert (told.code, told.out) == (1, "")
    assert told.err == f"taskrunner: cannot read the graph stored by run {RUN_ID}: pass the GRAPH as well\n"
    told = inside("show", cli.graph(*NODES), "--run", "last", "--format", "json")
    assert (told.err, states(told)["many"], told.json["nodes"][1]["children"]["count"]) == ("", "done", 2)


def on_terminal(cli, *words, **env):
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = cli.start(*words, env={"TERM": "xterm", "NO_COLOR": "", **env}, stdout=theirs)
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # Linux says so where the last writer has gone
        pass
    finally:
        os.close(ours)
    assert cli.end(process).code == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.usefixtures("recorded")
def test_colours_are_for_terminals_whose_users_want_them(cli):
    assert "\x1b[36;1mdone   \x1b[0m" in on_terminal(cli, "show", "--run", "last")
    assert on_terminal(cli, "show", "--run", "last", NO_COLOR="1") == TOLD


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "show needs a GRAPH, or --run RUN"),
        (("--run", "2025"), 'no run "2025" in .taskrunner/runs'),
        (
            ("--run", "last", "--set", "n=1"),
            "--set and --from need a GRAPH: the graph of a run is shown with the parameters of the run",
        ),
        (("--run", "last", "--focus", "mani"), 'no node "mani" in the graph; did you mean "many"?'),
        (("--run", "last", "--depth", "1"), "--depth needs --focus NODE"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("recorded")
def test_wrong_use(inside, words, message):
    told = inside("show", *words)
    assert (told.code, told.out, told.err) == (2, "", f"taskrunner: {message}\n")


# -- parts of a graph ------------------------------------------------------------------------------


def chain(cli, size):
    """Write a graph whose nodes need the one before, and whose last one needs 20 others."""
    extra = [{"id": f"x{i}", "run": "true"} for i in range(20)]
    nodes = [{"id": f"n{i}", "run": "true", "needs": [f"n{i - 1}"] if i else []} for i in range(size)]
    nodes[-1]["needs"] += [node["id"] for node in extra]
    return cli.graph(*nodes, *extra)


def test_what_is_near_a_node(cli, inside):
    graph = chain(cli, 5)
    assert inside("show", graph, "--focus", "n3").out == (
        "level 2\n  n2  $ true  (+1 more before)\nlevel 3\n  n3  $ true  <- n2\n"
        "level 4\n  n4  $ true  <- n3  (+20 more before)\noutputs: n4\n"
    )
    assert inside("show", graph, "--focus", "n1", "--depth", "0").out == (
        "level 1\n  n1  $ true  (+1 more before)  (+1 more after)\n"
    )
    drawn = inside("show", graph, "--focus", "n0", "--depth", "2", "--format", "json").json
    assert [node["id"] for node in drawn["nodes"]] == ["n0", "n1", "n2"]


@pytest.mark.usefixtures("recorded")
def test_a_child_is_shown_by_its_mapped_node(inside):
    drawn = inside("show", "--run", "last", "--focus", "many[1]", "--format", "json").json
    assert [node["id"] for node in drawn["nodes"]] == ["load", "many", "end"]


def test_a_big_graph_is_summed_up_unless_all_of_it_is_asked_for(cli, inside):
    graph = cli.graph(*({"id": f"n{i}", "run": ["true", str(i)]} for i in range(201)))
    told = inside("show", graph)
    assert told.out.splitlines() == [
        "level 0: 201 nodes: 201 $ true",
        "outputs: n0, n1, n2, n3, n4, n5, n6, n7 (+193 more)",
        "each line is a level: --all shows each node, --focus NODE one node with its neighbors",
    ]
    assert len(inside("show", graph, "--all").out.splitlines()) == 203
    assert inside("show", graph, "--focus", "n7").out == "level 0\n  n7  $ true 7\noutputs: n7\n"
    small = cli.graph(*({"id": f"n{i}", "run": "true"} for i in range(200)), file="small.json")
    assert len(inside("show", small).out.splitlines()) == 202


# -- svg -------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
@pytest.mark.usefixtures("recorded")
def test_svg(cli, inside):
    told = inside("show", "--run", "last", "--format", "svg", "-o", "flow.svg")
    assert (told.code, told.out, told.err) == (0, "", "")
    drawn = ET.parse(cli.folder / "flow.svg").getroot()  # noqa: S314  our own
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"load", "done 500.0 ms", "its condition is false"} <= set(texts)


def test_svg_without_graphviz(cli, small):
    told = cli("show", small, "--format", "svg", env={"PATH": str(cli.folder)})
    assert (told.code, told.out) == (2, "")
    assert told.err == (
        "taskrunner: --format svg needs graphviz: install it, or use --format dot and render on another machine\n"
    )


def test_svg_of_a_graph_that_is_too_big(cli, inside):
    graph = cli.graph(*({"id": f"n{i}", "run": "true"} for i in range(4001)))
    told = inside("show", graph, "--format", "svg")
    assert (told.code, told.out) == (2, "")
    assert "4,001 nodes with 0 edges are too many" in told.err
    assert "--focus NODE" in told.err


def program(cli, name, text):
    path = cli.write(f"bin/{name}", f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


def test_a_failure_of_graphviz_is_told_in_words(cli, small):
    env = program(cli, "dot", "printf 'no \\033 font' >&2; exit 3")
    told = cli("show", small, "--format", "svg", env=env)
    assert (told.code, told.out, told.err) == (1, "", "taskrunner: dot failed: no \\x1b font\n")
