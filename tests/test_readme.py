"""What the README and the docs promise is true: their examples run and print what stands there."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest

from taskrunner.cli.exec import exec_command
from taskrunner.cli.main import COMMANDS, EXIT_CODES
from taskrunner.graph.spec import Defaults, GraphFile, Node
from taskrunner.run import events

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GRAPH_FILE = (ROOT / "docs" / "graph-file.md").read_text()
RUNNING = (ROOT / "docs" / "running.md").read_text()


def blocks(text, language=""):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [body for name, body in found if name == language]


def taskrunner(*arguments, folder):
    command = [sys.executable, "-m", "taskrunner", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def leaves(struct):
    """Return the structs that are the base of no other."""
    below = struct.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [struct]


def test_the_tour_prints_what_the_readme_shows(tmp_path):
    shown = blocks(README)[0]
    results, summary = shown[: shown.index("ok   ")], shown[shown.index("ok   ") :]
    done = taskrunner("exec", str(ROOT / "workloads" / "tour.json"), "--workers", "2", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, results)
    assert [line[:14] for line in done.stderr.splitlines()] == [line[:14] for line in summary.splitlines()]


def test_the_graph_of_the_readme_prints_what_it_says(tmp_path):
    (tmp_path / "primes.json").write_text(blocks(README, "json")[0])
    (tmp_path / "primes.py").write_text(blocks(README, "python")[0])
    done = taskrunner("exec", "primes.json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, blocks(README)[1])


def test_the_python_of_the_readme_prints_what_it_says(tmp_path):
    (tmp_path / "doubles.py").write_text(blocks(README, "python")[1])
    command = [sys.executable, "doubles.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert f"This prints `{done.stdout.strip()}`" in README


def test_the_exit_codes_of_the_readme_are_those_of_the_help():
    table = re.findall(r"^\| (\d+) \| (.*) \|$", README.replace("`", ""), re.MULTILINE)
    assert table == re.findall(r"^  (\d+) +(.*)$", EXIT_CODES, re.MULTILINE)


def test_the_errors_of_the_docs_are_those_of_check(tmp_path):
    (tmp_path / "graph.json").write_text(
        '{"taskrunner": 1,\n "nodes": [\n    {"id": "a", "call": "builtins:dict",\n'
        '     "kwargs": {"rows": {"$ref": "lod"}}},\n'
        '    {"id": "b", "call": "builtins:print", "args": [{"$ref": "c"}]},\n'
        '    {"id": "c", "call": "builtins:print", "args": [{"$ref": "b"}]},\n'
        '    {"id": "load", "call": "builtins:list"}]}\n'
    )
    done = taskrunner("check", "graph.json", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", blocks(GRAPH_FILE)[0])


@pytest.mark.parametrize("struct", [GraphFile, Node, Defaults])
def test_every_field_of_the_graph_file_is_documented(struct):
    for field in struct.__struct_encode_fields__:
        assert f"`{field}`" in GRAPH_FILE or f'"{field}"' in GRAPH_FILE


def test_every_option_of_exec_is_documented():
    for option in exec_command.params:
        if isinstance(option, click.Option):
            assert f"`{option.opts[0]}" in RUNNING


def test_every_event_is_documented_with_its_fields():
    table = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", RUNNING, re.MULTILINE))
    found = {struct.__struct_config__.tag: struct for struct in leaves(events.Event)}
    assert found.keys() <= table.keys()
    for tag, struct in found.items():
        fields = set(re.findall(r"`(\w+)`", table[tag] + (table["node.done"] if tag == "node.failed" else "")))
        assert set(struct.__struct_fields__) - {"level"} <= fields


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_an_example(command):
    assert f"`taskrunner {command}" in README
    module, _, attribute = COMMANDS[command].partition(":")
    assert f"taskrunner {command} " in getattr(importlib.import_module(module), attribute).epilog


def test_every_linked_file_exists():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).is_file()


def test_the_schema_can_be_named_in_a_graph_file():
    data = b'{"$schema": "taskrunner.schema.json", "taskrunner": 1, "nodes": []}'
    assert msgspec.json.decode(data, type=GraphFile).schema == "taskrunner.schema.json"
