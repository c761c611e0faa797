"""Measure what showing progress costs: CPU time of a whole ``taskrunner exec`` on a terminal, over ``--no-progress``.

The same graphs are run in turn, with the bar and without, on a pseudo-terminal of 100 columns that is read
meanwhile: long calls, calls of 1 ms, and one call that only waits. The figures are user and system time of the whole
process. What is ``more`` lies below the noise; so a third run of each round counts, inside the process, the CPU time
that is spent on the bar, the import of rich included: ``inside``, and its ``share`` of that process's time.

Usage: ``uv run scripts/progress.py [--seconds 5] [--rounds 5] [--workers 2] [--json FILE]``.
"""

import argparse
import fcntl
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark import machine, options
from benchmark.figure import in_turn, spread

BODIES = """
import time

def work(seconds, number):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))
"""
# Runs the command line, and writes the seconds spent on the bar and those of the whole process into a file.
COUNTED = """
import atexit, pathlib, sys, time
from taskrunner.cli.main import main
from taskrunner.console.bar import Bar
from taskrunner.execution.state import RunState
spent = []

def count(owner, name):
    method = getattr(owner, name)
    def counted(*given):
        before = time.thread_time()
        try:
            return method(*given)
        finally:
            spent.append(time.thread_time() - before)
    setattr(owner, name, counted)

for owner, name in ((Bar, "on_events"), (Bar, "on_running"), (Bar, "close"), (RunState, "running")):
    count(owner, name)
atexit.register(lambda: pathlib.Path("counted").write_text(f"{sum(spent)} {time.process_time()}"))
sys.path.insert(0, "")
main()
"""
MODULE = ("-m", "taskrunner")
SIDES = {"bar": (MODULE, "--progress"), "none": (MODULE, "--no-progress"), "inside": (("-c", COUNTED), "--progress")}

type Rounds = dict[str, dict[str, list[float]]]


def graphs(seconds: float, workers: int) -> dict[str, list[dict[str, Any]]]:
    """Return the nodes of each graph; each keeps the workers busy for so long, but for the one that waits."""
    cases = {"calls of 0.5 s": 0.5, "calls of 1 ms": 0.001}
    found: dict[str, list[dict[str, Any]]] = {
        name: [{"id": "n", "map": list(range(round(seconds * workers / each))), "call": "bodies:work",
                "args": [each, {"$item": True}]}]
        for name, each in cases.items()
    }  # fmt: skip
    return {**found, "one that waits": [{"id": "n", "call": "time:sleep", "args": [seconds]}]}


def cpu_seconds(folder: Path, file: str, side: str, workers: int) -> float:
    """Run a graph on a pseudo-terminal and return the CPU time of the process."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    program, option = SIDES[side]
    command = [sys.executable, *program, "exec", file, "-w", str(workers), option]
    with tempfile.TemporaryDirectory() as runs:  # a new one: no run is ordered by an earlier one
        process = subprocess.Popen(
            [*command, "--run-dir", runs], cwd=folder, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        os.close(theirs)
        _read_all(ours)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"exec {option} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def _read_all(terminal: int) -> None:
    while True:
        try:
            if not os.read(terminal, 65536):
                return
        except OSError:  # what a terminal says when nobody writes to it any more
            return


def measure(folder: Path, seconds: float, workers: int, rounds: int) -> Rounds:
    """Return for each graph and side the CPU seconds of every round, after a warm-up; of ``inside`` the share."""
    found: Rounds = {}
    for name, nodes in graphs(seconds, workers).items():
        (folder / "graph.json").write_text(json.dumps({"taskrunner": 1, "nodes": nodes}), encoding="utf-8")
        found[name] = {side: [] for side in SIDES}
        for number in range(rounds + 1):
            for side in in_turn(list(SIDES), number):
                taken = cpu_seconds(folder, "graph.json", side, workers)
                if side == "inside":
                    inside, whole = map(float, (folder / "counted").read_text(encoding="utf-8").split())
                    taken = inside / whole
                if number:
                    found[name][side].append(taken)
    return found


def table(found: Rounds) -> Iterator[str]:
    """Give the lines to print: the medians, their difference, and the share of the bar as it was counted inside."""
    yield f"{'graph':16}{'bar':>12}{'none':>12}{'more':>10}{'spread':>8}{'share inside':>14}"
    for name, sides in found.items():
        bar, none, share = (statistics.median(sides[side]) for side in SIDES)
        told = f"{bar * 1e3:>9.0f} ms{none * 1e3:>9.0f} ms{(bar - none) * 1e3:>7.0f} ms"
        yield f"{name:16}{told}{spread(sides['none']):>8.2f}{share:>14.2%}"


def main() -> None:
    """Measure, print the table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=options.positive, default=5)
    parser.add_argument("--workers", type=options.positive, default=2)
    parser.add_argument("--json", type=options.writable, metavar="FILE")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "bodies.py").write_text(BODIES, encoding="utf-8")
        found = measure(Path(name), chosen.seconds, chosen.workers, chosen.rounds)
    described = machine.describe(["taskrunner", "rich"])
    print(machine.words(described), f"{chosen.workers} workers", sep="; ")
    print(*table(found), sep="\n")
    if chosen.json:
        report = {"machine": described, "workers": chosen.workers, "seconds": found}
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
