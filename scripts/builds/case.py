"""What is run on every build: a graph with its settings, and which of its outputs must be equal."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark import graphfile
from benchmark.bodies import BODIES
from benchmark.shapes import wide
from builds.build import ROOT

EMPTY_NODES = 20_000
QUICK_NODES = 500
CLASSES = 5_000
EMPTY, ONE, DROPPED = "empty nodes", "one node", "classes dropped"
GENERATED = (EMPTY, ONE, DROPPED)


@dataclass(frozen=True)
class Case:
    """A graph to run.

    ``arguments`` follow the graph on the command line. ``compared`` names the outputs that are the same at every
    run, None: all. ``per_version``: they depend on the version of Python. ``delay``: the output that tells how late
    the event loop was, if there is one.
    """

    name: str
    graph: Path
    arguments: tuple[str, ...] = ()
    compared: tuple[str, ...] | None = None
    per_version: bool = False
    delay: str = ""


def workloads(quick: bool) -> list[Case]:
    """Return the workloads that come with the project, so long that starting threads is noise; or quick ones."""
    steps = ("--set", "steps=500" if quick else "steps=50000")
    beats = ("--set", "beats=5", "--set", "n=12") if quick else ("--set", "copies=64")
    cases = [
        Case("fib", _file("fib"), ("--set", "n=15" if quick else "n=27")),
        Case("ingest", _file("ingest"), ("--set", "rounds=100" if quick else "rounds=20000")),
        Case("offload", _file("offload"), beats, ("answer",), delay="heartbeat"),
        Case("tour", _file("tour")),
        Case("counter locked", _file("counter"), ("locked", *steps)),
        # what two threads lose of this count is not the same at every run
        Case("counter unlocked", _file("counter"), ("unlocked", *steps), ()),
        Case("sharded", _file("sharded"), steps),
    ]
    # every version parses its own library
    return cases if quick else [*cases, Case("stdlib", _file("stdlib"), per_version=True)]


def given(paths: Iterable[Path]) -> list[Case]:
    """Return further graphs, under their files' names."""
    return [Case(path.name, path.resolve()) for path in paths]


def _file(name: str) -> Path:
    return ROOT / "workloads" / f"{name}.json"


def generated(folder: Path, quick: bool) -> list[Case]:
    """Write the graphs of many empty nodes, of one, and of one that makes classes and drops them; return them."""
    empty = BODIES["empty"].call
    made = {
        EMPTY: graphfile.lines(wide(QUICK_NODES if quick else EMPTY_NODES), empty, outputs=[]),
        ONE: graphfile.lines(wide(1), empty, outputs=[]),
        DROPPED: [_classes(QUICK_NODES if quick else CLASSES)],
    }
    return [_written(folder, name, lines) for name, lines in made.items()]


def _classes(count: int) -> str:
    node = {"id": "classes", "call": "builds.short_lived:classes", "args": [count]}
    return json.dumps({"taskrunner": 1, "nodes": [node]})


def _written(folder: Path, name: str, lines: Iterable[str]) -> Case:
    path = folder / f"{name.replace(' ', '-')}.json"
    path.write_text("".join(lines), encoding="utf-8")
    return Case(name, path)
