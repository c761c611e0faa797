"""Measure how near ``taskrunner simulate`` comes to what runs take.

Each workflow (WfFormat) is scaled to so many seconds of work and run with 1 worker and with N, each in a fresh
process, in turn: in an empty folder (``first``), and once more there (``again``: the critical path goes first). From
each of these runs both are predicted. The table holds what was measured, and predicted over measured: the median of
the rounds, and after it the ratio that was furthest from 1. A prediction is compared with what was measured in the
same round, with the same order.

Usage: ``uv run scripts/prediction.py FILE… [--workers 2] [--work 4] [--rounds 5] [--asleep] [--json FILE]``. Run it
alone: another job on the machine makes the figures noise, but for those of nodes that sleep.
"""

import argparse
import json
import math
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmark import child, machine, options
from benchmark.figure import in_turn, spread
from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.analysis.simulation.simulate import wall_s
from taskrunner.analysis.simulation.workload import workload_of
from taskrunner.graph.wfformat import convert

ORDERS = ("first", "again")

type Runs = dict[tuple[str, int], RecordedRun]  # by order and workers


def scaled(path: Path, work_s: float, *, asleep: bool = False) -> bytes:
    """Return a workflow as a graph whose nodes take so many seconds in all."""
    data = path.read_bytes()
    total = sum(node.args[0] for node in convert(data, 1.0, str(path)).nodes)
    file = convert(data, work_s / total, str(path))
    if asleep:
        nodes = tuple([msgspec.structs.replace(node, call="time:sleep") for node in file.nodes])
        file = msgspec.structs.replace(file, nodes=nodes)
    return msgspec.json.encode(file)


def take_round(graph: Path, counts: Sequence[int], folder: Path) -> Runs:
    """Run a graph with each number of workers, twice in the same folder."""
    found: Runs = {}
    for workers in counts:
        runs = folder / str(workers)
        for order in ORDERS:
            command = [*child.TASKRUNNER, "exec", str(graph), "-w", str(workers), "-q", "--run-dir", str(runs)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            found[order, workers] = load_run(runs, "last")
    return found


def measure(name: str, graph: bytes, counts: Sequence[int], rounds: int) -> dict[str, Any]:
    """Return for each order what was measured with each number of workers, and predicted over that from each."""
    measured: dict[str, dict[str, list[float]]] = {order: {} for order in ORDERS}
    ratios: dict[str, dict[str, list[float]]] = {order: {} for order in ORDERS}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "graph.json"
            file.write_bytes(graph)
            runs = take_round(file, in_turn(counts, number), Path(folder) / "runs")
        for (order, workers), run in runs.items():
            measured[order].setdefault(str(workers), []).append(run.wall_s)
            for other in counts:
                ratio = wall_s(workload_of(run), other) / runs[order, other].wall_s
                ratios[order].setdefault(f"{workers} to {other}", []).append(ratio)
    return {"workflow": name, "measured_s": measured, "ratios": ratios}


def furthest(ratios: Sequence[float]) -> float:
    """Return the ratio that is furthest from 1."""
    return max(ratios, key=lambda ratio: abs(math.log(ratio)))


def table(row: dict[str, Any]) -> Iterator[str]:
    """Give the lines to print for one workflow."""
    for order in ORDERS:
        measured, ratios = row["measured_s"][order], row["ratios"][order]
        cells = "".join(
            f"{statistics.median(found):>8.3f}s{spread(found):>6.2f}" for _, found in sorted(measured.items())
        )
        told = "".join(
            f"{statistics.median(found):>9.3f} {furthest(found):>6.3f}" for _, found in sorted(ratios.items())
        )
        yield f"{row['workflow'].partition('-')[0]:13}{order:6}{cells}{told}"


def head(counts: Sequence[int]) -> str:
    """Return the line above the table."""
    measured = "".join(f"{f'{count}':>9}{'spread':>6}" for count in counts)
    told = "".join(f"{f'{one} to {other}':>9} {'worst':>6}" for one in counts for other in counts)
    return f"{'workflow':13}{'order':6}{measured}{told}"


def main() -> None:
    """Measure, print the table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workflows", nargs="+", type=options.readable, metavar="FILE")
    parser.add_argument("--workers", type=options.positive, default=2)
    parser.add_argument("--work", type=options.seconds, default=4.0, metavar="SECONDS")
    parser.add_argument("--rounds", type=options.positive, default=5)
    parser.add_argument("--asleep", action="store_true", help="nodes sleep: what is tested is the schedule alone")
    parser.add_argument("--json", type=options.writable, metavar="FILE")
    chosen = parser.parse_args()
    counts = sorted({1, chosen.workers})
    described = machine.describe(["taskrunner", "msgspec"])
    print(machine.words(described))
    print(head(counts))
    rows = []
    for path in chosen.workflows:
        graph = scaled(path, chosen.work, asleep=chosen.asleep)
        rows.append(measure(path.stem, graph, counts, chosen.rounds))
        print(*table(rows[-1]), sep="\n", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": described, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
