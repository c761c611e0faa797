import json

import pytest

from taskrunner.errors import GraphError
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile, Node
from taskrunner.graph.wfformat import SPIN_FUNCTION, convert, is_wfformat


def sample(**changes):
    """Return a small recorded workflow: split, two parts side by side, merge."""
    tasks = [
        {"name": "split", "id": "split_1", "parents": [], "children": ["part_1", "part_2"], "inputFiles": ["in"]},
        {"name": "part", "id": "part_1", "parents": ["split_1"], "children": ["merge_1"]},
        {"name": "part", "id": "part_2", "parents": [], "children": ["merge_1"]},
        {"name": "merge", "id": "merge_1", "parents": ["part_2", "part_1"], "children": []},
    ]
    ran = [("split_1", 10.0), ("part_1", 2.5), ("part_2", 4), ("merge_1", 0)]
    execution = {
        "makespanInSeconds": 15.0,
        "tasks": [{"id": name, "runtimeInSeconds": s, "coreCount": 1} for name, s in ran],
        "machines": [{"nodeName": "m", "cpu": {"coreCount": 8}}],
    }
    workflow = {"specification": {"tasks": tasks, "files": [{"id": "in", "sizeInBytes": 3}]}, "execution": execution}
    return {
        "name": "small", "description": "A sample.", "createdAt": "2024-01-01T00:00:00Z", "schemaVersion": "1.5",
        "workflow": workflow, **changes,
    }  # fmt: skip


def encoded(value):
    return json.dumps(value).encode()


def problem_of(data, source=""):
    with pytest.raises(GraphError) as caught:
        convert(data, 1.0, source)
    (problem,) = caught.value.problems
    return problem


def test_recorded_workflow_becomes_a_graph():
    assert convert(encoded(sample()), 0.5) == GraphFile(
        taskrunner=1,
        name="small",
        doc="A sample. (recorded seconds times 0.5)",
        nodes=(
            Node(id="split_1", call=SPIN_FUNCTION, args=(5.0,)),
            Node(id="part_1", call=SPIN_FUNCTION, args=(1.25,), needs=("split_1",)),
            Node(id="part_2", call=SPIN_FUNCTION, args=(2.0,), needs=("split_1",)),
            Node(id="merge_1", call=SPIN_FUNCTION, args=(0.0,), needs=("part_2", "part_1")),
        ),
    )


def test_edges_of_parents_and_children_are_joined_once():
    dag = link(convert(encoded(sample()), 1.0))
    assert [vertex.predecessors for vertex in dag.vertices] == [(), (0,), (0,), (2, 1)]


def test_task_that_was_not_executed_takes_no_time():
    value = sample()
    del value["workflow"]["execution"]["tasks"][0]
    assert convert(encoded(value), 1.0).nodes[0].args == (0.0,)


def test_name_and_description_may_be_missing():
    value = sample()
    del value["name"], value["description"]
    file = convert(encoded(value), 0.001)
    assert (file.name, file.doc) == ("", "(recorded seconds times 0.001)")


@pytest.mark.parametrize("field", ["parents", "children"])
def test_edge_to_a_task_that_is_not_there_is_told(field):
    value = sample()
    value["workflow"]["specification"]["tasks"][1][field] = ["nobody"]
    with pytest.raises(GraphError, match='"nobody"'):
        link(convert(encoded(value), 1.0))


def test_doubled_task_is_told_when_the_graph_is_linked():
    value = sample()
    value["workflow"]["specification"]["tasks"].append({"id": "part_1"})
    with pytest.raises(GraphError, match=r'nodes\[4\]\.id: duplicate id "part_1", first used by nodes\[1\]'):
        link(convert(encoded(value), 1.0))


@pytest.mark.parametrize("version", ["1.4", "1.6", "2.0", "", "1.5.0"])
def test_other_version_is_refused(version):
    problem = problem_of(encoded(sample(schemaVersion=version)))
    assert (problem.where, problem.message) == ("schemaVersion", f'unsupported version "{version}", expected 1.5')


def test_other_version_is_told_before_its_other_layout():
    tasks = [{"name": "a", "id": "a", "runtimeInSeconds": 1, "parents": []}]
    problem = problem_of(encoded({"schemaVersion": "1.4", "workflow": {"tasks": tasks}}))
    assert (problem.where, problem.message) == ("schemaVersion", 'unsupported version "1.4", expected 1.5')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("schemaVersion"), "Object missing required field `schemaVersion`"),
        (lambda v: v["workflow"].pop("execution"), "Object missing required field `execution` - at `$.workflow`"),
        (
            lambda v: v["workflow"]["execution"]["tasks"][2].pop("runtimeInSeconds"),
            "Object missing required field `runtimeInSeconds` - at `$.workflow.execution.tasks[2]`",
        ),
        (
            lambda v: v["workflow"]["specification"]["tasks"][0].update(id=1),
            "Expected `str`, got `int` - at `$.workflow.specification.tasks[0].id`",
        ),
    ],
)
def test_misfit_is_refused_with_its_place(change, message):
    value = sample()
    change(value)
    assert problem_of(encoded(value)).message == f"not WfFormat 1.5: {message}"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", encoded(sample())[:-1], b'{"name": "\xff"}'])
def test_bytes_that_are_no_workflow_are_refused(data):
    assert problem_of(data).message.startswith("not WfFormat 1.5: ")


def test_error_names_the_file():
    with pytest.raises(GraphError) as caught:
        convert(encoded(sample(schemaVersion="1.4")), 1.0, "old.json")
    assert str(caught.value) == 'old.json: schemaVersion: unsupported version "1.4", expected 1.5'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(sample()), True),
        (b'{"workflow": 1}', True),
        (b'{"workflow": 1, "taskrunner": 1}', False),
        (b'{"taskrunner": 1, "nodes": []}', False),
        (b"[]", False),
        (b"{", False),
        (b"", False),
        (b"\xff", False),
        (b'{"\xff": 1}', False),
    ],
)
def test_workflow_is_told_from_a_graph(data, expected):
    assert is_wfformat(data) is expected


def test_deep_nesting_is_no_workflow():
    data = b'{"workflow": ' + b"[" * 100_000
    assert is_wfformat(data) is False
    assert problem_of(data).message.startswith("not WfFormat 1.5: ")
