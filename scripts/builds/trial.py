"""One run of one graph on one build, in a fresh process."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark import child
from benchmark.figure import in_turn
from builds.build import Build
from builds.case import ONE, Case

DIFFER = "differ"
VARY = "not compared: they differ from run to run"
# On Linux the largest size of a process counts from that of the one that started it: here a small shell, not this
# script. The run tells its own size, without the shell.
SMALL_PARENT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


@dataclass(frozen=True)
class Taken:
    """What a run took: its wall time, that of the process, processor time, memory; ``result`` is canonical JSON."""

    wall_s: float
    process_s: float
    cpu_s: float
    peak_bytes: int
    result: str
    delay_s: float


@dataclass(frozen=True)
class Key:
    """A graph on a build with so many workers."""

    case: str
    build: str
    workers: int


@dataclass
class Trials:
    """All that was taken, by round, and what failed."""

    taken: dict[Key, list[Taken]] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)


def take(case: Case, build: Build, workers: int) -> Taken:
    """Run the graph once.

    Raises:
        ChildFailedError: the run failed.

    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [build.python, "-m", "taskrunner", "exec", str(case.graph), *case.arguments, "-q", "--no-cache"]
        command += ["--workers", str(workers), "--run-dir", str(folder / "runs"), "--output", str(folder / "out.json")]
        ended = child.run([*SMALL_PARENT, *command], Path.cwd(), build.environment())
        outputs = json.loads((folder / "out.json").read_bytes())
        (summary,) = folder.glob("runs/*/summary.json")
        told = json.loads(summary.read_bytes())
    delay_s = outputs[case.delay]["worst_delay_s"] if case.delay else 0.0
    result, memory = canonical(case, outputs), told["peak_memory_bytes"]
    return Taken(told["wall_s"], ended.seconds, ended.cpu_s, memory, result, delay_s)


def canonical(case: Case, outputs: dict[str, Any]) -> str:
    """Return the outputs that must be equal as JSON in one spelling."""
    chosen = {name: outputs[name] for name in outputs if case.compared is None or name in case.compared}
    return json.dumps(chosen, sort_keys=True)


def measure(
    cases: Sequence[Case], builds: Sequence[Build], workers: Sequence[int], rounds: int, tell: Callable[[str], None]
) -> Trials:
    """Run everything in turn, so many times: what slows the machine down falls on all builds alike.

    Each round begins with another build. A graph that fails on a build is left out there from then on.
    """
    found = Trials()
    sides = [(build, k) for build in builds for k in workers]
    _warm_up(cases, builds)
    for number in range(rounds):
        for case in cases:
            tell(f"round {number + 1} of {rounds}: {case.name}")
            for build, k in in_turn(sides, number):
                _note(found, case, build, k)
    return found


def _warm_up(cases: Sequence[Case], builds: Sequence[Build]) -> None:
    """Let every build write its bytecode first; a failure is told when it is measured."""
    for build in builds:
        for case in cases:
            if case.name == ONE:
                _note(Trials(), case, build, 1)


def _note(found: Trials, case: Case, build: Build, workers: int) -> None:
    key = Key(case.name, build.name, workers)
    if key in found.failed:
        return
    try:
        found.taken.setdefault(key, []).append(take(case, build, workers))
    except child.ChildFailedError as error:
        found.failed[key] = str(error).strip().splitlines()[-1]
        found.taken.pop(key, None)


def results(case: Case, builds: Sequence[Build], found: Trials) -> str:
    """Say whether a graph's results are equal on all builds, which of them differ, or that they always do."""
    of_build = {build: given for build in builds if (given := _given(case, build, found))}
    if case.compared == () or (of_build and all(len(given) > 1 for given in of_build.values())):
        return VARY
    groups: dict[str, set[str]] = {}
    for build, given in of_build.items():
        groups.setdefault(build.version if case.per_version else "", set()).update(given)
    if any(len(given) > 1 for given in groups.values()):
        return f"{DIFFER}: {'; '.join(f'{build.name} {_cut(given)}' for build, given in of_build.items())}"
    return "equal on each version" if len(groups) > 1 else "equal"


def _given(case: Case, build: Build, found: Trials) -> set[str]:
    """Return the different results of a graph on one build, of all its runs."""
    mine = [taken for key, taken in found.taken.items() if (key.case, key.build) == (case.name, build.name)]
    return {one.result for taken in mine for one in taken}


def _cut(several: set[str]) -> str:
    text = " or ".join(sorted(several))
    return text if len(text) <= 80 else f"{text[:80]}…"  # noqa: PLR2004  as much as a line holds
