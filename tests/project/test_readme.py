"""The tables, lists and links of the README and the docs are complete and true; test_docs.py runs their snippets."""

import importlib
import re
from pathlib import Path

import click
import msgspec
import pytest

from taskrunner.cli.commands.exec import exec_command
from taskrunner.cli.main import COMMANDS, EXIT_CODES
from taskrunner.events import types as events
from taskrunner.graph.spec import Defaults, GraphFile, Node

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GRAPH_FILE = (ROOT / "docs" / "graph-file.md").read_text()
RUNNING = (ROOT / "docs" / "running.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(text):
    """Return what links may name in a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leaves(struct):
    """Return the structs that are the base of no other."""
    below = struct.__subclasses__()
    return [leaf for each in below for leaf in leaves(each)] if below else [struct]


def test_the_exit_codes_of_the_readme_are_those_of_the_help():
    table = re.findall(r"^\| (\d+) \| (.*) \|$", README.replace("`", ""), re.MULTILINE)
    assert table == re.findall(r"^  (\d+) +(.*)$", EXIT_CODES, re.MULTILINE)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        target = (page.parent / name) if name else page
        assert target.is_file()
        assert not anchor or anchor in anchors(target.read_text())


def test_the_readme_leads_to_every_page():
    assert {page for page in PAGES if f"({page.relative_to(ROOT)})" in README} == set(PAGES) - {ROOT / "README.md"}


def test_the_schema_can_be_named_in_a_graph_file():
    data = b'{"$schema": "taskrunner.schema.json", "taskrunner": 1, "nodes": []}'
    assert msgspec.json.decode(data, type=GraphFile).schema == "taskrunner.schema.json"
