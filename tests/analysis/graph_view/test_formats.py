"""A small sketch in the forms that are for other programs, with what became of its nodes and without."""

import json
import re
import shutil
import subprocess

import pytest

from taskrunner.analysis.graph_view.formats import FORMATS
from taskrunner.analysis.graph_view.status import Children, NodeStatus
from taskrunner.analysis.graph_view.view import EdgeView, GraphView, NodeBox, RunHeader

EVIL = 'a"]; x [label=<b>] \\N \\ &amp; #35; `**b**` end\n\x1b[2J "%%{init}%%" ${x} 1. style:#a; "'


def box(name, level=0, needs=(), *, is_command=False, is_mapped=False, **fields):
    return NodeBox(name, f"do {name}", "do", level, is_command, is_mapped, tuple(needs), **fields)


PLAIN = GraphView(
    "g",
    [
        box("a"),
        box('b "x"', 1, [EdgeView(0, is_used=True)], is_command=True),
        box("c", 2, [EdgeView(0, is_used=True), EdgeView(1, is_used=False)], is_mapped=True),
    ],
    ["c"],
)
CUT = GraphView(
    "", [box("a", 3, hidden_predecessors=2), box("b", 4, [EdgeView(0, is_used=True)], hidden_successors=13)], []
)
MARKED = GraphView(
    "g",
    [
        box("a", status=NodeStatus("done", 0.5, 0.25, worker=0, attempts=2, critical=True)),
        box("m", 1, [EdgeView(0, True, True)], is_mapped=True, status=NodeStatus(  # noqa: FBT003
            "failed", 1.0, 0.125, worker=1, attempts=1, critical=True, children=Children(4, 1, "m[2]", 0.75)
        )),
        box(
            "c", 2, [EdgeView(1, is_used=False)],
            is_command=True, status=NodeStatus("skipped", reason="needs", because="m[2]"),
        ),
        box("d", 2, status=NodeStatus("not ended")),
    ],
    ["c"],
    RunHeader("20260101-000000-abcdef0", "failed", 2.0, 1.5),
)  # fmt: skip

DOT = {
    "plain": r"""digraph "g" {
  rankdir=LR;
  node [shape=box];
  "a" [label="a", tooltip="do a"];
  "b \"x\"" [label="b \"x\"", tooltip="do b \"x\"", style="rounded"];
  "c" [label="c", tooltip="do c", peripheries=2];
  "a" -> "b \"x\"";
  "a" -> "c";
  "b \"x\"" -> "c" [style=dashed];
}
""",
    "cut": r"""digraph "taskrunner" {
  rankdir=LR;
  node [shape=box];
  "a" [label="a", tooltip="do a"];
  "b" [label="b", tooltip="do b"];
  "a" -> "b";
  "\<0" [label="+2", tooltip="2 more", style=dashed];
  "\<0" -> "a" [style=dashed];
  "\>1" [label="+13", tooltip="13 more", style=dashed];
  "b" -> "\>1" [style=dashed];
}
""",
    "marked": r"""digraph "g" {
  rankdir=LR;
  node [shape=box];
  "a" [label="a\ndone 500.0 ms\n2 attempts", tooltip="do a", fillcolor="#56b4e9", fontcolor="#000000", penwidth=3, style="filled"];
  "m" [label="m\nfailed 1.00 s\n4 children, 1 failed, slowest m[2] 750.0 ms", tooltip="do m", peripheries=2, fillcolor="#d55e00", fontcolor="#000000", penwidth=3, style="filled"];
  "c" [label="c\nskipped\nbecause of m[2]", tooltip="do c", fillcolor="#f0e442", fontcolor="#000000", style="rounded,filled"];
  "d" [label="d\nnot ended", tooltip="do d", fillcolor="#cc79a7", fontcolor="#000000", style="filled"];
  "a" -> "m" [penwidth=3];
  "m" -> "c" [style=dashed];
}
""",  # noqa: E501
}
MERMAID = {
    "plain": """\
flowchart LR
  n0["a"]
  n1("b #34;x#34;")
  n2[["c"]]
  n0 --> n1
  n0 --> n2
  n1 -.-> n2
""",
    "cut": """\
flowchart LR
  n0["a"]
  n1["b"]
  before0(["+2"]) -.-> n0
  n0 --> n1
  n1 -.-> after1(["+13"])
""",
    "marked": """\
flowchart LR
  n0["a<br/>done 500#46;0 ms<br/>2 attempts"]
  n1[["m<br/>failed 1#46;00 s<br/>4 children, 1 failed, slowest m#91;2#93;#32;750#46;0 ms"]]
  n2("c<br/>skipped<br/>because of m#91;2#93;")
  n3["d<br/>not ended"]
  n0 ==> n1
  n1 -.-> n2
  classDef done fill:#56b4e9,color:#000000,stroke:#000000
  class n0 done
  classDef failed fill:#d55e00,color:#000000,stroke:#000000
  class n1 failed
  classDef skipped fill:#f0e442,color:#000000,stroke:#000000
  class n2 skipped
  classDef not_ended fill:#cc79a7,color:#000000,stroke:#000000
  class n3 not_ended
  classDef critical stroke-width:4px
  class n0,n1 critical
""",
}
SKETCHES = {"plain": PLAIN, "cut": CUT, "marked": MARKED}


@pytest.mark.parametrize("name", SKETCHES)
def test_dot(name):
    assert FORMATS["dot"](SKETCHES[name]) == DOT[name]


@pytest.mark.parametrize("name", SKETCHES)
def test_mermaid(name):
    assert FORMATS["mermaid"](SKETCHES[name]) == MERMAID[name]


def test_json_has_levels_and_needs():
    found = json.loads(FORMATS["json"](PLAIN))
    assert found == {
        "name": "g",
        "nodes": [
            {"id": "a", "label": "do a", "level": 0, "needs": []},
            {"id": 'b "x"', "label": 'do b "x"', "level": 1, "needs": ["a"]},
            {"id": "c", "label": "do c", "level": 2, "needs": ["a", 'b "x"']},
        ],
        "outputs": ["c"],
    }


def test_json_of_a_cut_graph_counts_what_is_left_out():
    first, second = json.loads(FORMATS["json"](CUT))["nodes"]
    assert (first["more_before"], second["more_after"]) == (2, 13)
    assert "more_after" not in first


def test_json_has_what_became_of_each_node():
    found = json.loads(FORMATS["json"](MARKED))
    a, m, c, d = ({name: value for name, value in node.items() if name not in PLAIN_FIELDS} for node in found["nodes"])
    assert a == {"state": "done", "ran_s": 0.5, "queued_s": 0.25, "worker": 0, "attempts": 2, "critical": True}
    assert m["children"] == {"count": 4, "failed": 1, "slowest": "m[2]", "slowest_s": 0.75}
    assert (c["state"], c["reason"], c["because"]) == ("skipped", "needs", "m[2]")
    assert d == {
        "state": "not ended", "ran_s": 0.0, "queued_s": 0.0, "worker": None, "attempts": 0, "critical": False,
    }  # fmt: skip
    assert found["run"] == {
        "id": "20260101-000000-abcdef0", "state": "failed", "wall_s": 2.0, "critical_path_s": 1.5,
    }  # fmt: skip


PLAIN_FIELDS = ("id", "label", "level", "needs")


def labels_of(mermaid):
    """Return the labels as Mermaid shows them."""
    found = re.findall(r'"(.*)"', mermaid)
    return [re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label) for label in found]


@pytest.mark.parametrize("name", [EVIL, "end", "`x`", "1. load", "- x", "__init__", "a#35;b", "<br>", "  a", "é ü_ñ-x"])
def test_mermaid_takes_no_name_for_its_own_syntax(name):
    drawn = FORMATS["mermaid"](GraphView("", [box(name)], []))
    (line,) = drawn.splitlines()[1:]
    inner = re.fullmatch(r'  n0\["(.*)"\]', line)[1]
    assert re.fullmatch(r"(#\d+;|[\w ,-])*", inner)
    assert not inner.startswith((" ", "-", "_"))
    shown = name.replace("\n", "\\n").replace("\x1b", "\\x1b")
    assert labels_of(drawn) == [shown]


@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
def test_graphviz_reads_hostile_names_and_keeps_them_apart():
    names = [EVIL, "a\nb", "a\\nb", "a\\", '"', "\\<0", "<b>", "x&amp;y", "x&y", "\\G\\N"]
    boxes = [box(name, hidden_predecessors=1, hidden_successors=1) for name in names]
    evil = box(
        "end", 1, [EdgeView(i, is_used=True) for i in range(len(names))], status=NodeStatus("skipped", because=EVIL)
    )
    drawn = FORMATS["dot"](GraphView(EVIL, [*boxes, evil], []))
    ended = subprocess.run(["dot", "-Tjson"], input=drawn.encode(), capture_output=True, check=True, timeout=60)  # noqa: S607
    found = json.loads(ended.stdout)
    assert ended.stderr == b""
    assert (len(found["objects"]), len(found["edges"])) == (3 * len(names) + 1, 3 * len(names))


@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
def test_graphviz_shows_names_as_they_are():
    names = ["\\N", "x&amp;y", "x&y", "a\nb", "<b>", '"q"']
    drawn = FORMATS["dot"](GraphView("", [box(name) for name in names], []))
    ended = subprocess.run(["dot", "-Tsvg"], input=drawn.encode(), capture_output=True, check=True, timeout=60)  # noqa: S607
    texts = re.findall(r"<text [^>]*>(.*)</text>", ended.stdout.decode())
    assert texts == ["\\N", "x&amp;amp;y", "x&amp;y", "a\\nb", "&lt;b&gt;", "&quot;q&quot;"]
