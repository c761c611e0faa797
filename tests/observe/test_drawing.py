import json

import msgspec
import pytest

from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.observe.drawing import FORMS

NODES = [
    {"id": "a", "call": "m:f"},
    {"id": 'b "x"', "run": ["echo", {"$ref": "a"}], "when": True},
    {"id": "c", "call": "m:g", "map": {"$ref": "a"}, "needs": ['b "x"'], "always": True},
]
DAG = link(msgspec.convert({"taskrunner": 1, "name": "g", "nodes": NODES}, GraphFile))

TEXT = """\
level 0
  a  m:f
level 1
  b "x"  $ echo {"$ref":"a"} [when]  <- a
level 2
  c  m:g [map, always]  <- a, b "x"
outputs: c
"""
DOT = r"""digraph "g" {
  rankdir=LR;
  node [shape=box];
  "a" [tooltip="m:f"];
  "b \"x\"" [tooltip="$ echo {\"$ref\":\"a\"} [when]", style=rounded];
  "c" [tooltip="m:g [map, always]", peripheries=2];
  "a" -> "b \"x\"";
  "a" -> "c";
  "b \"x\"" -> "c" [style=dashed];
}
"""
MERMAID = """\
flowchart LR
  n0["a"]
  n1("b &quot;x&quot;")
  n2[["c"]]
  n0 --> n1
  n0 --> n2
  n1 -.-> n2
"""


@pytest.mark.parametrize(("form", "drawn"), [("text", TEXT), ("dot", DOT), ("mermaid", MERMAID)])
def test_a_small_graph_drawn(form, drawn):
    assert FORMS[form](DAG) == drawn


def test_json_has_levels_and_needs():
    found = json.loads(FORMS["json"](DAG))
    assert [(n["id"], n["level"], n["needs"]) for n in found["nodes"]] == [
        ("a", 0, []),
        ('b "x"', 1, ["a"]),
        ("c", 2, ["a", 'b "x"']),
    ]
    assert (found["name"], found["outputs"]) == ("g", ["c"])
