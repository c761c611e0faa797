"""``taskrunner show``: a small graph in every form."""

import pytest

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
  "load" [tooltip="functions:give"];
  "double" [tooltip="functions:add [map]", peripheries=2];
  "say \"hi\"" [tooltip="$ echo {\"$ref\":\"load\"}", style=rounded];
  "tidy" [tooltip="$ true [when, always]", style=rounded];
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
  n2("say &quot;hi&quot;")
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
