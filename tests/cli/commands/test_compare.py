"""``taskrunner compare``: runs that this command line has made, and runs that are written down here."""

import json

import pytest

GRAPH = {
    "taskrunner": 1,
    "name": "demo",
    "nodes": [{"id": "a", "call": "m:f"}, {"id": "b", "call": "m:f", "needs": ["a"]}],
}
SUMMARY = {"ok": True, "graph": "demo", "python": "CPython 3.13.9", "wall_s": 1.0}


def start(run, **fields):
    told = {"event": "run.start", "run": run, "graph": "demo", "nodes": 2, "workers": 2, "python": "CPython 3.13.9"}
    return told | {"free_threaded": False, "gil": True, "platform": "Linux", "at": 0.0} | fields


def ran(node, started, ran_s, **fields):
    told = {"event": "node.done", "node": node, "worker": 0, "attempt": 1, "queued_s": 0.0, "ran_s": ran_s}
    return told | {"stolen": False, "started_at": started} | fields


def done(wall_s):
    told = {"event": "run.done", "ok": True, "wall_s": wall_s, "done": 2, "failed": 0, "skipped": 0, "busy": [0.5, 0.0]}
    told |= {"steals": 0, "critical_path_s": 1.0, "critical_path": ["a", "b"], "parallelism": 1.0, "gil": True}
    return told | {"peak_memory_bytes": 2**20}


def write(cli, run, *events, graph=GRAPH, summary=SUMMARY):
    """Leave the folder of a run."""
    folder = f".taskrunner/runs/{run}"
    cli.write(f"{folder}/graph.json", json.dumps(graph))
    cli.write(f"{folder}/params.json", "{}")
    cli.write(f"{folder}/events.jsonl", "".join(json.dumps(event) + "\n" for event in events))
    if summary:
        cli.write(f"{folder}/summary.json", json.dumps(summary))


def whole(cli, run, a_s, b_s, **fields):
    write(cli, run, start(run, **fields), ran("a", 0.0, a_s), ran("b", a_s, b_s), done(a_s + b_s))


def rows_of(found, what="nodes"):
    (pair,) = found["pairs"]
    return {row["name"]: row for row in pair[what]}


@pytest.fixture
def three_and_three(cli):
    for number in range(3):
        whole(cli, f"old{number}", 0.5 + number / 64, 1.0)
        whole(cli, f"new{number}", 1.0 + number / 64, 1.0)
    return "old0", "old1", "old2", "vs", "new0", "new1", "new2"


def test_two_real_runs_are_compared(cli, inside):
    graph = cli.graph({"id": "n", "call": "functions:give"}, {"id": "c", "run": ["echo", "hi"]}, name="real")
    inside("exec", graph, "--workers", "1")
    inside("exec", graph, "--workers", "2")
    ended = inside("compare", "last~1", "last")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["A", "real:"], ["B", "real:"]]
    assert next(line.split() for line in lines if line.startswith("workers ")) == ["workers", "1", "2"]
    assert "No verdicts: one run per side cannot distinguish a change from noise." in ended.out
    found = inside("compare", "last~1", "last", "--json").json
    assert rows_of(found).keys() == {"n", "c"}
    assert rows_of(found, "functions").keys() == {"functions:give", "$ echo"}


def test_sides_are_parted_by_a_word_and_judged(inside, three_and_three):
    found = inside("compare", *three_and_three, "--json").json
    assert [side["runs"] for side in found["sides"]] == [["old0", "old1", "old2"], ["new0", "new1", "new2"]]
    assert {name: row["change"]["verdict"] for name, row in rows_of(found).items()} == {"a": "changed", "b": "noise"}
    (wall,) = [figure for figure in found["figures"] if figure["name"] == "wall"]
    assert wall["values"] == [[1.5, 1.515625, 1.53125], [2.0, 2.015625, 2.03125]]
    text = inside("compare", *three_and_three).out
    assert "(1 node whose difference is noise, +0 us in total)" in text


def test_without_that_word_each_run_is_a_side(cli, inside):
    for run in ("one", "two", "three"):
        whole(cli, run, 0.5, 1.0)
    found = inside("compare", "one", "two", "three", "--json").json
    assert [side["label"] for side in found["sides"]] == ["A", "B", "C"]
    assert [(pair["base"], pair["other"]) for pair in found["pairs"]] == [("A", "B"), ("A", "C")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["old0"], "a comparison needs a run on each of two sides"),
        (["old0", "vs"], "a comparison needs a run on each of two sides"),
        (["vs", "old0"], "a comparison needs a run on each of two sides"),
        (["old0", "vs", "vs", "old1"], "a comparison needs a run on each of two sides"),
        (["old0", "old0"], "run old0 is named twice"),
        (["old0", "nobody"], 'no run "nobody"'),
        (["old0", "old1", "--json", "--html"], "--json and --html cannot be combined"),
    ],
)
@pytest.mark.usefixtures("three_and_three")
def test_what_makes_no_comparison_is_wrong_use(inside, words, message):
    ended = inside("compare", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_so_many_rows_are_shown(inside, three_and_three):
    words = [word for word in three_and_three if word in ("old0", "new0")]
    assert "(1 more node, +0 us in total)" in inside("compare", *words, "--nodes", "1").out
    assert "more node" not in inside("compare", *words).out


def test_a_page_is_written_to_a_file(cli, inside, three_and_three):
    ended = inside("compare", *three_and_three, "--html", "-o", "out.html")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    page = (cli.folder / "out.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Runs compared: demo" in page


def test_graphs_that_differ_are_compared_node_by_node(cli, inside):
    whole(cli, "one", 0.5, 1.0)
    other = {"taskrunner": 1, "name": "other", "nodes": [{"id": "a", "call": "m:f"}, {"id": "c", "call": "m:g"}]}
    write(cli, "two", start("two", graph="other"), ran("a", 0.0, 0.5), ran("c", 0.0, 0.25), done(1.0), graph=other)
    text = inside("compare", "one", "two").out
    assert "!  the graphs have different names: A demo; B other\n" in text
    notes = {row["name"]: row["note"] for row in rows_of(inside("compare", "one", "two", "--json").json).values()}
    assert notes == {"a": "", "b": "only in A", "c": "only in B"}


def test_a_killed_run_counts_up_to_its_last_event_and_says_so(cli, inside):
    whole(cli, "one", 0.5, 1.0)
    write(cli, "two", start("two"), ran("a", 0.0, 0.5), summary=None)
    ended = inside("compare", "one", "two")
    assert "!  run two: unfinished, counted up to the last event\n" in ended.out
    (memory,) = [line for line in ended.out.splitlines() if line.startswith("memory")]
    assert memory.split() == ["memory", "1.0", "MiB", "-", "-"]


def test_a_resumed_run_is_laid_end_to_end_and_says_so(cli, inside):
    whole(cli, "one", 0.5, 1.0)
    parts = [start("two"), ran("a", 0.0, 0.5), start("two"), ran("b", 0.25, 1.0), done(1.25)]
    write(cli, "two", *parts)
    found = inside("compare", "one", "two", "--json").json
    assert found["notes"] == ["run two was resumed: its 2 parts are laid end to end"]
    (wall,) = [figure for figure in found["figures"] if figure["name"] == "wall"]
    assert wall["values"] == [[1.5], [1.75]]


def test_a_run_that_was_recorded_without_its_nodes_is_refused_in_words(cli, inside):
    whole(cli, "one", 0.5, 1.0)
    write(cli, "two")
    ended = inside("compare", "one", "two")
    assert (ended.code, ended.out) == (1, "")
    assert "does not record a run: was its log level above info?" in ended.err


def test_a_run_whose_graph_cannot_be_read_is_compared_all_the_same(cli, inside):
    whole(cli, "one", 0.5, 1.0)
    write(cli, "two", start("two"), ran("a", 0.0, 0.5), done(0.5), graph={"taskrunner": 1, "nodes": [{"id": "a"}]})
    found = inside("compare", "one", "two", "--json").json
    assert found["notes"] == ["cannot read the graph of run two: no critical path, no functions"]
    assert rows_of(found).keys() == {"a", "b"}


def test_ids_are_escaped_on_a_terminal(cli, inside):
    node = "a\n\x1b[31m"
    graph = {"taskrunner": 1, "nodes": [{"id": node, "call": "m:f"}]}
    for run in ("one", "two"):
        write(cli, run, start(run, graph="\x1b[2J"), ran(node, 0.0, 0.5), done(0.5), graph=graph)
    ended = inside("compare", "one", "two")
    assert "\x1b" not in ended.out
    assert r"a\n\x1b[31m" in ended.out
    assert r"A  \x1b[2J: one" in ended.out
