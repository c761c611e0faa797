import msgspec
import pytest

from taskrunner.analysis.graph_view.view import EdgeView, graph_view, neighborhood
from taskrunner.errors import UsageError
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile


def dag_of(*nodes, **fields):
    return link(msgspec.convert({"taskrunner": 1, "nodes": nodes, **fields}, GraphFile))


def node(name, *refs, needs=(), **fields):
    return {"id": name, "call": "m:f", "args": [{"$ref": ref} for ref in refs], "needs": needs, **fields}


# z and y stand before a in the file, though they come after it.
WEB = dag_of(
    node("z", "b"),
    node("y", "z"),
    node("a"),
    node("b", "a", "side"),
    node("side"),
    node("other", "a"),
    node("far", "y"),
)


def ids(dag, found):
    return [dag.vertices[i].id for i in sorted(found)]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["b"]),
        (1, ["z", "a", "b", "side"]),
        (2, ["z", "y", "a", "b", "side"]),
        (99, ["z", "y", "a", "b", "side", "far"]),
    ],
)
def test_what_is_near_a_node(depth, expected):
    assert ids(WEB, neighborhood(WEB, "b", depth)) == expected


def test_a_cut_graph_keeps_order_and_levels_and_counts_what_is_left_out():
    found = graph_view(WEB, neighborhood(WEB, "b", 1))
    assert [(box.id, box.level, box.hidden_predecessors, box.hidden_successors) for box in found.boxes] == [
        ("z", 2, 0, 1),
        ("a", 0, 0, 1),
        ("b", 1, 0, 0),
        ("side", 0, 0, 0),
    ]
    assert found.boxes[2].needs == (EdgeView(1, is_used=True), EdgeView(3, is_used=True))
    assert (found.edges, found.outputs) == (3, [])


def test_left_out_before():
    (box,) = graph_view(WEB, neighborhood(WEB, "b", 0)).boxes
    assert (box.needs, box.hidden_predecessors, box.hidden_successors) == ((), 2, 1)


def test_the_whole():
    found = graph_view(WEB)
    assert [box.id for box in found.boxes] == ["z", "y", "a", "b", "side", "other", "far"]
    assert all(box.hidden_predecessors == box.hidden_successors == 0 for box in found.boxes)
    assert found.outputs == ["other", "far"]


def test_a_need_without_its_result():
    found = graph_view(dag_of(node("a"), node("b", needs=["a"])))
    assert found.boxes[1].needs == (EdgeView(0, is_used=False),)


def test_a_child_stands_for_its_mapped_node():
    dag = dag_of(node("m", map=[1]), node("x[1]"), node("x"))
    assert ids(dag, neighborhood(dag, "m[3]", 0)) == ["m"]
    assert ids(dag, neighborhood(dag, "x[1]", 0)) == ["x[1]"]
    with pytest.raises(UsageError, match=r'no node "x\[2\]" in the graph; did you mean "x\[1\]"'):
        neighborhood(dag, "x[2]", 0)


@pytest.mark.parametrize("name", ["repotr", "report[x]", "repor[0]"])
def test_a_wrong_node_is_met_with_a_near_one(name):
    with pytest.raises(UsageError, match=r'no node ".*" in the graph; did you mean "report"\?'):
        neighborhood(dag_of(node("report")), name, 1)
