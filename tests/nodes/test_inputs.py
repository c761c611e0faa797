from pathlib import Path

import msgspec
import pytest

from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.nodes.inputs import ChildTemplates, arguments, command, items, paths

RESULTS = {"a": {"x": [1, 2]}, "b": "text"}


def vertex(**fields):
    nodes = [{"id": "a", "call": "m:f"}, {"id": "b", "call": "m:f"}, {"id": "n", **fields}]
    return link(msgspec.convert({"taskrunner": 1, "nodes": nodes}, GraphFile)).vertices[2]


def test_arguments_of_a_call():
    made = vertex(call="m:f", args=[{"$ref": "b"}, [{"$ref": "a", "path": ["x", 1]}]], kwargs={"k": {"$ref": "b"}})
    assert arguments(made, RESULTS.get, None) == (["text", [2]], {"k": "text"})


def test_a_command_with_everything_filled_in():
    made = vertex(
        run=["echo", {"$ref": "b"}, 3], env={"E": {"$ref": "b"}}, stdin={"$ref": "a"}, cwd="/x", capture="json"
    )
    found = command(made.options, made, RESULTS.get, None)
    assert (found.argv, found.env, found.stdin) == (["echo", "text", "3"], {"E": "text"}, {"x": [1, 2]})
    assert (found.cwd, found.capture, str(found)) == ("/x", "json", "echo text 3")


def test_children_share_what_is_filled_in_and_get_their_item():
    made = vertex(call="m:f", map=[1], args=[{"$ref": "a"}, {"$item": True}], kwargs={"k": [{"$item": True}]})
    shared = ChildTemplates(made, RESULTS.get)
    first, second = arguments(shared, None, 10), arguments(shared, None, 20)
    assert (first, second) == (([RESULTS["a"], 10], {"k": [10]}), ([RESULTS["a"], 20], {"k": [20]}))
    assert first[0][0] is second[0][0] is RESULTS["a"]


def test_commands_of_children():
    made = vertex(run=["echo", {"$item": True}, {"$ref": "b"}], map=[1])
    assert command(made.options, ChildTemplates(made, RESULTS.get), None, "x").argv == ["echo", "x", "text"]


def test_items_of_a_map():
    assert items(vertex(call="m:f", map=[1, {"$ref": "b"}]).templates.items, RESULTS.get) == [1, "text"]
    assert items(vertex(call="m:f", map={"$ref": "a", "path": ["x"]}).templates.items, RESULTS.get) == [1, 2]


@pytest.mark.parametrize(("node", "kind"), [("b", "str"), ("a", "dict")])
def test_what_is_no_list_is_refused(node, kind):
    with pytest.raises(TypeError, match=f"map needs a list, not {kind}"):
        items(vertex(call="m:f", map={"$ref": node}).templates.items, RESULTS.get)


def test_paths_are_texts_and_what_references_yield():
    results = {"a": ["x", Path("y")], "b": "z"}
    made = vertex(call="m:f", cache=True, files=["one", {"$ref": "a"}, {"$ref": "b"}, {"$ref": "a", "path": [0]}])
    assert paths(made.templates.files, lambda: results.get, None) == ["one", "x", "y", "z", "x"]
    assert paths(made.templates.creates, lambda: results.get, None) == []


def test_paths_of_children():
    made = vertex(run="true", map=["x"], files=[{"$item": True}], creates=[{"$ref": "b"}, {"$item": True}])
    shared = ChildTemplates(made, RESULTS.get).templates
    assert paths(shared.files, lambda: None, "x") == ["x"]
    assert paths(shared.creates, lambda: None, "x") == ["text", "x"]


@pytest.mark.parametrize("value", [None, 1, [[]], [1], {"a": 1}])
def test_what_is_no_path_is_refused(value):
    made = vertex(call="m:f", cache=True, files=[{"$ref": "a"}])
    with pytest.raises(TypeError, match="a path must be a string, not"):
        paths(made.templates.files, lambda: {"a": value}.get, None)


def test_an_empty_path_is_not_the_working_directory():
    with pytest.raises(ValueError, match="a path is empty"):
        paths(vertex(call="m:f", cache=True, files=[""]).templates.files, lambda: None, None)
