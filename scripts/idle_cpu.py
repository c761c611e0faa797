"""Measure what waiting costs: CPU time of a run whose one node sleeps, over that of one that does not wait.

Each run is a fresh ``taskrunner exec`` of its own; the figures are user and system time of the whole
process. Usage: ``uv run scripts/idle_cpu.py [--seconds 5] [--rounds 3]``.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

GRAPHS = {
    "call": '{"id": "wait", "call": "time:sleep", "args": [%s]}',
    "async": '{"id": "wait", "call": "asyncio:sleep", "args": [%s]}',
    "command": '{"id": "wait", "run": ["sleep", "%s"]}',
}


def cpu_seconds(node: str) -> float:
    """Run a graph of one node in a child process and return the CPU time that it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.json"
        path.write_text('{"taskrunner": 1, "nodes": [' + node + "]}", encoding="utf-8")
        command = [sys.executable, "-m", "taskrunner", "exec", str(path), "--workers", "2", "--quiet"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "--run-dir", folder], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure each kind of node in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(sys.version)
    print(f"{'node':10}{'no wait':>12}{f'{options.seconds:g} s':>12}{'difference':>12}")
    for kind, node in GRAPHS.items():
        short, long = [], []
        for _ in range(options.rounds):
            short.append(cpu_seconds(node % 0))
            long.append(cpu_seconds(node % options.seconds))
        none, some = statistics.median(short), statistics.median(long)
        print(f"{kind:10}{none * 1e3:>9.0f} ms{some * 1e3:>9.0f} ms{(some - none) * 1e3:>9.0f} ms")


if __name__ == "__main__":
    main()
