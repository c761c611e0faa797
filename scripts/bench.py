"""Measure what a node costs in the runner, beside other ways to run the same graph of functions.

In one run and in turn, round after round: a serial loop, ``taskrunner.run``, a sorter and a thread pool
of the standard library joined by hand, dask's threads and joblib's threads, on graphs of several shapes
whose nodes do nothing, little or much. Before that, every side is checked: each node ran once, with the
right inputs. Also measured: the share of the machine's own speed-up (bare threads, split by hand), the
time to wake a sleeping worker and, with ``--workflow``, how near recorded workflows come to their
shortest possible time.

Usage: ``uv run --group bench scripts/bench.py [--quick] [--json FILE] [--svg FILE]``. A peer that is not
installed is named and left out. Run it alone: another job on the machine makes the figures noise.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark import case, machine, options, picture, table, wakeup, workflow
from benchmark.bodies import BODIES, CLASSIC, Body
from benchmark.case import Case
from benchmark.shapes import SHAPES
from benchmark.sides import KINDS, Side, missing, sides
from benchmark.wakeup import Wakeup
from benchmark.workflow import Makespan, Workflow

CLASSIC_KINDS = ("serial", "bare", "taskrunner")
CLASSIC_ROUNDS = 3
# Rounds, repeats of the wake-up, the share of each body's nodes, and bodies.
FULL = (5, 50, 1.0, list(BODIES))
QUICK = (2, 10, 0.1, ["empty", "fib10", "fib20"])


@dataclass
class Report:
    """All that was measured, on which machine, and what was left out."""

    machine: dict[str, Any]
    options: dict[str, Any]
    missing: list[str]
    cases: list[Case] = field(default_factory=list)
    wakeups: list[Wakeup] = field(default_factory=list)
    workflows: list[tuple[Workflow, list[Makespan]]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return everything in plain values."""
        return {
            "machine": self.machine,
            "options": self.options,
            "missing": self.missing,
            "cases": [found.as_json() for found in self.cases],
            "wakeups": [found.as_json() for found in self.wakeups],
            "workflows": [_workflow_json(recorded, found) for recorded, found in self.workflows],
        }


def _workflow_json(recorded: Workflow, found: Iterable[Makespan]) -> dict[str, Any]:
    head = {"workflow": recorded.name, "nodes": len(recorded.seconds), "scale": recorded.scale}
    return head | {"figures": [makespan.as_json() for makespan in found]}


def show(lines: Iterable[str]) -> None:
    """Print a block and an empty line, if there is anything to print."""
    if found := list(lines):
        print(*found, "", sep="\n", flush=True)


def plan(chosen: argparse.Namespace) -> list[tuple[str, Body, Sequence[Side], int, int]]:
    """Return the cases to measure: shape, body, sides, nodes, rounds."""
    among = sides(chosen.sides, chosen.workers)
    cases: list[tuple[str, Body, Sequence[Side], int, int]] = [
        (shape, body, among, chosen.nodes or int(body.nodes * chosen.share), chosen.rounds)
        for body in chosen.bodies
        for shape in chosen.shapes
    ]
    if chosen.classic:
        rounds = min(chosen.rounds, CLASSIC_ROUNDS)
        cases.append(("wide", CLASSIC, sides(CLASSIC_KINDS, chosen.workers), CLASSIC.nodes, rounds))
    return [row for row in cases if any(side.suits(row[0], row[1].name) for side in row[2])]


def measure(chosen: argparse.Namespace, report: Report) -> None:
    """Measure everything, and print each part as soon as it is known."""
    for shape, body, among, nodes, rounds in plan(chosen):
        report.cases.append(case.measure(shape, body, among, nodes, rounds))
        show(table.case(report.cases[-1]))
    show(table.ceilings(report.cases))
    report.wakeups = wakeup.measure(chosen.wakeups, chosen.rounds)
    show(table.wakeups(report.wakeups))
    for path in chosen.workflow:
        recorded = workflow.read(path, chosen.work)
        makespans = workflow.measure(recorded, sides(chosen.sides, chosen.workers), chosen.rounds)
        report.workflows.append((recorded, makespans))
        show(table.workflow(recorded, makespans))


def write(chosen: argparse.Namespace, report: Report) -> None:
    """Write the files that are asked for."""
    if chosen.json:
        chosen.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    if chosen.svg and report.cases:
        note = f"{machine.words(report.machine)}; medians of {chosen.rounds} rounds"
        chosen.svg.write_text(picture.draw(report.cases, report.cases[0].body, note), encoding="utf-8")


def main() -> None:
    """Measure, print the tables, and write what is asked for."""
    chosen = read_options()
    started = time.perf_counter()
    report = Report({}, _plain(chosen), missing(chosen.sides))
    for name in report.missing:
        print(f"{name} is not installed and is left out")
    show([table.KEY])
    measure(chosen, report)
    # Only now: a peer may have switched the GIL on.
    report.machine = machine.describe(["taskrunner", "dask", "joblib"])
    show(line for found in report.cases if (line := table.sentence(found, max(chosen.workers))))
    print(f"{machine.words(report.machine)}; {time.perf_counter() - started:.0f} s in all")
    if report.machine["gil"] and report.machine["free_threaded"]:
        print("the GIL is on: the figures tell nothing of threads")
    write(chosen, report)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--shapes", type=options.names(SHAPES), default=list(SHAPES), help=f"of {', '.join(SHAPES)}")
    add("--bodies", type=options.names(BODIES), help=f"of {', '.join(BODIES)}")
    add("--sides", type=options.names(KINDS), default=list(KINDS), help=f"of {', '.join(KINDS)}")
    add("--workers", type=options.numbers, default=[1, 2], help="numbers of threads, as 1,2")
    add("--nodes", type=options.positive, help="nodes of every graph; default: by body")
    add("--rounds", type=options.positive, help=f"default: {FULL[0]}")
    add("--wakeups", type=options.natural, help=f"repeats of the wake-up; default: {FULL[1]}; 0: none")
    add("--classic", action="store_true", help="four nodes of fib(35) too: takes long")
    add("--workflow", type=options.readable, nargs="+", default=[], metavar="FILE", help="recorded, WfFormat 1.5")
    add("--work", type=options.seconds, default=1.0, metavar="SECONDS", help="work in each workflow; default: 1")
    add("--quick", action="store_true", help="fewer nodes, rounds, repeats and bodies")
    add("--json", type=options.writable, metavar="FILE", help="write all numbers")
    add("--svg", type=options.writable, metavar="FILE", help="draw the cases with the first of the bodies")
    chosen = parser.parse_args()
    rounds, wakeups, chosen.share, bodies = QUICK if chosen.quick else FULL
    chosen.bodies = [BODIES[name] for name in chosen.bodies or bodies]
    chosen.rounds = chosen.rounds or rounds
    chosen.wakeups = wakeups if chosen.wakeups is None else chosen.wakeups
    return chosen


def _plain(given: argparse.Namespace) -> dict[str, Any]:
    names = ("shapes", "sides", "workers", "nodes", "rounds", "wakeups", "classic", "work", "quick")
    chosen = {name: getattr(given, name) for name in names}
    return chosen | {"bodies": [body.name for body in given.bodies]}


if __name__ == "__main__":
    main()
