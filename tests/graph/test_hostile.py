"""Graph files that mean harm: each is refused, or read, in words, in bounded time and in bounded memory."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrunner.errors import MAX_HINTS, MAX_PROBLEMS, GraphError, UsageError
from taskrunner.graph import codec, params
from taskrunner.graph.codec import FORMATS, decode, encode
from taskrunner.graph.dag import Dag
from taskrunner.graph.graph import Graph
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile, Node
from taskrunner.nodes import resolve

ROOT = Path(__file__).parents[2]
MEMORY = 3 * 2**30  # of addresses: what is mapped and never touched counts as well
SECONDS = 40  # of processor time, on a machine that does other things too
MANY = 100_000
DEEP = 100_000

CHILD = """
import resource, sys
memory, seconds, *sys.argv[1:] = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(memory),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds),) * 2)
from taskrunner.cli.main import main
main()
"""


class Checked:
    """How ``taskrunner check`` ended on a file."""

    def __init__(self, folder, name, data, *words):
        (folder / name).write_bytes(data)
        command = [sys.executable, "-c", CHILD, str(MEMORY), str(SECONDS), "check", name, *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=110)
        self.code, self.out, self.err = ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    def is_in_words(self):
        return "Traceback" not in self.err and self.code in (0, 3) and len(self.err) < 500_000


def pack(value):
    return msgspec.msgpack.encode(value)


WRITE = {
    "json": lambda value: json.dumps(value).encode(),
    "msgpack": pack,
    "toml": msgspec.toml.encode,
}


@pytest.fixture
def check(tmp_path):
    """Return what checks bytes in a child process whose memory and time are bounded."""
    return lambda encoding, data, *words: Checked(tmp_path, f"graph.{encoding}", data, *words)


@pytest.fixture
def written(check):
    """Return what checks a file with these nodes, written in an encoding."""
    return lambda encoding, *nodes, **fields: check(
        encoding, WRITE[encoding]({"taskrunner": 1, "nodes": list(nodes), **fields})
    )


def call(node, *args, **fields):
    return {"id": node, "call": "builtins:dict", "args": list(args), **fields}


def run(node, **fields):
    return {"id": node, "run": "true", **fields}


# -- what is no file -----------------------------------------------------------------------------------

GOOD = {"taskrunner": 1, "name": "é", "nodes": [run("a"), run("b", needs=["a"])]}


@pytest.mark.parametrize("encoding", FORMATS)
def test_a_truncated_file_is_refused_wherever_it_ends(encoding):
    data = WRITE[encoding](GOOD)
    for end in range(len(data)):
        with contextlib.suppress(GraphError):
            decode(data[:end], encoding)
            assert encoding == "toml", end  # a part of a TOML file may be one


@pytest.mark.parametrize("encoding", FORMATS)
def test_a_torn_file_is_told(check, encoding):
    told = check(encoding, WRITE[encoding](GOOD)[:-3])
    assert (told.code, told.out, told.is_in_words()) == (3, "", True)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("json", b'{"taskrunner": 1, "nodes": [{"id": "\xff\xfe", "run": "true"}]}'),
        ("toml", b'taskrunner = 1\nnodes = [{id = "\xff\xfe", run = "true"}]'),
        ("msgpack", pack({"taskrunner": 1, "nodes": []})[:-1] + b"\x91\x82\xa2id\xa2\xff\xfe\xa3run\xa1x"),
    ],
)
def test_text_that_is_not_utf_8_is_told(check, encoding, data):
    told = check(encoding, data)
    assert (told.code, told.is_in_words()) == (3, True)
    assert "utf-8" in told.err


@pytest.mark.parametrize("wrong", [None, True, 1, -0.5, "x", [], {}, [[]], [None], {"": None}], ids=repr)
@pytest.mark.parametrize("field", [*GraphFile.__struct_encode_fields__, *Node.__struct_encode_fields__])
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_wrong_type_anywhere_is_an_error_in_words_or_none(encoding, field, wrong):
    file = GOOD | {field: wrong} if field in GraphFile.__struct_encode_fields__ else None
    data = WRITE[encoding](file or {"taskrunner": 1, "nodes": [run("a") | {field: wrong}]})
    assert isinstance(outcome(lambda: Graph.decode(data, encoding).link(complete=False)), Dag | list)


# -- what is too deep, too big, too many ---------------------------------------------------------------


def nested(encoding, field, depth):
    """Return a file in which a field of a node holds so many lists, one in the other."""
    if encoding == "json":
        return b'{"taskrunner": 1, "nodes": [{"id": "a", "run": "true", "%s": %s%s}]}' % (
            field.encode(), b"[" * depth, b"]" * depth,
        )  # fmt: skip
    if encoding == "toml":
        return b'taskrunner = 1\n[[nodes]]\nid = "a"\nrun = "true"\n%s = %s%s\n' % (
            field.encode(), b"[" * depth, b"]" * depth,
        )  # fmt: skip
    return b"\x82" + pack("taskrunner") + b"\x01" + pack("nodes") + b"\x91\x83" + b"".join(
        [pack("id"), pack("a"), pack("run"), pack("true"), pack(field), b"\x91" * depth + b"\x90"]
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("depth", [200, 900, DEEP])
@pytest.mark.parametrize("field", ["args", "stdin", "when", "map", "id", "zzz"])
@pytest.mark.parametrize("encoding", FORMATS)
def test_deep_nesting_is_read_or_refused(check, encoding, field, depth):
    told = check(encoding, nested(encoding, field, depth))
    assert told.is_in_words()
    if depth == DEEP:
        assert told.code == 3
        assert "nested too deeply" in told.err or "Recursion" not in told.err


@pytest.mark.slow
@pytest.mark.parametrize("key", ["a." * DEEP + "a = 1", "[" + "a." * DEEP + "a]", "x = {" + "a." * DEEP + "a = 1}"])
def test_a_toml_key_of_many_parts_is_refused(check, key):
    told = check("toml", b"taskrunner = 1\n" + key.encode() + b"\nnodes = []\n")
    assert (told.code, told.is_in_words()) == (3, True)
    assert "nested too deeply" in told.err


HUGE = "9" * 4000
LONGER = "9" * 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("number", [HUGE, LONGER, "-" + LONGER, "1e999999999", "0." + LONGER, "1" + "0" * 400])
@pytest.mark.parametrize("where", ["priority", "timeout", "retries", "stdin", "args"])
def test_a_huge_number_is_read_or_refused(check, where, number):
    fields = {"id": '"a"', "call" if where == "args" else "run": '"builtins:dict"'}
    fields[where] = f"[{number}]" if where == "args" else number
    node = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    told = check("json", f'{{"taskrunner": 1, "nodes": [{{{node}}}]}}'.encode())
    assert told.is_in_words()


@pytest.mark.slow
@pytest.mark.parametrize("number", ["inf", "nan", "-nan", HUGE, LONGER, "0x" + "f" * 1_000_000, "1e999"])
def test_a_strange_number_in_toml_is_read_or_refused(check, number):
    for line in (f"timeout = {number}", f"stdin = {number}", f"priority = {number}"):
        told = check("toml", f'taskrunner = 1\n[[nodes]]\nid = "a"\nrun = "true"\n{line}\n'.encode())
        assert told.is_in_words()


ANNOUNCED = 2**32 - 1


def head(code):
    return bytes([code]) + ANNOUNCED.to_bytes(4, "big")


NODES = b"\x82" + pack("taskrunner") + b"\x01" + pack("nodes")
BOMBS = {
    "text": NODES[:-6] + head(0xDB),
    "bytes": head(0xC6),
    "file": head(0xDF),
    "keys": head(0xDF) + b"\xa1a\x01" * 1000,
    "nodes": NODES + head(0xDD),
    "some nodes": NODES + head(0xDD) + pack(run("a")) * 1000,
    "id": NODES + b"\x91\x81" + pack("id") + head(0xDB),
    "args": NODES + b"\x91\x81" + pack("args") + head(0xDD),
    "kwargs": NODES + b"\x91\x81" + pack("kwargs") + head(0xDF),
    "needs": NODES + b"\x91\x81" + pack("needs") + head(0xDD) + b"\xa1a" * 1000,
    "lists in lists": NODES + b"\x91\x81" + pack("args") + head(0xDD) * 1000,
    "keys in keys": NODES + b"\x91\x81" + pack("kwargs") + head(0xDF) * 1000,
    "extension": NODES + b"\x91\x81" + pack("args") + b"\x91" + head(0xC9) + b"\x01",
    "as many as fit": NODES + b"\x91\x81" + pack("args") + b"\xdc\xff\xff" * 1000,
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_messagepack_that_announces_what_it_does_not_hold_is_refused(check, bomb):
    told = check("msgpack", bomb)
    assert (told.code, told.is_in_words()) == (3, True)


# -- ids and references --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_of_a_doubled_key_the_last_one_counts(check, encoding):
    nodes, last = [run("x"), run("y")], b'[{"id": "b", "id": "a", "run": "true"}]'
    data = b'{"taskrunner": 1, "nodes": %s, "nodes": %s}' % (json.dumps(nodes).encode(), last)
    if encoding == "msgpack":
        last = b"\x91\x83" + pack("id") + pack("b") + pack("id") + pack("a") + pack("run") + pack("true")
        data = b"\x83" + pack("taskrunner") + b"\x01" + pack("nodes") + pack(nodes) + pack("nodes") + last
    told = check(encoding, data)
    assert (told.code, told.err, told.out) == (0, "", f"graph.{encoding}: ok, 1 nodes, 0 edges, 1 levels\n")
    assert [node.id for node in decode(data, encoding).nodes] == ["a"]


def test_a_doubled_key_in_toml_is_refused(check):
    told = check("toml", b"taskrunner = 1\nnodes = []\nnodes = []\n")
    assert (told.code, told.is_in_words()) == (3, True)


@pytest.mark.parametrize("encoding", FORMATS)
def test_doubled_ids_are_told_and_not_without_end(written, encoding):
    told = written(encoding, *[run("a")] * (MANY // 10))
    assert (told.code, told.is_in_words()) == (3, True)
    lines = told.err.splitlines()
    assert len(lines) == MAX_PROBLEMS + 1
    assert 'duplicate id "a"' in lines[0]
    assert lines[-1].endswith(f"more than {MAX_PROBLEMS} problems; the others are not shown")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", FORMATS)
def test_many_references_to_one_node_are_one_dependency(written, encoding):
    told = written(encoding, run("a"), call("b", [{"$ref": "a"}] * MANY), run("c", needs=["a"] * MANY))
    assert (told.code, told.err, told.out) == (0, "", f"graph.{encoding}: ok, 3 nodes, 2 edges, 2 levels\n")


@pytest.mark.slow
def test_a_million_references_to_one_node(written):
    told = written("json", run("a"), call("b", [{"$ref": "a"}] * 1_000_000))
    assert (told.code, told.err) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", FORMATS)
def test_many_references_that_lead_nowhere_are_told_and_not_without_end(written, encoding):
    known = [run(f"node-{number}") for number in range(MANY // 10)]
    told = written(encoding, *known, call("b", [{"$ref": f"nude-{number}"} for number in range(MANY)]))
    assert (told.code, told.is_in_words()) == (3, True)
    assert 'unknown node "nude-0"; did you mean "node-0"?' in told.err
    assert len(told.err.splitlines()) == MAX_PROBLEMS + 1


def deeply(parts, depth):
    """Return a file of one call with many parts, as many lists deep."""
    args = b"[" * depth + b",".join(parts) + b"]" * depth
    node = b'{"id": "b", "call": "builtins:dict", "args": [%s]}' % args
    return b'{"taskrunner": 1, "nodes": [{"id": "a", "run": "true"}, %s]}' % node


@pytest.mark.slow
@pytest.mark.parametrize("depth", [100, 800])
def test_many_references_in_great_depth(check, depth):
    told = check("json", deeply([b'{"$ref": "a"}'] * MANY, depth))
    assert told.is_in_words()
    told = check("json", deeply([b'{"$ref": "nowhere"}'] * MANY, depth))
    assert (told.code, told.is_in_words()) == (3, True)
    assert len(told.err.splitlines()) == MAX_PROBLEMS + 1


@pytest.mark.slow
def test_many_references_to_a_big_parameter_share_it(written):
    params = {"big": [list(range(1000))] * 20}
    told = written("json", call("a", *[{"$param": "big"}] * MANY, {"$param": "big", "path": [0]}), params=params)
    assert (told.code, told.out) == (0, "graph.json: ok, 1 nodes, 0 edges, 1 levels\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nope": 1}, 'unknown field "nope"'),
        ({"call": "no_such_module:f"}, 'no module named "no_such_module"'),
        ({"call": "math:pii"}, 'did you mean "pi"?'),
        ({"call": "math:f()"}, "is not of the form package.module:name"),
        ({"args": [{"$param": "p"}]}, 'unknown parameter "p"'),
        ({"args": [{"$rf": "p"}]}, 'not a reference: unexpected "$rf"; did you mean "$ref"?'),
        ({"needs": ["-"]}, 'unknown node "-"'),
        ({"pool": "p"}, 'unknown pool "p"'),
        ({"needs": [3]}, "expected str, got int"),
    ],
    ids=str,
)
def test_what_is_wrong_with_each_of_many_nodes_is_told_and_not_without_end(written, fields, message):
    told = written("json", *({"id": str(number), "call": "builtins:dict"} | fields for number in range(MANY)))
    assert (told.code, told.is_in_words()) == (3, True)
    lines = told.err.splitlines()
    assert len(lines) == MAX_PROBLEMS + 1
    assert message in lines[0]


@pytest.mark.slow
def test_many_names_that_are_nowhere_are_told_and_not_without_end(written):
    told = written("json", *(call(str(number)) | {"call": f"none{number}.at.all:f"} for number in range(MANY // 10)))
    assert (told.code, told.is_in_words()) == (3, True)
    assert len(told.err.splitlines()) == MAX_PROBLEMS + 1


def counted(monkeypatch, module, name):
    """Count the calls of a module's function."""
    calls, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args, **options: calls.append(args) or function(*args, **options))
    return calls


def test_no_more_is_looked_at_than_is_told(monkeypatch):
    nodes = [{"id": str(number), "call": f"none{number}:f", "nope": 1} for number in range(5 * MAX_PROBLEMS)]
    looked_at = counted(monkeypatch, codec, "_explain_node")
    with pytest.raises(GraphError):
        decode(pack({"taskrunner": 1, "nodes": nodes}), "msgpack")
    assert len(looked_at) <= MAX_PROBLEMS + 1


def test_no_more_modules_are_looked_for_than_are_told(monkeypatch):
    nodes = [{"id": str(number), "call": f"none{number}:f"} for number in range(5 * MAX_PROBLEMS)]
    dag = link(msgspec.convert({"taskrunner": 1, "nodes": nodes}, GraphFile))
    looked_for, guessed = counted(monkeypatch, resolve, "resolve"), counted(monkeypatch, resolve, "did_you_mean")
    with pytest.raises(GraphError):
        resolve.resolve_all(dag, {})
    assert (len(looked_for), len(guessed)) == (MAX_PROBLEMS + 1, MAX_HINTS)


def test_what_was_meant_is_guessed_for_short_names_among_some():
    assert did_you_mean("a" * 99 + "b", ["a" * 100]) == f'did you mean "{"a" * 100}"?'
    assert did_you_mean("a" * 100 + "b", ["a" * 100]) == ""
    assert did_you_mean("a" * 99 + "b", ["a" * 101]) == ""
    assert did_you_mean("abc", iter([*map(str, range(10_000)), "abcd"])) == ""


LONG = "x" * 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize(
    "nodes",
    [
        [run(LONG + "y"), run("b", needs=[LONG])],
        [run(LONG), run(LONG)],
        [run(LONG, needs=[LONG])],
        [run("a") | {LONG: 1}],
        [run("a") | {"capture": LONG}],
        [call("a") | {"call": f"{LONG}:f"}],
        [call("a") | {"call": f"math:{LONG}"}],
        [call("a") | {"call": ".".join(["a"] * MANY) + ":f"}],
        [call("a") | {"call": "math:" + ".".join(["a"] * MANY)}],
        [call("a", {"$ref": LONG}), call("b", {"$param": LONG}), call("c", {"$" + LONG: 1})],
        [run("[1" * MANY + "]", map=[1])],
    ],
    ids=["need", "twice", "self", "field", "value", "module", "name", "parts", "attributes", "reference", "brackets"],
)
def test_a_long_name_is_told_in_few_words(written, encoding, nodes):
    told = written(encoding, *nodes)
    assert told.is_in_words()
    assert len(told.err) < 10_000


@pytest.mark.parametrize("encoding", FORMATS)
def test_a_node_that_needs_itself_is_a_cycle(written, encoding):
    for node in (
        run("a", needs=["a"]),
        call("a", {"$ref": "a"}),
        run("a", when={"$ref": "a"}),
        run("a", map={"$ref": "a"}),
    ):
        told = written(encoding, node)
        assert (told.code, told.is_in_words()) == (3, True)
        assert "dependency cycle: a -> a" in told.err


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_many_cycles_are_told_and_not_without_end(written, encoding):
    told = written(encoding, *(run(str(number), needs=[str(number)]) for number in range(MANY)))
    assert (told.code, told.is_in_words()) == (3, True)
    assert "dependency cycle: 0 -> 0\n" in told.err


@pytest.mark.slow
def test_a_long_cycle_is_told_by_its_ends(written):
    told = written("json", *(run(str(number), needs=[str((number + 1) % MANY)]) for number in range(MANY)))
    assert (told.code, told.is_in_words()) == (3, True)
    assert "dependency cycle: 0 -> 1 -> " in told.err
    assert f"({MANY - 39} more)" in told.err
    assert len(told.err) < 2000


@pytest.mark.slow
def test_a_node_that_waits_for_many_that_wait_for_a_cycle(written):
    many = [str(number) for number in range(MANY // 2)]
    told = written("json", run("c", needs=["c"]), *(run(one, needs=["c"]) for one in many), run("z", needs=many))
    assert (told.code, told.err) == (3, "graph.json:1:29: nodes[0]: dependency cycle: c -> c\n")


@pytest.mark.parametrize(
    "place", ["args", "kwargs", "stdin", "env", "map", "when", "run", "needs", "id", "call", "cwd", "pool"]
)
@pytest.mark.parametrize(
    "odd",
    [
        {"$ref": None},
        {"$ref": ["a"]},
        {"$ref": {"$ref": "a"}},
        {"$ref": "a", "$param": "p"},
        {"$ref": "a", "path": {"$ref": "a"}},
        {"$ref": "a", "path": [None]},
        {"$ref": "a", "path": [2**62]},
        {"$ref": "a", "more": 1},
        {"$literal": {"$ref": "zzz"}, "path": []},
        {"$literal": {"$ref": "zzz"}},
        {"$item": 1},
        {"$item": True},
        {"$param": "p", "path": ["a", "b"]},
        {"$param": "p", "path": [0, 2**70]},
        {"$": 1},
        {"path": ["a"]},
        {"$ref": "a\x00"},
    ],
    ids=str,
)
def test_a_reference_in_an_odd_place_or_form_is_read_or_refused(place, odd):
    node = {"id": "b", "call" if place in ("args", "kwargs") else "run": "builtins:dict"}
    node[place] = [odd] if place in ("args", "run", "needs") else {"k": odd} if place in ("env", "kwargs") else odd
    data = json.dumps({"taskrunner": 1, "nodes": [run("a"), node], "params": {"p": [1]}}).encode()
    assert isinstance(outcome(lambda: Graph.decode(data, "json").link()), Dag | list)


HOSTILE_NAMES = [
    "two\nlines",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202eback",
    "\x9b2J",
    "tab\t\r",
    "\u2028",
    "\x7f",
    "\x00",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
@pytest.mark.parametrize("encoding", FORMATS)
def test_a_name_that_could_write_elsewhere_is_shown_as_escapes(encoding, name):
    nodes = [run(name), run(name), run("a", needs=[name + "!"]), run("b", pool=name), {"id": "c", "call": name}]
    nodes += [call("d", {"$" + name: 1}), call("e", {"$param": name}), run("f", needs=["f" + name])]
    nodes += [run("f" + name, needs=["f"])]
    with pytest.raises(GraphError) as caught:
        Graph.decode(WRITE[encoding]({"taskrunner": 1, "nodes": nodes, "outputs": [name + "?"]}), encoding, name).link()
    lines = str(caught.value).split("\n")
    assert len(lines) == len(caught.value.problems) == 8
    assert all(line.isprintable() for line in lines)


def test_an_unknown_field_with_a_hostile_name_is_shown_as_escapes():
    with pytest.raises(GraphError) as caught:
        decode(json.dumps({"taskrunner": 1, "nodes": [run("a") | {"\x1b\n": 1}]}).encode(), "json")
    assert r"nodes[0].\x1b\n: unknown field " in str(caught.value)


def test_the_name_of_a_child_is_taken_though_there_is_a_newline_in_it():
    file = {"taskrunner": 1, "nodes": [run("a\nb[0]"), run("a\nb", map=[1])]}
    with pytest.raises(GraphError, match="is the name of a child of"):
        link(msgspec.convert(file, GraphFile))


# -- anything ------------------------------------------------------------------------------------------

FUZZ = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
SEEDS = [
    WRITE[encoding](
        {
            "taskrunner": 1,
            "name": "seed é",
            "params": {"n": 3, "token": "x"},
            "pools": {"disk": 1},
            "nodes": [
                {"id": "a", "run": ["echo", {"$param": "n"}], "env": {"A": "b"}, "pool": "disk", "timeout": 1.5},
                {"id": "b", "call": "m:f", "args": [{"$ref": "a", "path": ["x", 0]}, [1, {"k": {"$ref": "a"}}]]},
                {"id": "c", "call": "m:f", "map": [1, 2], "args": [{"$item": True}], "retries": {"max": 2}},
                {"id": "d", "call": "m:f", "kwargs": {"q": {"$literal": {"$x": 1}}}, "when": {"$ref": "c"}},
            ],
            "outputs": ["d"],
        }
    )
    for encoding in FORMATS
]


def outcome(act):
    """Return what an act gives: a list of problems where it is refused; nothing else may come out."""
    try:
        return act()
    except GraphError as error:
        lines = str(error).split("\n")
        assert all(lines)
        assert all(line.isprintable() for line in lines)
        return list(error.problems)
    except UsageError as error:
        return [str(error)]


def load_and_link(data, encoding):
    graph = Graph.decode(data, encoding)
    dag = graph.link(complete=False)
    dag.levels()
    return dag


@FUZZ
@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_any_bytes_link_or_are_refused(data, encoding):
    assert isinstance(outcome(lambda: load_and_link(data, encoding)), Dag | list)


@FUZZ
@given(st.data(), st.integers(0, len(FORMATS) - 1))
def test_a_good_file_with_any_bytes_changed_links_or_is_refused(draw, which):
    data = bytearray(SEEDS[which])
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, len(data) - 1))
        length = draw.draw(st.integers(0, 4))
        data[place : place + length] = draw.draw(st.binary(max_size=4))
    assert isinstance(outcome(lambda: load_and_link(bytes(data), FORMATS[which])), Dag | list)


TEXT = st.text(max_size=4) | st.sampled_from(["a", "b", "c", "a[0]", "m:f", "$ref", "$param", "$item", "$literal", "n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(max_size=3)
    | st.sampled_from([{"$ref": "a"}, {"$ref": "b"}, {"$param": "n"}, {"$item": True}, {"$ref": "a", "path": [0]}]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
IDS = st.sampled_from(["a", "b", "c", "a[0]", "a\n"])
FIELDS = {
    "call": st.just("m:f") | TEXT,
    "run": TEXT | st.lists(VALUES, max_size=3),
    "args": st.lists(VALUES, max_size=3),
    "kwargs": st.dictionaries(TEXT, VALUES, max_size=3),
    "env": st.dictionaries(TEXT, VALUES, max_size=3),
    "needs": st.lists(TEXT, max_size=3),
    "map": VALUES,
    "when": VALUES,
    "stdin": VALUES,
    "pool": TEXT | st.lists(TEXT, max_size=2),
    "always": st.booleans(),
}
STRUCTURES = st.fixed_dictionaries(
    {
        "taskrunner": st.just(1),
        "nodes": st.lists(st.fixed_dictionaries({"id": IDS}, optional=FIELDS), max_size=5),
    },
    optional={
        "params": st.dictionaries(TEXT, VALUES, max_size=3),
        "pools": st.dictionaries(TEXT, st.integers(1, 2), max_size=2),
        "outputs": st.lists(TEXT, max_size=2),
    },
)


@pytest.mark.slow
@FUZZ
@given(STRUCTURES)
def test_any_structure_links_or_is_refused(structure):
    assert isinstance(outcome(lambda: load_and_link(pack(structure), "msgpack")), Dag | list)


@pytest.mark.slow
@FUZZ
@given(STRUCTURES, st.sampled_from(["json", "msgpack"]))
def test_whatever_links_can_be_written_and_links_again(structure, encoding):
    file = outcome(lambda: decode(pack(structure), "msgpack"))
    if isinstance(file, GraphFile) and isinstance(outcome(lambda: link(file)), Dag):
        again = decode(encode(file, encoding), encoding)
        assert isinstance(outcome(lambda: link(again)), Dag | list)


@FUZZ
@given(st.text(max_size=20), st.sampled_from([None, "x", 1, 1.5, False, [1], {"a": 1}]))
def test_any_setting_is_a_value_or_is_refused(text, default):
    file = GraphFile(taskrunner=1, nodes=(), params={"n": default})

    def act():
        name, value = params.parse_setting(file, f"n={text}")
        return [params.resolve(file, {name: value})]

    assert isinstance(outcome(act), list)


@FUZZ
@given(st.text(), st.text())
def test_any_text_is_found_to_be_no_path_too_long(name, key):
    assert isinstance(outcome(lambda: codec.format_of(name)), str | list)
    data = json.dumps({"taskrunner": 1, "nodes": [], name: {key: 1}}).encode()
    assert isinstance(outcome(lambda: decode(data, "json")), GraphFile | list)


def test_the_bounds_of_the_children_are_real():
    code = CHILD.replace("main()\n", "").replace("from taskrunner.cli.main import main", "bytearray(2**33)")
    command = [sys.executable, "-c", code, str(MEMORY), str(SECONDS)]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert re.search(rb"MemoryError", ended.stderr)
