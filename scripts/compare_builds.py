"""Run the same graphs on every build of CPython at hand, and compare: time, speed-up, overhead, memory, start-up.

The builds are those that uv knows of: 3.13 and newer, with the GIL and without; a free-threaded one also runs with
``PYTHON_GIL=1``. uv makes each a locked environment of its own (``.venv``, ``.venv-3.13``, … as ``scripts/bootstrap``
does); then each run is a fresh process of that environment's Python: uv itself does not stand in the figures. A build
that is not to be had is named with the reason.

All builds run in turn, each round begins with another one. The results must be equal: the exit code is 1 if they
are not, or if a run failed. The first build is the base of the ratios. A difference that Student's t-test takes for
noise (as pyperf does, at 95 %) has a ``~``.

Usage: ``uv run scripts/compare_builds.py [GRAPH…] [--rounds 5] [--workers N] [--quick] [--json FILE] [--svg FILE]
[--html FILE] [--markdown] [--pyperf FOLDER]``. Run it alone: another job on the machine makes the figures noise.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark import machine, options
from builds import chart, noise, text, webpage
from builds.build import NAME, ROOT, WITH_GIL, Build, MissingError, at_hand, both, built_alike
from builds.case import EMPTY_NODES, GENERATED, QUICK_NODES, Case, generated, given, workloads
from builds.row import SPEED_UP, Row, Rows, workers_words
from builds.trial import DIFFER, Trials, measure, results

ALONE = f"time, {workers_words(1)}"


def main() -> int:
    """Measure, print, and write the files that are asked for; return the exit code."""
    chosen = _options()
    builds, missing = _builds(chosen)
    if not builds:
        print("\n".join(["there is no build to measure", *(f"{name}: {why}" for name, why in missing.items())]))
        return 1
    with tempfile.TemporaryDirectory() as folder:
        cases = _cases(chosen, Path(folder))
        load = os.getloadavg()[0]
        found = measure(cases, builds, sorted({1, chosen.workers}), chosen.rounds, _tell)
        rows = Rows(builds, chosen.workers, found, QUICK_NODES if chosen.quick else EMPTY_NODES).all(cases)
    if not rows:
        print("\n".join(["every run failed", *_notes(builds, found)]))
        return 1
    told = {case.name: results(case, builds, found) for case in cases if case.name not in GENERATED}
    facts = _facts(builds, missing, found, chosen, load) | {"results": told}
    _print(rows, builds, facts, chosen.markdown)
    _write(rows, builds, facts, found, chosen)
    return int(bool(found.failed) or any(one.startswith(DIFFER) for one in told.values()))


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("graphs", nargs="*", type=options.readable, metavar="GRAPH", help="graphs to run as well")
    parser.add_argument("--rounds", type=options.positive, help="default 5; --quick: 2")
    parser.add_argument("--workers", type=options.positive, default=os.process_cpu_count())
    parser.add_argument("--quick", action="store_true", help="small graphs: a look whether it works")
    names = [case.name for case in workloads(quick=False)]
    parser.add_argument("--cases", type=options.names(names), metavar="NAME,…", help=f"of {', '.join(names)}")
    parser.add_argument("--builds", type=_builds_named, default=[], metavar="NAME,…")
    parser.add_argument(
        "--python",
        type=_named,
        action="append",
        metavar="NAME=PYTHON",
        help="an environment that is there already: take these, and do not ask uv",
    )
    parser.add_argument("--environments", type=Path, default=ROOT, help="the folder in which uv makes them")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    for name in ("json", "svg", "html"):
        parser.add_argument(f"--{name}", type=options.writable, metavar="FILE")
    parser.add_argument("--pyperf", type=Path, metavar="FOLDER", help="a file a build for python -m pyperf compare_to")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    return chosen


def _builds_named(names: str) -> list[str]:
    for name in names.split(","):
        if not NAME.fullmatch(name):
            raise argparse.ArgumentTypeError(f'"{name}" is not a build such as 3.13, 3.13t or 3.13t{WITH_GIL}')
    return names.split(",")


def _named(words: str) -> tuple[str, str]:
    name, _, python = words.partition("=")
    if not python:
        raise argparse.ArgumentTypeError(f'"{words}" is not NAME=PYTHON')
    return _builds_named(name)[0], python


def _builds(chosen: Any) -> tuple[list[Build], dict[str, str]]:
    if not chosen.python:
        return at_hand(chosen.environments, chosen.builds)
    builds: list[Build] = []
    missing: dict[str, str] = {}
    for name, python in chosen.python:
        try:
            builds += both(name, python)
        except MissingError as error:
            missing[name] = str(error)
    return [build for build in builds if not chosen.builds or build.name in chosen.builds], missing


def _cases(chosen: Any, folder: Path) -> list[Case]:
    known = [case for case in workloads(chosen.quick) if not chosen.cases or case.name in chosen.cases]
    return [*known, *given(chosen.graphs), *generated(folder, chosen.quick)]


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _facts(builds: Sequence[Build], missing: dict[str, str], found: Trials, chosen: Any, load: float) -> dict[str, Any]:
    here = machine.describe()
    cpus = f"{here['usable_cpus']} of {here['cpu_count']} processors, {here['cpu'] or platform.machine()}"
    return {
        "machine": f"{cpus}, {here['platform']}, load {load:.1f} before; rounds: {chosen.rounds}",
        "builds": {build.name: text.build_words(build) for build in builds},
        "missing": missing,
        "notes": _notes(builds, found),
    }


def _notes(builds: Sequence[Build], found: Trials) -> list[str]:
    failures = [f"{key.case} on {key.build}, {key.workers} workers, failed: {why}" for key, why in found.failed.items()]
    return [*built_alike(builds), *failures]


def _print(rows: Sequence[Row], builds: Sequence[Build], facts: dict[str, Any], markdown: bool) -> None:
    _tell("")
    names = [build.name for build in builds]
    print("\n".join(text.fact_lines(facts)))
    print("\n".join((text.markdown if markdown else text.table)(rows, names)))
    print(f"\n{text.key(names[0])}\n")
    for case, told in facts["results"].items():
        print(f"results of {text.printable(case)}: {text.printable(told)}")


def _write(rows: Sequence[Row], builds: Sequence[Build], facts: dict[str, Any], found: Trials, chosen: Any) -> None:
    names = [build.name for build in builds]
    panels = _panels(rows, names[0])
    if chosen.json:
        all_of_it = facts | {
            "workers": chosen.workers,
            "rounds": chosen.rounds,
            "rows": [row.as_json() for row in rows],
        }
        all_of_it["interpreters"] = {build.name: dict(build.facts) for build in builds}
        chosen.json.write_text(json.dumps(all_of_it, indent=2) + "\n", encoding="utf-8")
    if chosen.svg:
        chosen.svg.write_text(chart.picture(panels, names), encoding="utf-8")
    if chosen.html:
        drawn = chart.inside_page(panels, names)
        chosen.html.write_text(webpage.comparison_page(rows, names, facts, drawn), encoding="utf-8")
    if chosen.pyperf:
        chosen.pyperf.mkdir(exist_ok=True)
        for name in names:
            noise.write_suite(chosen.pyperf / f"{name}.json", _seconds(name, found))


def _panels(rows: Sequence[Row], base: str) -> list[tuple[str, list[Row]]]:
    return [
        (
            f"Time with 1 worker, over {base}: shorter is better",
            [row for row in rows if row.section == "time, 1 worker"],
        ),
        ("Speed-up with more workers: longer is better", [row for row in rows if row.section.startswith(SPEED_UP)]),
    ]


def _seconds(build: str, found: Trials) -> dict[str, list[float]]:
    of_build = {key: taken for key, taken in found.taken.items() if key.build == build}
    return {f"{key.case}, {key.workers}": [one.wall_s for one in taken] for key, taken in of_build.items()}


if __name__ == "__main__":
    sys.exit(main())
