"""Every snippet of the README and the docs runs, and prints what stands there.

The snippets of a page run in their order in one folder, empty at first, as a reader would go through them:

- A name of a file at the end of the paragraph before a snippet, ```NAME`:``: it is written to that file.
- ``console``: what stands behind ``$`` (and ``>``) is run by one shell, and prints the rest. ``…`` stands for the
  rest of a line, or for lines; times, run ids and the like may differ.
- ``sh``: run by a shell, ends with 0. ``crontab``, ``yaml``: so do the commands in it.
- ``python``: run; it prints what ``This prints `…` `` says below it, or nothing.
- ``json``, ``toml``: a graph that ``taskrunner check`` takes, or one node, or a part that can at least be decoded.
- ``<!-- needs: PROGRAM, taskrunner COMMAND …, python MODULE, free-threading -->``: skipped where there is no such
  program, command, option or module, or where there is a GIL.
- ``<!-- not run: REASON -->``: excused. ``pytest -rs tests/project/test_docs.py`` lists these.
"""

import dataclasses
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from taskrunner.cli.main import COMMANDS
from taskrunner.graph.spec import Node

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BOUND = 60.0  # seconds

FENCED = re.compile(r"(?:`([\w-]+\.\w+)`:\n\n)?^((?:<!-- .* -->\n)*)```(\w*)\n((?:.*\n)*?)```$", re.MULTILINE)
INDENTED = re.compile(r"\n\n {4}(?! )", re.MULTILINE)
MARK = re.compile(r"<!-- (needs|not run): (.+) -->")
PRINTS = re.compile(r"\n+This prints `(.*?)`")
# What differs from run to run, and what stands for it.
VARYING = [
    (re.compile(pattern, re.MULTILINE), stand_in)
    for pattern, stand_in in [
        (r"\d{8}-\d{6}-[0-9a-f]{7}", "<run>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<date>"),
        (r"\b\d+(\.\d+)? (s|ms|us)\b", "<time>"),
        (r"\b\d+%", "<share>"),
        (r"\b\d+ steals", "<steals>"),
        (r"\b\d+ MiB", "<memory>"),
        (r"\d\.\d\d on average", "<parallelism>"),
        (r"CPython 3\..*$", "<python>"),
        (r"^(critical path|slowest) .*$", r"\1 <nodes>"),
        (r"(?<=\S) {2,}", "  "),  # columns are as wide as what varies
    ]
]


@dataclasses.dataclass(frozen=True)
class Snippet:
    """A fenced block of a page; ``file``: what it is written to; ``prints``: what the page says that it prints."""

    page: Path
    line: int
    file: str | None
    language: str
    text: str
    marks: dict[str, str]
    prints: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def snippets(page):
    text = page.read_text()
    for found in FENCED.finditer(text):
        file, marks, language, body = found.groups()
        below = PRINTS.match(text, found.end())
        line = text.count("\n", 0, found.start(3)) + 1
        yield Snippet(page, line, file, language, body, dict(MARK.findall(marks)), below[1] if below else "")


SNIPPETS = [snippet for page in PAGES for snippet in snippets(page)]


class Session:
    """A reader who goes through a page: a folder, and how far the reader has come."""

    def __init__(self, page, folder, programs):
        self.folder = folder
        self.programs = programs
        self.left = [snippet for snippet in SNIPPETS if snippet.page == page]
        if "workloads/" in page.read_text():  # the page is read in a checkout
            for name in ("uv.lock", "workloads"):
                (folder / name).symlink_to(ROOT / name)

    def run_to(self, snippet):
        """Run a snippet, after those above it that have not run yet."""
        while snippet in self.left:
            self.run(self.left.pop(0))

    def run(self, snippet):
        if "not run" in snippet.marks or missing(snippet):
            return
        if snippet.file:
            (self.folder / snippet.file).write_text(snippet.text)
        elif snippet.language in RUN:
            RUN[snippet.language](self, snippet)

    def start(self, *command):
        """Run a command to its end; return its exit code and what a terminal would have shown."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TASKRUNNER_", "PYTHON"))}
        told = {
            "HOME": str(self.folder),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",  # a file that is written twice within a second
            "PYTHONPATH": str(ROOT),
            "TASKRUNNER_EXEC_WORKERS": "2",  # the pages were written on a machine with two processors
        }
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=BOUND,
        )
        return ended.returncode, ended.stdout

    def succeed(self, *command):
        code, shown = self.start(*command)
        assert code == 0, shown
        return shown


def missing(snippet):
    """Return what a snippet needs that is not here."""
    needs = snippet.marks.get("needs", "")
    return [need for need in needs.split(", ") if need and not is_there(*need.split())]


def is_there(program, command="", *options):
    if program == "free-threading":
        return not sys._is_gil_enabled()
    if program == "python" and command:
        return find_spec(command) is not None
    if not command:
        return shutil.which(program) is not None
    if program != "taskrunner" or command not in COMMANDS:
        return False
    module, _, attribute = COMMANDS[command].partition(":")
    known = {name for param in getattr(importlib.import_module(module), attribute).params for name in param.opts}
    return known.issuperset(options)


# -- languages --------------------------------------------------------------------------------------------


def run_console(session, snippet):
    _, shown = session.start("sh", "-c", script(snippet.text))
    if not matches(snippet.text, shown):
        pytest.fail(f"{snippet} shows\n{shown}", pytrace=False)


def script(text):
    """Write a shell script of the commands of a console that shows what the console would."""
    commands = re.findall(r"^\$ (.*\n(?:> .*\n)*)", text, re.MULTILINE)
    assert commands
    steps = [
        f"printf '%s' {shlex.quote('$ ' + command)}\n(exit $status)\n{command.replace('\n> ', '\n')}status=$?\n"
        for command in commands
    ]
    return "status=0\n" + "".join(steps)


def matches(expected, shown):
    pattern = re.escape(steady(expected)).replace("\\\n", "\n")
    pattern = re.sub(r"^(\\ )*…\n", r"(?:.*\\n)*?", pattern, flags=re.MULTILINE).replace("…", ".*")
    return re.fullmatch(pattern, steady(shown)) is not None


def steady(text):
    """Replace what differs from run to run."""
    for pattern, stand_in in VARYING:
        text = pattern.sub(stand_in, text)
    return text


def run_shell(session, snippet):
    session.succeed("sh", "-ec", snippet.text)


def run_crontab(session, snippet):
    commands = re.findall(r"^(?:\S+ ){5}(.*)$", snippet.text, re.MULTILINE)
    assert commands
    for command in commands:
        session.succeed("sh", "-ec", command)


def run_workflow(session, snippet):
    commands = re.findall(r"^ *- run: (?:uv run )?(taskrunner .*)$", snippet.text, re.MULTILINE)
    assert commands
    for command in commands:
        session.succeed("sh", "-ec", command)


def run_python(session, snippet):
    assert session.succeed(sys.executable, "-W", "error", "-c", snippet.text).strip() == snippet.prints


def check_json(session, snippet):
    check(session, snippet, json.loads(snippet.text), "json")


def check_toml(session, snippet):
    check(session, snippet, tomllib.loads(snippet.text), "toml")


def check(session, snippet, value, encoding):
    if "taskrunner" in value:
        name = f"snippet.{encoding}"
        (session.folder / name).write_text(snippet.text)
        session.succeed("taskrunner", "check", name)
    elif "id" in value:
        msgspec.convert(value, Node)


RUN: dict[str, Callable[[Session, Snippet], None]] = {
    "console": run_console,
    "sh": run_shell,
    "crontab": run_crontab,
    "yaml": run_workflow,
    "python": run_python,
    "json": check_json,
    "toml": check_toml,
}


# -- tests ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Return a folder with the programs that the pages take for granted."""
    folder = tmp_path_factory.mktemp("programs")
    for name, words in {"taskrunner": "-m taskrunner", "python": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def sessions(tmp_path_factory, programs):
    return {page: Session(page, tmp_path_factory.mktemp(page.stem), programs) for page in PAGES}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_a_snippet_does_what_the_page_says(snippet, sessions):
    if "not run" in snippet.marks:
        pytest.skip(f"{snippet} is not run: {snippet.marks['not run']}")
    if wanting := missing(snippet):
        pytest.skip(f"{snippet} needs {', '.join(wanting)}")
    assert snippet.file or snippet.language in RUN, "it is neither run nor excused"
    sessions[snippet.page].run_to(snippet)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_is_a_snippet(page):
    text = page.read_text()
    assert text.count("```") == 2 * len(list(snippets(page)))
    assert text.count("<!--") == sum(len(snippet.marks) for snippet in snippets(page))
    assert INDENTED.findall(FENCED.sub("", text)) == []


def test_what_is_shown_is_compared():
    assert matches("$ a\nx … z\n…\nok 5 done in 3 ms\n", "$ a\nx y z\n1\n2\nok 5 done in 10.5 us\n")
    assert matches("…\nb\n", "b\n")
    assert not matches("$ a\nb\n", "$ a\nb\nc\n")
    assert not matches("ok 5 done in 3 ms\n", "ok 6 done in 3 ms\n")


def test_a_console_is_one_shell(tmp_path):
    text = "$ n=1; (exit 3)\n$ echo $? $n\n3 1\n$ for i in a b\n> do echo $i; done\na\nb\n"
    ended = subprocess.run(["/bin/sh", "-c", script(text)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == text


@pytest.mark.parametrize(
    ("needs", "wanting"),
    [
        ("sh", []),
        ("sh, no-such-program", ["no-such-program"]),
        ("taskrunner exec --set --json", []),
        ("taskrunner exec --no-such", ["taskrunner exec --no-such"]),
        ("taskrunner no-such", ["taskrunner no-such"]),
        ("python json, python no_such_module", ["python no_such_module"]),
        ("free-threading", ["free-threading"] if sys._is_gil_enabled() else []),
    ],
)
def test_what_a_snippet_needs_is_looked_for(needs, wanting):
    assert missing(Snippet(ROOT, 1, None, "sh", "", {"needs": needs}, "")) == wanting
