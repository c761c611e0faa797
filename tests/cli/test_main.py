"""The command as a whole: help, exit codes, and errors in words."""

import json
import os
import re
from pathlib import Path

import pytest

COMMANDS = ("exec", "runs", "check", "show", "schema", "convert", "cache", "doctor")
BAD_FILES = {
    "empty.json": b"",
    "cut.json": b'{"taskrunner": 1, "nodes": [',
    "words.json": b"hello",
    "list.json": b"[]",
    "null.json": b"null",
    "bytes.json": b"\xff\xfe\x00",
    "mark.json": b'\xef\xbb\xbf{"taskrunner": 1, "nodes": []}',
    "version.json": b'{"taskrunner": 2, "nodes": []}',
    "nodes.json": b'{"taskrunner": 1, "nodes": {"id": "a"}}',
    "node.json": b'{"taskrunner": 1, "nodes": [null]}',
    "field.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "m:f", "arg": 1}]}',
    "both.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "m:f", "run": "ls"}]}',
    "cycle.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "run": "ls", "needs": ["a"]}]}',
    "twice.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "run": "ls"}, {"id": "a", "run": "ls"}]}',
    "module.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "nowhere:f"}]}',
    "callable.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "functions:Path.nothing"}]}',
    "arguments.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "functions:fail", "args": [1]}]}',
    "ref.json": b'{"taskrunner": 1, "nodes": [{"id": "a", "run": ["ls", {"$ref": "b"}]}]}',
    "surrogate.json": b'{"taskrunner": 1, "nodes": [{"id": "\\ud800", "run": 1}]}',
    "cut.msgpack": b"\x82\xa5nodes",
    "number.msgpack": b"\x01",
    "keys.msgpack": b"\x81\x01\x02",
    "words.toml": b"hello",
    "bytes.toml": b"name = '\xff'",
    "empty.toml": b"",
    "date.toml": b"taskrunner = 1979-05-27\nnodes = []",
}


def test_help_has_the_table_of_exit_codes(cli):
    told = cli("--help")
    assert told.code == 0
    codes = re.findall(r"^ +(\d+)  ", told.out.partition("Exit codes:")[2], re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "130"]
    assert "(143 by SIGTERM, 129 by a closed terminal)" in told.out


def test_help_lists_every_command(inside):
    listed = inside("-h").out.partition("Commands:")[2]
    assert [name for name in COMMANDS if f"  {name} " in listed] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_an_example(inside, name):
    told = inside(name, "--help")
    assert told.code == 0
    examples = told.out[told.out.index("Example") :]
    assert f"  taskrunner {name}" in examples
    assert told.err == ""


def test_version_is_the_distribution_s(inside):
    assert inside("--version").out == "taskrunner, version 0.1.0\n"


@pytest.mark.parametrize(
    "words",
    [
        ("launch",),
        ("exec",),
        ("exec", "missing.json"),
        ("exec", "graph.txt"),
        ("exec", "."),
        ("exec", "nowhere:graph"),
        ("exec", "functions:nothing"),
        ("exec", "functions:give"),
        ("exec", "good.json", "--nothing"),
        ("exec", "good.json", "--workers", "0"),
        ("exec", "good.json", "--set", "x"),
        ("exec", "good.json", "--set", "x=1"),
        ("exec", "good.json", "nothing"),
        ("exec", "good.json", "--output", "results.csv"),
        ("exec", "good.json", "--format", "yaml"),
        ("check", "missing.json"),
        ("show", "good.json", "--format", "png"),
        ("convert", "good.json", "good.yaml"),
        ("convert", "good.json", "-"),
        ("convert", "good.json", "good.toml", "--scale", "0"),
        ("schema", "--output", "no/folder.json"),
    ],
    ids=" ".join,
)
def test_wrong_use_exits_with_2_and_prints_no_result(cli, inside, words):
    cli.graph({"id": "a", "call": "functions:give"}, file="good.json")
    told = inside(*words)
    assert (told.code, told.out) == (2, "")
    assert "Traceback" not in told.err
    assert told.err


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_exits_with_3_and_is_named(cli, inside, name):
    cli.write(name, BAD_FILES[name])
    told = inside("check", name)
    assert (told.code, told.out) == (3, "")
    assert f"{name}:" in told.err.splitlines()[0]


@pytest.mark.parametrize("name", ["cut.json", "bytes.json", "cycle.json", "cut.msgpack", "words.toml"])
def test_a_bad_file_shows_no_traceback(cli, name):
    cli.write(name, BAD_FILES[name])
    told = cli("exec", name)
    assert (told.code, told.out) == (3, "")
    assert "Traceback" not in told.err


def test_an_error_line_begins_with_its_place_as_those_of_compilers_do(cli, inside):
    cli.write("cut.json", BAD_FILES["cut.json"])
    assert inside("check", "cut.json").err.startswith("cut.json:1:")


@pytest.mark.parametrize("depth", [400, 3_000, 200_000])
def test_a_file_nested_too_deeply_is_told_in_words(cli, depth):
    # A child process: the depth that it may use is its own.
    nested = "[" * depth + "]" * depth
    cli.write(
        "deep.json", f'{{"taskrunner": 1, "nodes": [{{"id": "a", "call": "functions:give", "args": [{nested}]}}]}}'
    )
    told = cli("check", "deep.json")
    assert told.code in (0, 3)
    assert "Traceback" not in told.err


def test_every_problem_of_a_file_is_told_with_its_line(cli, inside):
    cli.write("bad.json", '{"taskrunner": 1,\n "nodes": [\n  {"id": "a", "run": "ls", "tmeout": 3},\n  {"run": "ls"}]}')
    told = inside("exec", "bad.json")
    assert told.code == 3
    first, second = told.err.splitlines()
    assert first.startswith("bad.json:3:")
    assert 'did you mean "timeout"?' in first
    assert second.startswith("bad.json:4:")


def test_an_unknown_target_is_met_with_a_near_one(cli, inside):
    told = inside("exec", cli.graph({"id": "report", "run": "true"}), "reprot")
    assert told.err == 'taskrunner: no node "reprot" in the graph; did you mean "report"?\n'


@pytest.mark.parametrize("name", ["exec", "check", "show"])
def test_a_graph_comes_from_standard_input(cli, name):
    graph = json.dumps({"taskrunner": 1, "nodes": [{"id": "a", "call": "functions:give"}]})
    assert cli(name, "-", stdin=graph.encode()).code == 0


OUTPUTS = [("--help",), ("runs",), ("schema",), ("show", "good.json"), ("exec", "good.json"), ("cache",)]


@pytest.mark.parametrize("buffering", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", OUTPUTS, ids=" ".join)
def test_an_output_that_takes_no_more_is_told_in_one_line(cli, words, buffering):
    cli.graph({"id": "a", "call": "functions:give"}, file="good.json")
    with Path("/dev/full").open("wb") as full:
        told = cli.end(cli.start(*words, stdout=full, env={"PYTHONUNBUFFERED": buffering}))
    assert told.code == 1
    assert told.err.splitlines()[-1] == "taskrunner: cannot write the output: No space left on device"
    assert "Traceback" not in told.err
    assert "Exception ignored" not in told.err


@pytest.mark.parametrize("words", OUTPUTS, ids=" ".join)
def test_an_output_that_is_closed_wants_nothing(cli, words):
    cli.graph({"id": "a", "call": "functions:give"}, file="good.json")
    told = cli.end(cli.start(*words, preexec_fn=lambda: os.close(1)))
    assert told.code == 0
    assert "Traceback" not in told.err
