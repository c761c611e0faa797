"""Measure what a run's records cost: its event log and its journal, with and without waiting for the disk.

The same layered graph is run in turn with no folder, with events as JSON lines, and with a journal as well.
``call`` is the whole call of ``taskrunner.run``; ``run`` the run proper, in which the workers would wait if they did.

Usage: ``uv run scripts/recording.py [--rounds 5] [--workers 2] [--json FILE]``.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import taskrunner
from benchmark import machine, options
from benchmark.bodies import BODIES, Body
from benchmark.figure import in_turn, seconds_of, spread
from benchmark.job import of_body
from benchmark.shapes import SHAPES

NODES = {"empty": 20_000, "1ms": 1_000}
NOTHING = "nothing"
KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    NOTHING: lambda _: {},
    "events": lambda folder: {"run_dir": folder, "journal": False},
    "events, journal": lambda folder: {"run_dir": folder},
    "events, journal, fsync": lambda folder: {"run_dir": folder, "fsync": True},
}

type Rounds = dict[str, list[tuple[float, float]]]


def measure(body: Body, workers: int, rounds: int) -> Rounds:
    """Return for each kind of records the seconds of call and run in every round, after a warm-up."""
    graph = of_body(body, SHAPES["layered"](NODES[body.name])).graph()
    found: Rounds = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for kind in in_turn(list(KINDS), number):
            times = _take(graph, kind, workers)
            if number:
                found[kind].append(times)
    return found


def _take(graph: taskrunner.Graph, kind: str, workers: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:  # a new one: no run is ordered by an earlier one
        chosen = KINDS[kind](Path(name))
        seconds, result = seconds_of(lambda: taskrunner.run(graph, workers=workers, **chosen))
        return seconds, result.summary.wall_s


def table(body: Body, found: Rounds) -> Iterator[str]:
    """Give the lines to print: microseconds a node, and the call over that which records nothing."""
    nodes = NODES[body.name]
    base = statistics.median([call for call, _ in found[NOTHING]])
    yield f"{body.name}, {nodes} nodes, microseconds a node"
    yield f"  {'records':24}{'call':>10}{'run':>10}{'more':>10}{'over':>8}{'spread':>8}"
    for kind, times in found.items():
        call, run = (statistics.median(part) for part in zip(*times, strict=True))
        numbers = [call / nodes * 1e6, run / nodes * 1e6, (call - base) / nodes * 1e6]
        told = "".join(f"{number:>10.2f}" for number in numbers)
        yield f"  {kind:24}{told}{call / base:>7.3f}x{spread([call for call, _ in times]):>8.2f}"


def main() -> None:
    """Measure, print the tables, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=options.positive, default=5)
    parser.add_argument("--workers", type=options.positive, default=2)
    parser.add_argument("--json", type=options.writable, metavar="FILE")
    chosen = parser.parse_args()
    described = machine.describe(["taskrunner", "msgspec", "structlog"])
    print(machine.words(described), f"{chosen.workers} workers", sep="; ")
    report: dict[str, Any] = {"machine": described, "workers": chosen.workers}
    for name in NODES:
        report[name] = found = measure(BODIES[name], chosen.workers, chosen.rounds)
        print(*table(BODIES[name], found), sep="\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
