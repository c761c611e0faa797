import json
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskrunner.errors import GraphError, TaskrunnerError, UsageError
from taskrunner.graph.codec import FORMATS, Nodes, decode, encode, format_of, read
from taskrunner.graph.dag import Dag
from taskrunner.graph.link import link
from taskrunner.graph.spec import Defaults, FlatNode, GraphFile, Node, Retry, WholeResult

FUZZ = settings(max_examples=60, deadline=None, derandomize=True)
EMPTY = GraphFile(taskrunner=1, nodes=())


def marked(text):
    """Return the text without its mark, and the line and the column of the mark."""
    before, _, after = text.partition("¦")
    lines = before.split("\n")
    return (before + after).encode(), (len(lines), len(lines[-1]) + 1)


def problems_of(data, encoding):
    with pytest.raises(GraphError) as caught:
        decode(data, encoding)
    return caught.value.problems


def problem_of(data, encoding="json"):
    (problem,) = problems_of(data, encoding)
    return problem


def pack(value):
    return msgspec.msgpack.encode(value)


# -- encodings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", FORMATS)
def test_encoding_is_told_by_the_name(encoding):
    assert format_of(f"some.folder/graph.{encoding}") == encoding


@pytest.mark.parametrize("name", ["graph", "graph.yaml", "graph.json.gz", ".json"])
def test_name_that_does_not_tell_the_encoding_is_refused(name):
    with pytest.raises(UsageError) as caught:
        format_of(name)
    assert str(caught.value) == f"cannot infer the encoding of {name}: its suffix is none of .json .msgpack .toml"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("json", b'{"taskrunner": 1, "nodes": [{"id": "a", "run": ["ls"]}]}'),
        ("toml", b'taskrunner = 1\n[[nodes]]\nid = "a"\nrun = ["ls"]\n'),
        ("msgpack", pack({"taskrunner": 1, "nodes": [{"id": "a", "run": ["ls"]}]})),
    ],
)
def test_three_encodings_decode_to_the_same_file(encoding, data):
    assert decode(data, encoding) == GraphFile(taskrunner=1, nodes=(Node(id="a", run=("ls",)),))


# -- what does not fit the schema ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"),
    [
        ('{"taskrunner": ¦2, "nodes": []}', "taskrunner", "invalid enum value 2", ""),
        ('{"taskrunner": ¦"1", "nodes": []}', "taskrunner", "expected int, got str", ""),
        (
            ' \n ¦{"nodes": []}',
            "",
            'required field "taskrunner" is missing',
            '"taskrunner": 1 is the version of the format',
        ),
        ('¦{"taskrunner": 1}', "", 'required field "nodes" is missing', ""),
        (
            '{"taskrunner": 1, "nodes": [], "output": ¦[]}',
            "output",
            'unknown field "output"',
            'did you mean "outputs"?',
        ),
        ('{"taskrunner": 1, "nodes": [], "zzz": ¦1}', "zzz", 'unknown field "zzz"', ""),
        ('{"taskrunner": 1, "nodes": ¦{}}', "nodes", "expected array, got object", ""),
        ('{"taskrunner": 1, "nodes": [], "outputs": ["a", ¦3]}', "outputs[1]", "expected str, got int", ""),
        ('{"taskrunner": 1, "nodes": [], "pools": ¦[]}', "pools", "expected object, got array", ""),
        (
            '{"taskrunner": 1, "nodes": [], "defaults": {"retry": ¦1}}',
            "defaults.retry",
            'unknown field "retry"',
            'did you mean "retries"?',
        ),
        (
            '{"taskrunner": 1, "nodes": [], "defaults": {"timeout": ¦0}}',
            "defaults.timeout",
            "expected float > 0.0",
            "",
        ),
        (
            '{"taskrunner": 1, "nodes": [\n  {"id": "a"},\n  ¦"b"\n]}',
            "nodes[1]",
            "a node is an object, not a string",
            "",
        ),
        ('{"taskrunner": 1, "nodes": [¦{"call": "a:b"}]}', "nodes[0]", 'required field "id" is missing', ""),
        ('{"taskrunner": 1, "nodes": [{"id": ¦""}]}', "nodes[0].id", "expected str of length >= 1", ""),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a"}, {"id": "b",\n "arg": ¦[]}]}',
            "nodes[1].arg",
            'unknown field "arg"',
            'did you mean "args"?',
        ),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a", "needs": ["b", ¦null]}]}',
            "nodes[0].needs[1]",
            "expected str, got null",
            "",
        ),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a", "retries": ¦-1}]}',
            "nodes[0].retries",
            "expected int >= 0",
            "",
        ),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a", "retries": {"max": 1, "facto": ¦[]}}]}',
            "nodes[0].retries.facto",
            'unknown field "facto"',
            'did you mean "factor"?',
        ),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a", "retries": ¦{"backoff": 1}}]}',
            "nodes[0].retries",
            "object missing required field max",
            "",
        ),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a", "capture": ¦"lins"}]}',
            "nodes[0].capture",
            "invalid enum value 'lins'",
            "",
        ),
        (
            '{"taskrunner": 1, "nodes": [{"id": "a", "always": ¦1}]}',
            "nodes[0].always",
            "expected bool, got int",
            "",
        ),
    ],
)
def test_misfit_is_told_with_place_message_and_hint(text, where, message, hint):
    data, place = marked(text)
    problem = problem_of(data)
    assert (problem.where, problem.message, problem.hint) == (where, message, hint)
    assert (problem.line, problem.column) == place


def test_too_small_pool_is_told():
    problem = problem_of(b'{"taskrunner": 1, "nodes": [], "pools": {"a": 0}}')
    assert (problem.path[0], problem.message) == ("pools", "expected int >= 1")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "a graph file is an object, not a list"),
        (b'"x"', "a graph file is an object, not a string"),
        (b"true", "a graph file is an object, not a boolean"),
        (b"1.5", "a graph file is an object, not a number"),
        (b"null", "expected object, got null"),
    ],
)
def test_file_that_is_no_object_is_refused(data, message):
    problem = problem_of(data)
    assert (problem.where, problem.message, problem.line, problem.column) == ("", message, 1, 1)


def test_independent_problems_are_told_together():
    text = """{
  "name": 3,
  "extra": 1,
  "nodes": [
    {"id": "a", "timeout": 0, "neds": []},
    {"id": "ok", "run": "true"},
    7,
    {"args": {}}
  ]
}"""
    found = [(p.where, p.message, p.line, p.column) for p in problems_of(text.encode(), "json")]
    assert found == [
        ("", 'required field "taskrunner" is missing', 1, 1),
        ("name", "expected str, got int", 2, 11),
        ("extra", 'unknown field "extra"', 3, 12),
        ("nodes[0].timeout", "expected float > 0.0", 5, 28),
        ("nodes[0].neds", 'unknown field "neds"', 5, 39),
        ("nodes[2]", "a node is an object, not a number", 7, 5),
        ("nodes[3]", 'required field "id" is missing', 8, 5),
        ("nodes[3].args", "expected array, got object", 8, 14),
    ]


def test_error_text_names_source_place_and_hint():
    with pytest.raises(GraphError) as caught:
        decode(b'{"taskrunner": 1, "nodes": [],\n "nam": "x", "doc": 1}', "json", "graph.json")
    assert str(caught.value) == (
        'graph.json:2:9: nam: unknown field "nam"; did you mean "name"?\ngraph.json:2:21: doc: expected str, got int'
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("encoding", ["msgpack", "toml"])
def test_misfit_outside_json_has_a_place_but_no_line(encoding):
    data = {"msgpack": pack, "toml": msgspec.toml.encode}[encoding]({"taskrunner": 1, "nodes": [{"id": 3}]})
    problem = problem_of(data, encoding)
    assert (problem.where, problem.message) == ("nodes[0].id", "expected str, got int")
    assert (problem.line, problem.column) == (0, 0)


@pytest.mark.parametrize("key", [3, None, 1.5, True, b"x", (1, 2)])
def test_messagepack_key_that_is_no_text_is_refused(key):
    problems = problems_of(pack({"taskrunner": 1, "nodes": [], key: 1}), "msgpack")
    assert len(problems) == 1
    assert str(problems[0])


@pytest.mark.parametrize("key", [3, None, 1.5, True, b"x"])
def test_messagepack_key_of_a_node_that_is_no_text_is_refused(key):
    problems = problems_of(pack({"taskrunner": 1, "nodes": [{"id": "a", key: 1}]}), "msgpack")
    assert len(problems) == 1
    assert str(problems[0])


# -- what cannot be read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"taskrunner": 1,\n "nodes": [¦}', "not JSON: invalid character"),
        ('{"doc": "é",\n\n ¦@}', "not JSON: object keys must be strings"),
        ("{¦'taskrunner': 1}", "not JSON: object keys must be strings"),
    ],
)
def test_bad_json_is_told_with_line_and_column(text, message):
    data, place = marked(text)
    problem = problem_of(data)
    assert (problem.where, problem.message) == ("", message)
    assert (problem.line, problem.column) == place


GOOD = '{"taskrunner": 1,\n "nodes": [{"id": "é", "args": [{"a": "b"}, true]}]}'


@pytest.mark.parametrize("end", range(len(GOOD.encode())))
def test_truncated_json_is_refused_at_any_length(end):
    problem = problem_of(GOOD.encode()[:end])
    assert problem.message.startswith("not JSON: ")
    assert problem.line == (1 if end <= GOOD.index("\n") + 2 else 2)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"taskrunner": ¦2, "nodes": [', "taskrunner"),
        ('{"taskrunner": 1, "nodes": [{"id": ¦3}, {"id": "a', "nodes[0].id"),
        ('{"taskrunner": 1, "nodes": [{"id": ¦3}] "name"', "nodes[0].id"),
    ],
)
def test_misfit_in_front_of_a_torn_end_keeps_its_place(text, where):
    data, place = marked(text)
    problem = problem_of(data)
    assert (problem.where, problem.line, problem.column) == (where, *place)


def test_json_that_is_not_utf_8_is_told_with_its_place():
    problem = problem_of(b'{"taskrunner": 1,\n "name": "\xff", "nodes": []}')
    assert problem.message.startswith("not JSON: ")
    assert "utf-8" in problem.message
    assert (problem.line, problem.column) == (2, 11)


@pytest.mark.parametrize(
    "data",
    [b"", b" \n", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"\x00", b'"\\ud800"', b'{"taskrunner": 1, "nodes": []} x'],
)
def test_bytes_that_are_no_json_are_refused(data):
    assert problem_of(data).message.startswith("not JSON: ")


@pytest.mark.parametrize(
    ("data", "message", "line", "column"),
    [
        (b"taskrunner = 1\nnodes = \n", "not TOML: Invalid value", 2, 9),
        (b"taskrunner = 1\nnodes = []\nnodes = []\n", "not TOML: Cannot overwrite a value", 3, 11),
        (b"taskrunner", "not TOML: Expected '=' after a key in a key/value pair (at end of document)", 0, 0),
        (
            b'name = "\xff"',
            "not TOML: 'utf-8' codec can't decode byte 0xff in position 8: invalid start byte",
            0,
            0,
        ),
    ],
)
def test_bad_toml_is_refused(data, message, line, column):
    problem = problem_of(data, "toml")
    assert (problem.message, problem.line, problem.column) == (message, line, column)


def test_toml_integer_with_too_many_digits_is_refused():
    problem = problem_of(b"taskrunner = " + b"1" * 5000, "toml")
    assert problem.message.startswith("not TOML: ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not MessagePack: Input data was truncated"),
        (pack({"taskrunner": 1, "nodes": []})[:-1], "not MessagePack: Input data was truncated"),
        (pack({"taskrunner": 1, "nodes": []}) + b"\x00", "not MessagePack: MessagePack data is malformed: trailing"),
        (b"\xc1", "not MessagePack: MessagePack data is malformed: invalid opcode"),
        (
            b"\x83" + pack({"taskrunner": 1, "nodes": []})[1:] + pack("params") + b"\x81\xa1a\x81\x80\x01",
            "not MessagePack: MessagePack data is malformed: map keys must be hashable",
        ),
    ],
)
def test_bad_messagepack_is_refused(data, message):
    problem = problem_of(data, "msgpack")
    assert problem.message.startswith(message)
    assert (problem.line, problem.column) == (0, 0)


DEEP = 100_000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("json", b'{"taskrunner": 1, "nodes": [], "params": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}"),
        (
            "json",
            b'{"taskrunner": 1, "nodes": [{"id": "a", "args": ' + b'[{"a":' * DEEP + b"1" + b"}]" * DEEP + b"}]}",
        ),
        ("toml", b"taskrunner = " + b"[" * DEEP + b"]" * DEEP),
        ("msgpack", b"\x83" + pack("taskrunner") + b"\x01" + pack("nodes") + b"\x90" + pack("params")
         + b"\x81\xa1a" + b"\x91" * DEEP + b"\x00"),
    ],
)  # fmt: skip
def test_deep_nesting_is_refused(encoding, data):
    problem = problem_of(data, encoding)
    assert (problem.where, problem.message) == ("", "nested too deeply to be read")


# -- encoding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "module"), [("json", msgspec.json), ("msgpack", msgspec.msgpack)])
def test_defaults_are_left_out(encoding, module):
    assert module.decode(encode(EMPTY, encoding)) == {"taskrunner": 1, "nodes": []}


def test_json_is_indented_and_ends_its_last_line():
    file = GraphFile(taskrunner=1, nodes=(Node(id="a", run="ls"),), defaults=Defaults(timeout=1.5))
    assert encode(file, "json") == (
        b'{\n  "taskrunner": 1,\n  "nodes": [\n    {\n      "id": "a",\n      "run": "ls"\n    }\n  ],\n'
        b'  "defaults": {\n    "timeout": 1.5\n  }\n}\n'
    )


def test_toml_cannot_express_null():
    file = GraphFile(taskrunner=1, nodes=(), params={"n": None})
    with pytest.raises(TaskrunnerError, match=r"^TOML cannot express this graph: "):
        encode(file, "toml")


def test_toml_without_its_writer_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    with pytest.raises(TaskrunnerError) as caught:
        encode(EMPTY, "toml")
    assert str(caught.value) == "writing TOML needs tomli-w: install taskrunner[toml]"


def test_messagepack_cannot_express_a_huge_integer():
    file = decode(b'{"taskrunner": 1, "nodes": [], "params": {"n": 1180591620717411303424}}', "json")
    assert file.params["n"] == 2**70
    with pytest.raises(TaskrunnerError, match=r"^MessagePack cannot express this graph: "):
        encode(file, "msgpack")


@pytest.mark.parametrize("encoding", FORMATS)
def test_object_without_a_notation_is_refused(encoding):
    file = GraphFile(taskrunner=1, nodes=(Node(id="a", call="b:c", args=(object(),)),))
    with pytest.raises(TaskrunnerError, match="cannot express this graph: "):
        encode(file, encoding)


# -- any data ------------------------------------------------------------------------------------------

NAMES = st.sampled_from([*Node.__struct_encode_fields__, *GraphFile.__struct_encode_fields__, "$ref", "$item", "max"])
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
)
ANY = st.recursive(
    SCALARS | st.sampled_from(["a", "b", "m:f", 1]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=15,
)
ALMOST_NODES = st.fixed_dictionaries({"id": st.sampled_from(["a", "b", "a[0]", 1])}).flatmap(
    lambda node: st.dictionaries(st.sampled_from(Node.__struct_encode_fields__), ANY, max_size=4).map(
        lambda more: more | node
    )
)
ALMOST_FILES = st.fixed_dictionaries(
    {"taskrunner": st.sampled_from([1, 1, 2]), "nodes": st.lists(ALMOST_NODES)}
).flatmap(
    lambda file: st.dictionaries(st.sampled_from(GraphFile.__struct_encode_fields__), ANY, max_size=2).map(
        lambda more: more | file
    )
)


def outcome(function, *args):
    """Return what the function returns, or the problems of a graph error; nothing else may come out."""
    try:
        return function(*args)
    except GraphError as error:
        told = error
    assert told.problems
    assert all(problem.message for problem in told.problems)
    return told


@FUZZ
@given(ANY | ALMOST_FILES, st.sampled_from([None, 2]))
def test_any_json_gives_a_file_or_problems_with_lines(value, indent):
    result = outcome(decode, json.dumps(value, indent=indent).encode(), "json")
    if isinstance(result, GraphError):
        assert all(problem.line >= 1 and problem.column >= 1 for problem in result.problems)
    else:
        assert isinstance(result, GraphFile)


@FUZZ
@given(ANY | ALMOST_FILES)
def test_any_messagepack_gives_a_file_or_problems(value):
    assert isinstance(outcome(decode, pack(value), "msgpack"), GraphFile | GraphError)


@FUZZ
@given(ALMOST_FILES)
def test_any_file_links_or_gives_problems(value):
    result = outcome(decode, json.dumps(value).encode(), "json")
    if isinstance(result, GraphFile):
        assert isinstance(outcome(link, result), Dag | GraphError)


@FUZZ
@given(ALMOST_FILES, st.data(), st.sampled_from(FORMATS))
def test_torn_or_changed_bytes_give_a_file_or_problems(value, data, encoding):
    whole = pack(value) if encoding == "msgpack" else json.dumps(value).encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    torn = whole[:start] + data.draw(st.binary(max_size=3)) + data.draw(st.sampled_from([b"", whole[end:]]))
    assert isinstance(outcome(decode, torn, encoding), GraphFile | GraphError)


@FUZZ
@given(st.binary(max_size=40), st.sampled_from(FORMATS))
def test_any_bytes_give_a_file_or_problems(data, encoding):
    assert isinstance(outcome(decode, data, encoding), GraphFile | GraphError)


# -- round trips ---------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.recursive(
    st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
POSITIVE = st.floats(0, 1e9, exclude_min=True)
RETRIES = st.integers(0, 9) | st.builds(
    Retry, max=st.integers(0, 9), backoff=st.floats(0, 9), factor=POSITIVE, jitter=st.floats(0, 9),
    on=st.lists(TEXT | INTEGERS, max_size=2).map(tuple),
)  # fmt: skip
POOL = TEXT | st.lists(TEXT, max_size=2).map(tuple)
LISTS = st.lists(VALUES, max_size=3).map(tuple)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=3)
UNSAID = st.just(msgspec.UNSET)
NODES = st.builds(
    Node, id=TEXT.filter(bool), call=UNSAID | TEXT, args=LISTS, kwargs=OBJECTS, run=UNSAID | TEXT | LISTS,
    env=OBJECTS, cwd=UNSAID | TEXT, stdin=UNSAID | VALUES,
    capture=st.sampled_from(["text", "lines", "json", "bytes", "none"]), needs=st.lists(TEXT, max_size=2).map(tuple),
    map=UNSAID | VALUES, when=UNSAID | VALUES, always=st.booleans(), retries=UNSAID | RETRIES,
    timeout=UNSAID | POSITIVE, pool=UNSAID | POOL, priority=INTEGERS, allow_failure=st.booleans(),
)  # fmt: skip
FILES = st.builds(
    GraphFile, taskrunner=st.just(1), nodes=st.lists(NODES, max_size=3).map(tuple), schema=TEXT, name=TEXT, doc=TEXT,
    params=OBJECTS, pools=st.dictionaries(TEXT, st.integers(1, 99), max_size=2),
    defaults=st.builds(Defaults, retries=UNSAID | RETRIES, timeout=UNSAID | POSITIVE, pool=UNSAID | POOL),
    outputs=UNSAID | st.lists(TEXT, max_size=2).map(tuple),
)  # fmt: skip


@FUZZ
@given(FILES)
@pytest.mark.parametrize("encoding", FORMATS)
def test_file_comes_back_from_each_encoding(encoding, file):
    assert decode(encode(file, encoding), encoding) == file


@FUZZ
@given(FILES)
def test_file_comes_back_from_all_encodings_in_a_row(file):
    once = decode(encode(file, "json"), "json")
    twice = decode(encode(once, "toml"), "toml")
    assert decode(encode(twice, "msgpack"), "msgpack") == file


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_null_comes_back(encoding):
    node = Node(id="a", run="ls", stdin=None, when=None, env={"A": None})
    file = GraphFile(taskrunner=1, nodes=(node,), params={"n": None}, outputs=())
    assert decode(encode(file, encoding), encoding) == file


# -- nodes one by one ----------------------------------------------------------------------------------

LAZY = ["json", "msgpack"]
WRITE = {"json": lambda value: json.dumps(value).encode(), "msgpack": pack}
DECODE = {"json": msgspec.json.decode, "msgpack": msgspec.msgpack.decode}
REFERENCES = st.sampled_from("ab").map(lambda name: {"$ref": name})
FLAT_NODES = st.builds(
    Node, id=TEXT.filter(bool), call=TEXT,
    args=st.lists(REFERENCES | st.none() | st.booleans() | INTEGERS | TEXT, max_size=4).map(tuple),
)  # fmt: skip


def read_nodes(nodes, encoding):
    return read(WRITE[encoding]({"taskrunner": 1, "nodes": nodes}), encoding)[1]


@FUZZ
@given(FILES, st.lists(FLAT_NODES, max_size=3))
@pytest.mark.parametrize("encoding", LAZY)
def test_head_and_nodes_are_those_of_the_whole_file(encoding, file, more):
    file = msgspec.structs.replace(file, nodes=(*file.nodes, *more))
    head, nodes = read(encode(file, encoding), encoding)
    assert head == msgspec.structs.replace(file, nodes=())
    assert tuple(nodes) == file.nodes
    assert len(nodes) == len(file.nodes)


@FUZZ
@given(st.lists(NODES | FLAT_NODES, max_size=4))
@pytest.mark.parametrize("encoding", LAZY)
def test_lean_nodes_are_the_same_nodes(encoding, nodes):
    file = GraphFile(taskrunner=1, nodes=tuple(nodes))
    lean = list(read(encode(file, encoding), encoding)[1].iterate_flat())
    assert [node.to_node() if type(node) is FlatNode else node for node in lean] == nodes


@FUZZ
@given(ALMOST_FILES, st.sampled_from(LAZY))
def test_a_file_is_read_if_it_could_be_decoded_whole(value, encoding):
    data = WRITE[encoding](value)
    try:
        whole = DECODE[encoding](data, type=GraphFile)
    except msgspec.ValidationError:
        whole = None
    result = outcome(decode, data, encoding)
    assert isinstance(result, GraphError) if whole is None else result == whole


def test_toml_is_decoded_at_once():
    data = b'taskrunner = 1\nname = "n"\n[[nodes]]\nid = "a"\nrun = "ls"\n'
    assert read(data, "toml") == (GraphFile(taskrunner=1, nodes=(), name="n"), (Node(id="a", run="ls"),))


@pytest.mark.parametrize("encoding", LAZY)
def test_nodes_are_a_sequence(encoding):
    nodes = read_nodes([{"id": name, "call": "m:f"} for name in "abc"], encoding)
    a, b, c = (Node(id=name, call="m:f") for name in "abc")
    assert (len(nodes), nodes[0], nodes[-1], nodes[1:], nodes[::-2]) == (3, a, c, [b, c], [c, a])
    assert ([*nodes], [*reversed(nodes)], b in nodes, nodes.index(c)) == ([a, b, c], [c, b, a], True, 2)
    with pytest.raises(IndexError):
        nodes[3]


@pytest.mark.parametrize("encoding", LAZY)
def test_nodes_are_decoded_anew_whenever_they_are_asked_for(encoding):
    nodes = read_nodes([{"id": "a", "call": "m:f", "args": [[]]}], encoding)
    assert isinstance(nodes, Nodes)
    nodes[0].args[0].append(1)
    assert nodes[0].args == ([],)
    assert nodes[0] is not nodes[0]


FLAT = {"id": "a", "call": "m:f"}


@pytest.mark.parametrize("encoding", LAZY)
@pytest.mark.parametrize(
    ("more", "args"),
    [
        ({}, ()),
        ({"args": []}, ()),
        ({"args": [1, 2.5, "x", True, None, 2**63]}, (1, 2.5, "x", True, None, 2**63)),
        ({"args": [{"$ref": "b"}, 1, {"$ref": "b"}]}, (WholeResult("b"), 1, WholeResult("b"))),
    ],
)
def test_a_call_with_scalars_and_whole_results_is_lean(encoding, more, args):
    (node,) = read_nodes([FLAT | more], encoding).iterate_flat()
    assert node == FlatNode("a", "m:f", args)
    assert [type(arg) for arg in node.args] == [type(arg) for arg in args]


@pytest.mark.parametrize("encoding", LAZY)
@pytest.mark.parametrize(
    "more",
    [
        {"args": [[1]]},
        {"args": [{}]},
        {"args": [{"$ref": "b", "path": []}]},
        {"args": [{"$ref": 1}]},
        {"args": [{"$param": "n"}]},
        {"args": [{"$literal": 1}]},
        {"kwargs": {}},
        {"needs": []},
        {"when": None},
        {"always": False},
        {"priority": 0},
        {"map": [1]},
        {"pool": "p"},
    ],
    ids=str,
)
def test_a_node_that_says_anything_else_is_whole(encoding, more):
    nodes = read_nodes([FLAT | more], encoding)
    assert list(nodes.iterate_flat()) == list(nodes)
    assert [type(node) for node in nodes.iterate_flat()] == [Node]


def test_a_command_is_whole():
    assert [type(node) for node in read_nodes([{"id": "a", "run": "ls"}], "json").iterate_flat()] == [Node]


def test_bytes_in_messagepack_are_whole():
    (node,) = read_nodes([FLAT | {"args": [b"x"]}], "msgpack").iterate_flat()
    assert node == Node(id="a", call="m:f", args=(b"x",))


MISFITS = [
    ({"id": ""}, "id", "expected str of length >= 1"),
    ({"call": 3}, "call", "expected str, got int"),
    ({"args": 3}, "args", "expected array, got int"),
    ({"needs": [3]}, "needs[0]", "expected str, got int"),
    ({"arg": [1]}, "arg", 'unknown field "arg"'),
]


@pytest.mark.parametrize("encoding", LAZY)
@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize(("wrong", "field", "message"), MISFITS)
def test_a_misfit_in_any_node_is_told_when_the_file_is_read(encoding, place, wrong, field, message):
    nodes = [{"id": name, "call": "m:f"} for name in "abcd"]
    nodes.insert(place, FLAT | wrong)
    with pytest.raises(GraphError) as caught:
        read_nodes(nodes, encoding)
    (problem,) = caught.value.problems
    assert (problem.where, problem.message) == (f"nodes[{place}].{field}", message)
    assert bool(problem.line) is (encoding == "json")


@pytest.mark.parametrize(
    "bad", [b'"\xff"', b'"\\ud800"', b'"\\x"', b"01", b"1.", b"tru", b"1e999", b"[1,]", b'"tab\there"'], ids=ascii
)
@pytest.mark.parametrize("field", [b"args", b"kwargs", b"id"])
def test_what_is_no_json_inside_a_node_is_told_when_the_file_is_read(field, bad):
    value = {b"args": b"[1, %s]", b"kwargs": b'{"k": %s}', b"id": b"%s"}[field] % bad
    head = b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "m:f"},\n'
    with pytest.raises(GraphError) as caught:
        read(head + b'{"call": "m:f", "%s": %s}]}' % (field, value), "json")
    (problem,) = caught.value.problems[-1:]
    assert problem.line == 2
