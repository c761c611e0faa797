"""Say which efficiency is to be expected of more workers than this machine has cores for.

This measures, with empty nodes and in turn, what a node costs with 1 worker and with 2: ``c(1)``, and
``c(2)``, twice the wall time a node, since both workers are busy. What the second one adds is contention:
for objects that both touch, for steals, for the memory. The table assumes that each further worker adds as
much again:

    c(w) = c(1) + (w - 1) * (c(2) - c(1)),    efficiency of nodes of t microseconds = t / (t + c(w))

That is an expectation and no measurement: it knows nothing of memory bandwidth, of cores that share
caches, or of graphs that have less to do at once than there are workers. Where there are more cores,
``--workers 1,2,4,8`` measures the same nodes with so many workers and prints that beside it.

Usage: ``uv run scripts/scaling.py [--workers 1,2] [--nodes 20000] [--rounds 7] [--json FILE]``. Run it alone.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import taskrunner
from benchmark import graphfile, shapes

EXPECTED = (2, 4, 8, 16, 64)
SIZES = (10, 100, 1_000, 10_000)
SHAPES = ("wide", "layered")


def load(needs: shapes.Needs) -> taskrunner.Graph:
    """Return the graph of nodes that do nothing and need these."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.json"
        path.write_text("".join(graphfile.lines(needs, "benchmark.bodies:empty")), encoding="utf-8")
        return taskrunner.load(path)


def costs(shape: str, nodes: int, workers: list[int], rounds: int) -> dict[int, float]:
    """Return for each number of workers what a node costs them all together, in microseconds."""
    graph = load(shapes.SHAPES[shape](nodes))
    taskrunner.run(graph, workers=1)
    walls: dict[int, list[float]] = {count: [] for count in workers}
    for _ in range(rounds):
        for count, found in walls.items():
            found.append(taskrunner.run(graph, workers=count).summary.wall_s)
    return {count: statistics.median(found) * count / nodes * 1e6 for count, found in walls.items()}


def expected(found: dict[int, float], workers: int) -> float:
    """Return what a node is expected to cost so many workers, from what it costs 1 and 2."""
    return found[1] + (workers - 1) * max(found[2] - found[1], 0.0)


def efficiency(size: float, cost: float) -> float:
    """Return the share of the workers' time that goes into nodes of ``size`` microseconds."""
    return size / (size + cost)


def main() -> None:
    """Measure, print the tables, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2])
    parser.add_argument("--nodes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(sys.version)
    report: dict[str, Any] = {}
    for shape in SHAPES:
        found = costs(shape, options.nodes, sorted({1, 2, *options.workers}), options.rounds)
        measured = ", ".join(f"{cost:.2f} us with {count}" for count, cost in found.items())
        print(f"\n{shape}: a node costs {measured}\nworkers " + "".join(f"{size:>9} us" for size in SIZES))
        for count in EXPECTED:
            row = "".join(f"{efficiency(size, expected(found, count)):>11.1%} " for size in SIZES)
            print(f"{count:>7} {row}{'measured at 2' if count == 2 else 'expected'}")  # noqa: PLR2004
        report[shape] = {"us_a_node": found, "expected": {count: expected(found, count) for count in EXPECTED}}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
