"""Measure what big graph files cost, up to a million nodes: the whole process, its time and its memory.

The graph is layered: each node calls a function that does nothing, with the results of two random nodes
of the 1,000 in the layer before. For every size, in turn and each in a fresh process: ``taskrunner
check``, ``taskrunner exec --log-level warning -q`` (no line for each node) and ``taskrunner exec -q``.
A graph of one node shows what starting costs; the figures for a node are what a graph takes above that.

Usage: ``uv run scripts/million.py [--sizes 10000,100000,1000000] [--rounds 3] [--json FILE]``. The
largest size needs about 400 MB of disk. Run it alone: another job on the machine makes the figures noise.
"""

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark import child, graphfile, machine, options
from benchmark.figure import in_turn, spread
from benchmark.shapes import layers

WIDTH = 1_000
INPUTS = 2
MODULE = "def empty(*_inputs):\n    pass\n"
COMMANDS = {
    "check": ("check",),
    "exec, log-level warning": ("exec", "--log-level", "warning", "-q"),
    "exec": ("exec", "-q"),
}


@dataclass
class Row:
    """One command on a graph of one size: the seconds and the bytes of every round."""

    command: str
    nodes: int
    seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.seconds)

    @property
    def median_bytes(self) -> float:
        """The median of the rounds' largest sizes of the process."""
        return statistics.median(self.peak_bytes)

    def us_per_node(self, start: "Row") -> float:
        """Return the microseconds for each node, above what starting costs."""
        return (self.median_s - start.median_s) / self.nodes * 1e6

    def bytes_per_node(self, start: "Row") -> float:
        """Return the bytes for each node, above what a process with one node holds."""
        return (self.median_bytes - start.median_bytes) / self.nodes

    def as_json(self, start: "Row") -> dict[str, Any]:
        """Return the raw numbers and what follows from them."""
        return {
            "command": self.command,
            "nodes": self.nodes,
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
            "median_s": self.median_s,
            "us_per_node": self.us_per_node(start),
            "bytes_per_node": self.bytes_per_node(start),
        }


def write_graph(folder: Path, nodes: int) -> str:
    """Write the graph file, line by line: this process must stay small. Return the file's name."""
    name = f"layered-{nodes}.json"
    with (folder / name).open("w", encoding="utf-8") as file:
        file.writelines(graphfile.lines(layers(nodes, WIDTH, INPUTS), "million_nodes:empty", outputs=[]))
    return name


def measure(folder: Path, sizes: Sequence[int], rounds: int) -> dict[str, list[Row]]:
    """Measure all commands on all sizes in turn; return the rows of each command, by size."""
    (folder / "million_nodes.py").write_text(MODULE, encoding="utf-8")
    graphs = {nodes: write_graph(folder, nodes) for nodes in sizes}
    rows = {name: [Row(name, nodes) for nodes in sizes] for name in COMMANDS}
    for name in COMMANDS:  # a warm-up: it caches the bytecode
        take(Row(name, sizes[0]), folder, graphs[sizes[0]])
    for number in range(rounds):
        for row in in_turn([row for found in rows.values() for row in found], number):
            take(row, folder, graphs[row.nodes])
    return rows


def take(row: Row, folder: Path, graph: str) -> None:
    """Run a row's command once, and note what it took."""
    command, *rest = COMMANDS[row.command]
    ended = child.run([*child.TASKRUNNER, command, graph, *rest], folder)
    row.seconds.append(ended.seconds)
    row.peak_bytes.append(ended.peak_bytes)
    shutil.rmtree(folder / ".taskrunner", ignore_errors=True)


def table(rows: dict[str, list[Row]]) -> Iterator[str]:
    """Give the lines to print; ``ratio`` is the time for a node over that at the size before."""
    head = f"{'us/node':>9}{'ratio':>7}{'peak':>11}{'bytes/node':>12}"
    yield f"{'command':25}{'nodes':>10}{'wall':>11}{'spread':>8}{head}"
    for start, *sized in rows.values():
        yield _head(start)
        before = 0.0
        for row in sized:
            cost = row.us_per_node(start)
            ratio = f"{cost / before:.2f}" if before > 0 else "-"
            memory = f"{row.median_bytes / 2**20:>7.0f} MiB{row.bytes_per_node(start):>12.0f}"
            yield f"{_head(row)}{cost:>9.2f}{ratio:>7}{memory}"
            before = cost


def _head(row: Row) -> str:
    return f"{row.command:25}{row.nodes:>10}{row.median_s:>9.3f} s{spread(row.seconds):>8.2f}"


def main() -> None:
    """Measure, print the table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=options.numbers, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=options.positive, default=3)
    parser.add_argument("--json", type=options.writable, metavar="FILE")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), sorted({1, *chosen.sizes}), chosen.rounds)
    described = machine.describe(["taskrunner"])
    print(machine.words(described))
    print(*table(rows), sep="\n")
    if chosen.json:
        found = [row.as_json(sized[0]) for sized in rows.values() for row in sized]
        chosen.json.write_text(json.dumps({"machine": described, "rows": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
