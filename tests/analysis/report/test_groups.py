import pytest

from taskrunner.analysis.report.groups import groups_of


@pytest.mark.parametrize(
    ("nodes", "kind", "names"),
    [
        ([{"id": "a", "call": "m:f"}, {"id": "b", "call": "m:g"}], "function", ["m:f", "m:g"]),
        ([{"id": "a", "run": "sort -u x"}, {"id": "b", "run": ["sort", "x"]}], "group", ["a", "b"]),
        ([{"id": "a", "run": ["sort"]}, {"id": "b", "run": ["cat"]}], "function", ["$ sort", "$ cat"]),
        ([{"id": "a", "run": [{"$param": "tool"}]}, {"id": "b", "call": "m:f"}], "function", ["$ …", "m:f"]),
        ([{"id": "fit_ID0001", "call": "m:f"}, {"id": "fit_ID12x", "call": "m:f"}], "group", ["fit_ID", "fit_ID"]),
        ([{"id": "load 1", "call": "m:f"}, {"id": "7", "call": "m:f"}], "group", ["load", "7"]),
        ([], "function", []),
    ],
)
def test_nodes_belong_together_by_what_they_call_or_else_by_their_names(recording, nodes, kind, names):
    groups = groups_of(recording(*nodes, params={"tool": "sort"}).run().dag)
    assert (groups.kind, list(groups.names)) == (kind, names)
