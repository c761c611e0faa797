"""Measure how much of the machine's own speed-up a run reaches.

For the workloads ``fib`` and ``stdlib`` this measures, in turn and each in a fresh process:

* ``taskrunner exec`` with 1 worker and with N: the wall time of its summary;
* bare threads on the same functions, the items split by hand, with 1 thread and with N.

It prints the medians, both speed-ups over 1 and their ratio; a ratio of 1 means that nothing is lost
to the runner. Usage: ``uv run scripts/speedup.py [--workers 2] [--rounds 5] [--json FILE]``. Run it
alone: another job on the machine makes the figures noise.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workloads import fib, stdlib

ROOT = Path(__file__).resolve().parent.parent
FIB_N = 29
FIB_COPIES = 16

type Work = tuple[Callable[[Any], Any], list[Any]]

WORKLOADS: dict[str, tuple[list[str], Callable[[], Work]]] = {
    "fib": (
        ["--set", f"n={FIB_N}", "--set", f"copies={FIB_COPIES}"],
        lambda: (fib.fib, fib.repeat(FIB_N, FIB_COPIES)),
    ),
    "stdlib": ([], lambda: (stdlib.parse, stdlib.modules())),
}


def bare(name: str, threads: int) -> float:
    """Run a workload's items on bare threads, every ``threads``-th on the same one; return the wall time."""
    function, items = WORKLOADS[name][1]()

    def work(mine: list[Any]) -> None:
        for item in mine:
            function(item)

    team = [threading.Thread(target=work, args=(items[i::threads],)) for i in range(threads)]
    started = time.perf_counter()
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    return time.perf_counter() - started


def bare_in_child(name: str, threads: int) -> float:
    """Run ``bare`` in a fresh process."""
    command = [sys.executable, __file__, "--bare", name, "--workers", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def runner_in_child(name: str, workers: int) -> float:
    """Run ``taskrunner exec`` in a fresh process; return the wall time of its summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "taskrunner", "exec", str(ROOT / "workloads" / f"{name}.json")]
        command += ["--workers", str(workers), "--json", "--run-dir", folder, *WORKLOADS[name][0]]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["wall_s"])


def measure(name: str, workers: int, rounds: int) -> dict[str, Any]:
    """Measure the four sides of one workload in turn, and return their medians and ratios."""
    sides: dict[str, Callable[[], float]] = {
        "runner_1": lambda: runner_in_child(name, 1),
        "runner_n": lambda: runner_in_child(name, workers),
        "bare_1": lambda: bare_in_child(name, 1),
        "bare_n": lambda: bare_in_child(name, workers),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, take in sides.items():
            times[side].append(take())
    medians = {side: statistics.median(values) for side, values in times.items()}
    runner, plain = medians["runner_1"] / medians["runner_n"], medians["bare_1"] / medians["bare_n"]
    return {
        "workload": name,
        "workers": workers,
        "rounds": rounds,
        "medians_s": medians,
        "spread": {side: max(values) / min(values) for side, values in times.items()},
        "speedup_runner": runner,
        "speedup_bare": plain,
        "share": runner / plain,
    }


def main() -> None:
    """Measure, print a table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--bare", choices=list(WORKLOADS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(bare(options.bare, options.workers))
        return
    rows = [measure(name, options.workers, options.rounds) for name in WORKLOADS]
    print(sys.version)
    n = options.workers
    print(f"{'workload':10}{'runner 1':>10}{f'runner {n}':>10}{'bare 1':>10}{f'bare {n}':>10}", end="")
    print(f"{'speed-up':>10}{'bare':>8}{'share':>8}{'spread':>8}")
    for row in rows:
        cells = "".join(f"{seconds:>9.3f}s" for seconds in row["medians_s"].values())
        print(f"{row['workload']:10}{cells}{row['speedup_runner']:>10.2f}{row['speedup_bare']:>8.2f}", end="")
        print(f"{row['share']:>8.3f}{max(row['spread'].values()):>8.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
