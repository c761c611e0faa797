"""Measure what a task costs in ``WorkStealingExecutor`` and in ``ThreadPoolExecutor``.

Both sides run in turn within one run of the script, round after round, each with a fresh executor:

* ``wide``: the main thread submits many tasks that do nothing, then waits for all results;
* ``map``: the same by ``map``;
* ``nested``: tasks submit tasks (``fib``), and look at their results when they are done.

Usage: ``uv run scripts/bench_executor.py [--workers 1,2] [--tasks 100000] [--rounds 5] [--json FILE]``. Run it
alone: another job on the machine makes the figures noise.
"""

import argparse
import gc
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from taskrunner import WorkStealingExecutor

KINDS: dict[str, Callable[[int], Executor]] = {
    "ThreadPoolExecutor": ThreadPoolExecutor,
    "WorkStealingExecutor": WorkStealingExecutor,
}


def nothing(_: object = None) -> None:
    """Do nothing: all the time that such a task takes is the executor's own."""


def wide(executor: Executor, tasks: int) -> int:
    """Submit tasks from outside and wait for all; return how many there were."""
    for future in [executor.submit(nothing) for _ in range(tasks)]:
        future.result()
    return tasks


def mapped(executor: Executor, tasks: int) -> int:
    """Map a function over a range; return how many tasks there were."""
    for _ in executor.map(nothing, range(tasks)):
        pass
    return tasks


def nested(executor: Executor, tasks: int) -> int:
    """Have tasks submit tasks, each two until enough were made; none waits inside. Return how many there were."""
    done = threading.Event()
    left = [tasks]
    lock = threading.Lock()

    def work(size: int) -> None:
        if size > 1:
            half = (size - 1) // 2
            for part in (half, size - 1 - half):
                if part:
                    executor.submit(work, part)
        with lock:
            left[0] -= 1
            if not left[0]:
                done.set()

    executor.submit(work, tasks)
    done.wait()
    return tasks


SHAPES = {"wide": wide, "map": mapped, "nested": nested}


def measure(kind: str, shape: str, workers: int, tasks: int) -> float:
    """Return the microseconds a task takes, with an executor whose threads have started."""
    with KINDS[kind](workers) as executor:
        wide(executor, 100)
        gc.collect()
        started = time.perf_counter()
        SHAPES[shape](executor, tasks)
        return (time.perf_counter() - started) / tasks * 1e6


def compare(shape: str, workers: int, tasks: int, rounds: int) -> dict[str, Any]:
    """Measure both kinds in turn, and return their medians, spreads and ratio."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, found in times.items():
            found.append(measure(kind, shape, workers, tasks))
    medians = {kind: statistics.median(found) for kind, found in times.items()}
    theirs, ours = medians.values()
    return {
        "shape": shape,
        "workers": workers,
        "tasks": tasks,
        "us_a_task": medians,
        "spread": {kind: max(found) / min(found) for kind, found in times.items()},
        "ratio": theirs / ours,
    }


def main() -> None:
    """Measure, print a table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(sys.version)
    print(f"{'shape':8}{'workers':>8}" + "".join(f"{kind:>22}" for kind in KINDS) + f"{'ratio':>8}{'spread':>8}")
    rows = []
    for shape in SHAPES:
        for workers in options.workers:
            row = compare(shape, workers, options.tasks, options.rounds)
            cells = "".join(f"{us:>19.2f} us" for us in row["us_a_task"].values())
            print(f"{shape:8}{workers:>8}{cells}{row['ratio']:>7.1f}x{max(row['spread'].values()):>8.2f}", flush=True)
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
