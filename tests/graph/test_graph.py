import io
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

import taskrunner
from taskrunner import Defaults, Graph, GraphError, Retry, UsageError, load
from taskrunner.graph import codec
from taskrunner.graph.spec import Node


def fetch(*_, **__):
    """Stand for any function."""


class Callable:
    def __call__(self):
        """Stand for any object that can be called."""


MODULE = fetch.__module__


def written(graph):
    return msgspec.json.decode(codec.encode(graph.file, "json"))


def fields(graph, index=-1):
    """Return one node of a graph as its file writes it."""
    return written(graph)["nodes"][index]


def problems(graph, values=None):
    with pytest.raises(GraphError) as caught:
        graph.link(values)
    return [str(problem) for problem in caught.value.problems]


# -- building ------------------------------------------------------------------------------------------


def test_call_writes_a_node():
    g = Graph()
    handle = g.call(fetch, 1, "x", key=[2])
    assert fields(g) == {"id": "fetch", "call": f"{MODULE}:fetch", "args": [1, "x"], "kwargs": {"key": [2]}}
    assert g.functions == {"fetch": fetch}
    assert (handle.id, repr(handle)) == ("fetch", "<Handle fetch>")


def test_ids_are_counted_and_can_be_chosen():
    g = Graph()
    ids = [g.call(fetch).id, g.call(fetch).id, g.call(fetch, id="fetch-3").id, g.call(fetch).id, g.run("ls -l").id]
    assert ids == ["fetch", "fetch-2", "fetch-3", "fetch-4", "ls"]


def test_handle_is_a_dependency_at_any_depth():
    g = Graph()
    a = g.call(fetch, id="a")
    g.call(fetch, a, [{"k": a["rows"][0]}], (a, 1), key=a)
    ref, node = {"$ref": "a"}, g.file.nodes[1]
    assert node.args == (ref, [{"k": {"$ref": "a", "path": ["rows", 0]}}], (ref, 1))
    assert node.kwargs == {"key": ref}
    assert g.link().vertices[1].predecessors == (0,)


def test_handle_cannot_be_iterated():
    handle = Graph().call(fetch)
    with pytest.raises(
        TypeError, match=r'^the result of node "fetch" cannot be iterated before the run; use Graph.map'
    ):
        list(handle)


def test_options_are_fields_of_the_node():
    g = Graph(pools={"net": 2})
    a, b = g.call(fetch, id="a"), g.call(fetch, id="b")
    g.call(
        fetch, id="c", needs=[a, "b"], when=b, retries=Retry(max=2), timeout=1.5, pool="net", priority=3,
        allow_failure=True, always=True,
    )  # fmt: skip
    node = g.file.nodes[2]
    assert (node.needs, node.when, node.retries, node.timeout) == (("a", "b"), {"$ref": "b"}, Retry(max=2), 1.5)
    assert (node.pool, node.priority, node.allow_failure, node.always) == ("net", 3, True, True)
    assert node.kwargs == {}


@pytest.mark.parametrize("needs", [lambda handle: handle, lambda _: "a", lambda handle: [handle], lambda _: ("a",)])
def test_needs_takes_one_or_several_handles_or_ids(needs):
    g = Graph()
    g.call(fetch, needs=needs(g.call(fetch, id="a")))
    assert g.file.nodes[1].needs == ("a",)


def test_keyword_that_is_a_field_reaches_the_function_through_kwargs():
    g = Graph()
    g.call(fetch, timeout=3, other=1, kwargs={"timeout": 4, "id": 5})
    assert (g.file.nodes[0].timeout, g.file.nodes[0].kwargs) == (3, {"other": 1, "timeout": 4, "id": 5})


def test_option_of_a_wrong_type_is_refused():
    g = Graph()
    with pytest.raises(UsageError, match=r'^node "fetch": Expected .*retries'):
        g.call(fetch, retries="twice")
    assert (g.file.nodes, g.functions) == ((), {})


def test_files_and_creates_take_one_path_or_several_and_handles():
    g = Graph(params={"p": "z"})
    a = g.call(fetch, id="a", cache=True, files=Path("in.txt"))
    g.run("make", id="b", files=[a["path"], Path("x") / "y", g.param("p")], creates=a)
    assert fields(g, 0)["files"] == ["in.txt"]
    ref = {"$ref": "a"}
    assert fields(g) == {
        "id": "b", "run": "make", "files": [{**ref, "path": ["path"]}, "x/y", {"$param": "p"}], "creates": [ref],
    }  # fmt: skip
    assert g.link().vertices[1].predecessors == (0,)


def test_run_writes_a_command():
    g = Graph()
    a = g.call(fetch)
    g.run(["/bin/echo", a, 1], env={"A": a}, stdin=a, capture="json", cwd="/")
    ref = {"$ref": "fetch"}
    assert fields(g) == {
        "id": "echo", "run": ["/bin/echo", ref, 1], "env": {"A": ref}, "stdin": ref, "capture": "json", "cwd": "/",
    }  # fmt: skip
    g.run("grep -c x | sort")
    assert fields(g) == {"id": "grep", "run": "grep -c x | sort"}


def test_unknown_field_of_a_command_is_refused():
    with pytest.raises(UsageError, match=r'^a node has no field "retry"$'):
        Graph().run("ls", retry=1)


@pytest.mark.parametrize(
    ("items", "expected"), [([1, 2], [1, 2]), ((1, 2), [1, 2]), (range(2), [0, 1])], ids=["list", "tuple", "range"]
)
def test_map_gives_the_item_first(items, expected):
    g = Graph()
    g.map(fetch, items, "more", key=g.item)
    item = {"$item": True}
    assert fields(g) == {
        "id": "fetch", "call": f"{MODULE}:fetch", "map": expected, "args": [item, "more"], "kwargs": {"key": item},
    }  # fmt: skip
    assert g.link().vertices[0].is_mapped


def test_map_over_a_handle_is_a_dependency():
    g = Graph()
    g.map(fetch, g.call(fetch, id="a")["rows"])
    assert fields(g)["map"] == {"$ref": "a", "path": ["rows"]}
    assert g.link().vertices[1].predecessors == (0,)


def test_item_outside_a_map_is_told():
    g = Graph()
    g.call(fetch, g.item)
    assert problems(g) == ["nodes[0].args[0]: $item outside a node with map"]


def test_parameter_is_read_when_the_graph_is_linked():
    g = Graph(params={"n": 1})
    g.call(fetch, g.param("n"))
    assert g.link().vertices[0].args == (1,)
    assert g.link({"n": 2}).vertices[0].args == (2,)


def test_parameter_in_a_tuple_is_read():
    g = Graph(params={"n": 1})
    g.call(fetch, (g.param("n"), 2))
    assert g.link().vertices[0].args == ((1, 2),)


def test_object_with_dollar_keys_is_passed_as_it_is():
    g = Graph()
    g.call(fetch, {"$ref": "nobody", "k": 1})
    assert fields(g)["args"] == [{"$literal": {"$ref": "nobody", "k": 1}}]
    assert g.link().vertices[0].predecessors == ()


def test_outputs_are_the_sinks_unless_handles_are_named():
    g = Graph()
    a, b = g.call(fetch, id="a"), g.call(fetch, id="b")
    assert g.file.outputs is UNSET
    g.output(a)
    g.output(b)
    assert g.file.outputs == ("a", "b")


def test_head_of_the_graph_is_written():
    g = Graph("n", doc="d", params={"p": 1}, pools={"q": 2}, defaults=Defaults(timeout=3))
    assert written(g) == {
        "taskrunner": 1, "nodes": [], "name": "n", "doc": "d", "params": {"p": 1}, "pools": {"q": 2},
        "defaults": {"timeout": 3},
    }  # fmt: skip


def test_empty_graph_writes_nothing_that_has_its_default():
    assert written(Graph()) == {"taskrunner": 1, "nodes": []}


def test_chosen_id_twice_is_told():
    g = Graph()
    g.call(fetch, id="a")
    g.run("ls", id="a")
    assert problems(g) == ['nodes[1].id: duplicate id "a", first used by nodes[0]']


def test_problems_of_a_built_graph_are_told_together():
    g = Graph(pools={"net": 1})
    g.call(fetch, id="alpha", pool="nett")
    g.call(fetch, needs="alhpa")
    g.run([])
    assert problems(g) == [
        'nodes[0].pool: unknown pool "nett"; did you mean "net"?',
        'nodes[1].needs[0]: unknown node "alhpa"; did you mean "alpha"?',
        "nodes[2].run: an empty command",
    ]


@pytest.mark.parametrize("function", [lambda: 0, Callable(), [].append, str.upper, int])
def test_anything_callable_links(function):
    g = Graph()
    handle = g.call(function)
    assert g.link().vertices[0].id == handle.id


# -- portable ------------------------------------------------------------------------------------------


def test_graph_of_importable_functions_is_portable():
    g = Graph()
    g.call(fetch)
    assert g.portable_file() == g.file


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: 0, "<lambda>"),
        (Callable(), "<object>"),
        (type("Local", (), {"__module__": "__main__"}), "Local"),
    ],
    ids=["lambda", "object", "main"],
)
def test_function_that_no_name_leads_to_is_not_portable(function, name):
    g = Graph()
    g.call(function, id="a")
    with pytest.raises(UsageError) as caught:
        g.portable_file()
    assert str(caught.value) == f'node "a" calls {name}, which another process cannot import'


# -- parameters at linking -----------------------------------------------------------------------------


def test_parameter_that_must_be_set_is_told_before_anything_is_linked():
    g = Graph(params={"n": None})
    g.call(fetch, g.param("n"))
    with pytest.raises(UsageError, match=r'^no value for parameter "n": set it with --set n=…$'):
        g.link()
    assert g.link({"n": 3}).vertices[0].args == (3,)


@pytest.mark.parametrize(
    "use",
    [
        lambda g: g.call(fetch, g.param("n")),
        lambda g: g.map(fetch, g.param("n")),
        lambda g: g.run(["echo", g.param("n")]),
    ],
    ids=["args", "map", "run"],
)
def test_parameter_still_to_be_set_is_no_problem_of_the_graph(use):
    g = Graph(params={"n": None})
    use(g)
    assert len(g.link(complete=False).vertices) == 1


def test_part_of_a_parameter_still_to_be_set_is_no_problem_of_the_graph():
    node = Node(id="a", call="m:f", args=({"$param": "n", "path": ["rows", 0]},))
    file = msgspec.structs.replace(Graph(params={"n": None}).file, nodes=(node,))
    g = Graph.decode(codec.encode(file, "json"), "json")
    assert len(g.link(complete=False).vertices) == 1


# -- linking again -------------------------------------------------------------------------------------

CHANGES = [
    lambda g: g.call(fetch),
    lambda g: g.run("ls"),
    lambda g: g.map(fetch, [1]),
    lambda g: g.output(taskrunner.Handle("a")),
]


def built():
    g = Graph(params={"n": 1})
    g.call(fetch, g.param("n"), id="a")
    return g


def loaded(encoding="json"):
    return Graph.decode(codec.encode(built().file, encoding), encoding)


@pytest.mark.parametrize("make", [built, loaded])
def test_graph_that_was_not_changed_is_linked_once(make):
    g = make()
    assert g.link() is g.link() is g.link({}) is g.link(None)


@pytest.mark.parametrize("make", [built, loaded])
@pytest.mark.parametrize("change", CHANGES)
def test_graph_is_linked_again_after_each_change(make, change):
    g = make()
    before = g.link()
    change(g)
    after = g.link()
    assert after is not before
    assert [vertex.id for vertex in after.vertices] == [node.id for node in g.file.nodes]
    assert after.file.outputs == g.file.outputs
    assert g.link() is after


def test_values_of_parameters_are_those_of_one_linking_alone():
    g = built()
    first = g.link()
    assert g.link({"n": 2}).vertices[0].args == (2,)
    assert g.link() is first
    assert (first.vertices[0].args, g.link({"n": 3}).vertices[0].args) == ((1,), (3,))


def test_graph_that_is_not_complete_yet_is_not_taken_for_one_that_is():
    g = Graph(params={"n": None})
    g.call(fetch, g.param("n"))
    g.link(complete=False)
    with pytest.raises(UsageError, match='no value for parameter "n"'):
        g.link()


def test_graph_that_did_not_link_is_linked_anew():
    g = built()
    g.call(fetch, id="a")
    for _ in range(2):
        assert problems(g) == ['nodes[1].id: duplicate id "a", first used by nodes[0]']


class Unequal:
    """Something that does not let itself be compared, as the arrays of some libraries."""

    __hash__ = None

    def __eq__(self, other):
        raise TypeError("not comparable")


@pytest.mark.parametrize(
    "add",
    [
        lambda g, value: g.call(fetch, value),
        lambda g, value: g.call(fetch, key=value),
        lambda g, value: g.map(fetch, [value]),
        lambda g, value: g.call(fetch, when=value),
        lambda g, value: g.run(["cat"], stdin=value),
        lambda g, value: g.run(["env"], env={"A": value}),
    ],
    ids=["args", "kwargs", "map", "when", "stdin", "env"],
)
def test_values_of_any_kind_link_wherever_they_stand(add):
    g = Graph()
    add(g, Unequal())
    assert len(g.link().vertices) == 1


# -- the text of a loaded graph ------------------------------------------------------------------------


def test_text_of_a_graph_from_json_is_that_of_its_file_until_it_is_changed():
    data = b'{ "nodes": [{"run": "ls", "id": "a"}],\n "taskrunner": 1 }\n'
    g = Graph.decode(data, "json")
    assert g.json_text == data
    g.link()
    assert (g.file.nodes[0].id, g.json_text) == ("a", data)


@pytest.mark.parametrize("change", CHANGES)
def test_text_of_a_graph_that_was_changed_is_gone(change):
    g = loaded()
    change(g)
    assert g.json_text == b""


@pytest.mark.parametrize("make", [Graph, built, lambda: loaded("toml"), lambda: loaded("msgpack")])
def test_graph_that_is_not_from_json_has_no_text(make):
    assert make().json_text == b""


@pytest.mark.parametrize("encoding", codec.FORMATS)
def test_nodes_added_to_a_loaded_graph_stand_behind_its_own(encoding):
    g = loaded(encoding)
    own = g.file.nodes
    more = g.call(fetch, taskrunner.Handle("a"), id="b")
    assert g.file.nodes[:-1] == own
    dag = g.link()
    assert [(vertex.id, vertex.predecessors) for vertex in dag.vertices] == [("a", ()), (more.id, (0,))]
    assert g.functions == {"b": fetch}


def test_ids_of_a_loaded_graph_are_known_to_the_nodes_that_are_added():
    g = Graph.decode(
        b'{"taskrunner": 1, "nodes": [{"id": "fetch", "run": "x"}, {"id": "fetch-2", "run": "x"}]}', "json"
    )
    assert [g.call(fetch).id, g.call(fetch).id] == ["fetch-3", "fetch-4"]


# -- loading -------------------------------------------------------------------------------------------

MINIMAL = {
    "json": b'{"taskrunner": 1, "nodes": [{"id": "a", "run": "ls"}]}',
    "toml": b'taskrunner = 1\n[[nodes]]\nid = "a"\nrun = "ls"\n',
    "msgpack": msgspec.msgpack.encode({"taskrunner": 1, "nodes": [{"id": "a", "run": "ls"}]}),
}


@pytest.mark.parametrize("encoding", MINIMAL)
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "path"])
def test_file_is_loaded_by_its_name(tmp_path, encoding, kind):
    path = tmp_path / f"small.{encoding}"
    path.write_bytes(MINIMAL[encoding])
    g = load(kind(path))
    assert (g.name, g.source, [node.id for node in g.file.nodes]) == ("small", str(path), ["a"])


def test_encoding_can_be_given(tmp_path):
    path = tmp_path / "graph.txt"
    path.write_bytes(MINIMAL["toml"])
    assert [node.id for node in load(path, encoding="toml").file.nodes] == ["a"]


@pytest.mark.parametrize("encoding", MINIMAL)
def test_dash_is_standard_input(monkeypatch, encoding):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MINIMAL[encoding])))
    g = load("-", encoding="" if encoding == "json" else encoding)
    assert (g.source, len(g.file.nodes)) == ("<stdin>", 1)


def test_own_name_stands_before_the_files(tmp_path):
    path = tmp_path / "small.json"
    path.write_bytes(b'{"taskrunner": 1, "name": "own", "nodes": []}')
    assert load(path).name == "own"


def test_unknown_encoding_is_refused(tmp_path):
    path = tmp_path / "graph.json"
    path.write_bytes(MINIMAL["json"])
    with pytest.raises(UsageError, match="xml"):
        load(path, encoding="xml")
    with pytest.raises(UsageError, match=r"^cannot infer the encoding of graph.xml"):
        load("graph.xml")


def test_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "none.json")
    assert str(caught.value) == f"cannot read {tmp_path / 'none.json'}: No such file or directory"
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UsageError, match=r"Is a directory$"):
        load(tmp_path / "folder.json")


def test_decoding_error_names_the_file_and_the_line(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"taskrunner": 1,\n "nodes": [{"id": 3}]}')
    with pytest.raises(GraphError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2:19: nodes[0].id: expected str, got int"


def test_linking_error_names_the_file_and_the_line(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(
        '{"taskrunner": 1, "nodes": [\n'
        '  {"id": "alpha", "run": "ls", "needs": ["beta"]},\n'
        '  {"id": "beta", "run": "ls", "stdin": [{"$ref": "aplha"}], "needs": ["alpha"]}\n'
        "]}"
    )
    with pytest.raises(GraphError) as caught:
        load(path).link()
    assert str(caught.value) == (
        f"{path}:2:3: nodes[0]: dependency cycle: alpha -> beta -> alpha\n"
        f'{path}:3:50: nodes[1].stdin[0].$ref: unknown node "aplha"; did you mean "alpha"?'
    )
    assert (caught.value.source, caught.value.exit_code) == (str(path), 3)


@pytest.mark.parametrize("encoding", ["toml", "msgpack"])
def test_linking_error_outside_json_names_the_place(encoding):
    g = Graph.decode(MINIMAL[encoding], encoding, "g")
    g.run("ls", id="b", needs="c")
    with pytest.raises(GraphError) as caught:
        g.link()
    assert str(caught.value) == 'g: nodes[1].needs[0]: unknown node "c"'


def test_loaded_graph_can_be_built_on():
    g = Graph.decode(b'{"taskrunner": 1, "nodes": [{"id": "ls", "run": "ls"}], "outputs": ["ls"]}', "json")
    assert g.run("ls", needs="ls").id == "ls-2"
    assert [node.id for node in g.file.nodes] == ["ls", "ls-2"]
    assert g.file.outputs == ("ls",)


def test_empty_outputs_of_a_loaded_graph_stay_empty():
    g = Graph.decode(b'{"taskrunner": 1, "nodes": [], "outputs": []}', "json")
    assert g.file.outputs == ()
    g.run("ls")
    assert g.file.outputs == ()


def test_built_graph_comes_back_from_its_file():
    g = Graph("sum", params={"n": 4})
    numbers = g.call(range, g.param("n"))
    g.call(sum, numbers)
    for encoding in codec.FORMATS:
        assert Graph.decode(codec.encode(g.portable_file(), encoding), encoding).file == g.file


def test_builder_and_loader_are_public():
    assert (taskrunner.Graph, taskrunner.load) == (Graph, load)
