"""Search the schedules of the workloads that have no mistake: whatever is found is a false alarm.

Each graph is run as ``taskrunner stress`` runs it, with parameters that make a run short. Left out are the graphs that
are there to be found, and results that may differ. A search ends with its first alarm, and says how to see it again;
the exit code is 1 then.

Usage: ``uv run scripts/false_alarms.py [--runs 1000] [--workers 2] [--graphs fib,tour]``. A thousand runs of each graph
take some twenty minutes, half of it the command in ``survey`` that waits.
"""

import argparse
import importlib.util
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import taskrunner
from benchmark import options
from taskrunner import RunOptions
from taskrunner.stress.report import StressReport
from taskrunner.stress.search import StressOptions, search
from taskrunner.stress.text import stress_text

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Case:
    """How a workload is run: its parameters, which results may differ, each with the reason, and what it imports."""

    params: Mapping[str, Any] = field(default_factory=dict)
    ignore: Mapping[str, str] = field(default_factory=dict)
    module: str = ""

    @property
    def can_run(self) -> bool:
        """Whether what it imports is installed."""
        return not self.module or importlib.util.find_spec(self.module) is not None


CASES: Mapping[str, Case] = {
    "fib": Case({"n": 8, "copies": 6}),
    "ingest": Case({"sources": [2, 3], "batches": 2, "delay": 0.0, "rounds": 5}),
    "offload": Case({"n": 8, "copies": 6, "beats": 3, "every": 0.001}, {"heartbeat": "it returns times"}),
    "counter": Case({"nodes": 6, "steps": 20}, {"unlocked": "it may be short, and is there to show it"}),
    "sharded": Case({"nodes": 6, "steps": 20}),
    "stdlib": Case({"every": 250}),
    "survey": Case({"every": 150, "delay": 0.001}),
    "tour": Case(),
    "arrays": Case({"size": 40, "hours": 5}, module="numpy"),
    "columns": Case({"months": 3, "rows": 300, "items": 20, "least": 5}, module="pyarrow"),
    "frames": Case({"stations": 3, "rows": 500}, module="polars"),
    "queries": Case({"rows": 2000, "customers": 20, "items": 4}, module="duckdb"),
}


def searched(name: str, runs: int, workers: int) -> StressReport:
    """Search the schedules of one graph."""
    case = CASES[name]
    graph = taskrunner.load(ROOT / "workloads" / f"{name}.json")
    with tempfile.TemporaryDirectory() as folder:
        run = RunOptions(params=case.params, workers=workers, run_dir=folder)
        options = StressOptions(run=run, seeds=runs, ignore=tuple(case.ignore))
        return search(graph, options)


def row(report: StressReport) -> str:
    """Return a graph's line of the table."""
    alarms = int(report.finding is not None)
    return line(report.graph, report.runs, report.calls, report.met, alarms, f"{report.seconds:.1f}")


def line(*cells: object) -> str:
    """Return a line of the table: the graph's name, then numbers."""
    return f"{cells[0]:10}" + "".join(f"{cell!s:>10}" for cell in cells[1:])


def again(name: str, report: StressReport) -> str:
    """Return a command that searches under the seed of an alarm."""
    words = ["taskrunner", "stress", f"workloads/{name}.json", "--workers", str(report.workers), "--runs", "1"]
    words += ["--seed", str(report.finding.seed)] if report.finding else []
    case = CASES[name]
    words += [word for key, value in case.params.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return shlex.join([*words, *[word for node in case.ignore for word in ("--ignore", node)]])


def main() -> int:
    """Search each graph in turn and print a line for it at once; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=options.positive, default=1000)
    parser.add_argument("--workers", type=options.positive, default=2)
    parser.add_argument("--graphs", type=options.names(CASES), default=list(CASES))
    chosen = parser.parse_args()
    print(sys.version)
    print(line("graph", "runs", "calls", "met", "alarms", "seconds"))
    code = 0
    for name in chosen.graphs:
        if not CASES[name].can_run:
            print(f"{name}: {CASES[name].module} is not installed")
            continue
        report = searched(name, chosen.runs, chosen.workers)
        print(row(report), flush=True)
        if report.finding:
            code = 1
            print(stress_text(report, again(name, report)), end="")
    return code


if __name__ == "__main__":
    sys.exit(main())
