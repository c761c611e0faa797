"""Measure what starting costs: whole processes of the command line, over one that only imports its libraries.

In turn, each in a fresh process: ``taskrunner exec`` and ``taskrunner check`` on a graph of one node,
``taskrunner --help``, Python with the libraries that the package uses, and Python alone. ``--imports``
also prints the modules that ``exec`` imports beyond those libraries, by the time that each took itself.

Usage: ``uv run scripts/startup.py [--rounds 20] [--imports] [--json FILE]``.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark import child, machine, options
from benchmark.figure import in_turn, spread

# What a command without a log for people needs: structlog, which imports rich where it finds it, is left out.
LIBRARIES = "import click, msgspec"
BASE = "libraries"
GRAPH = '{"taskrunner": 1, "nodes": [{"id": "one", "call": "builtins:int"}]}'
COMMANDS = {
    "exec": ("-m", "taskrunner", "exec", "one.json", "-q"),
    "check": ("-m", "taskrunner", "check", "one.json"),
    "--help": ("-m", "taskrunner", "--help"),
    BASE: ("-c", LIBRARIES),
    "python": ("-c", "pass"),
}
IMPORT = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Measure all commands in turn, after a warm-up; return the seconds of every round."""
    for arguments in COMMANDS.values():
        child.run([sys.executable, *arguments], folder)
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds):
        for name in in_turn(list(COMMANDS), number):
            seconds[name].append(child.run([sys.executable, *COMMANDS[name]], folder).seconds)
    return seconds


def imports(folder: Path) -> dict[str, int]:
    """Return the modules that ``exec`` imports beyond the libraries, with microseconds, the slowest first."""
    base, ours = (_imported(name, folder) for name in (BASE, "exec"))
    beyond = {module: spent for module, spent in ours.items() if module not in base}
    return dict(sorted(beyond.items(), key=lambda item: -item[1]))


def _imported(name: str, folder: Path) -> dict[str, int]:
    ended = child.run([sys.executable, "-X", "importtime", *COMMANDS[name]], folder)
    return {module: int(spent) for spent, module in IMPORT.findall(ended.errors)}


def table(seconds: dict[str, list[float]]) -> Iterator[str]:
    """Give the lines to print; ``over`` is the median over that of the libraries alone."""
    base = statistics.median(seconds[BASE])
    yield f"{'command':12}{'median':>12}{'spread':>8}{'over':>8}"
    for name, taken in seconds.items():
        median = statistics.median(taken)
        yield f"{name:12}{median * 1e3:>9.1f} ms{spread(taken):>8.2f}{median / base:>7.2f}x"


def report(seconds: dict[str, list[float]], beyond: dict[str, int], described: dict[str, Any]) -> dict[str, Any]:
    """Return all numbers in plain values."""
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    over = {name: median / medians[BASE] for name, median in medians.items()}
    return {"machine": described, "seconds": seconds, "median_s": medians, "over": over, "imports_us": beyond}


def main() -> None:
    """Measure, print the tables, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=options.positive, default=20)
    parser.add_argument("--imports", action="store_true", help="print what exec imports beyond the libraries")
    parser.add_argument("--json", type=options.writable, metavar="FILE")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.json").write_text(GRAPH, encoding="utf-8")
        seconds = measure(folder, chosen.rounds)
        beyond = imports(folder) if chosen.imports else {}
    described = machine.describe(["taskrunner", "click", "msgspec"])
    print(machine.words(described))
    print(*table(seconds), sep="\n")
    if chosen.imports:
        print(
            f"\nexec imports {len(beyond)} modules more; {sum(beyond.values()) / 1e3:.1f} ms in all, by -X importtime"
        )
        print(*(f"{spent:>9} us  {module}" for module, spent in beyond.items()), sep="\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(report(seconds, beyond, described), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
