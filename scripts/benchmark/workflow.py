"""Recorded workflows: how near a run comes to the shortest that is possible with so many workers."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec

from benchmark import bodies
from benchmark.case import Entry, all_figures
from benchmark.figure import Figure, in_turn, spread
from benchmark.job import Job
from benchmark.shapes import Needs
from benchmark.sides import Side
from taskrunner.graph.wfformat import convert

ONE = Side("taskrunner", 1)
ANY_SHAPE = "recorded"


@dataclass(frozen=True)
class Workflow:
    """A recorded workflow, its seconds times ``scale``, so that all work together takes a given time."""

    name: str
    scale: float
    seconds: list[float]
    job: Job


@dataclass(frozen=True)
class Makespan:
    """One side's time for the whole workflow in every round, and the lower bound of the same round."""

    figure: Figure
    bounds: list[float]

    @property
    def over_bound(self) -> float:
        """The median of the rounds' own ratios: 1 would be perfect."""
        return statistics.median(self._ratios())

    @property
    def spread(self) -> float:
        """The worst round's ratio over the best one's."""
        return spread(self._ratios())

    def as_json(self) -> dict[str, Any]:
        """Return the raw numbers and what follows from them."""
        more = {"bounds_s": self.bounds, "over_bound": self.over_bound, "spread_over_bound": self.spread}
        return self.figure.as_json() | more

    def _ratios(self) -> list[float]:
        return [taken / bound for taken, bound in zip(self.figure.seconds, self.bounds, strict=True)]


def read(path: Path, work_s: float) -> Workflow:
    """Read a WfFormat file, scaled to so many seconds of work in all.

    Raises:
        ValueError: there is no work to scale.

    """
    data = path.read_bytes()
    total = sum(node.args[0] for node in convert(data, 1.0, str(path)).nodes)
    if not total:
        raise ValueError(f"{path}: no task took any time")
    file = convert(data, work_s / total, str(path))
    nodes = {node.id: node for node in file.nodes}
    names = list(TopologicalSorter({name: node.needs for name, node in nodes.items()}).static_order())
    number = {name: i for i, name in enumerate(names)}
    seconds = [float(nodes[name].args[0]) for name in names]
    needs = [[number[needed] for needed in nodes[name].needs] for name in names]
    job = Job(names, [partial(bodies.busy, length) for length in seconds], needs, msgspec.json.encode(file))
    return Workflow(path.stem, work_s / total, seconds, job)


def measure(workflow: Workflow, among: Sequence[Side], rounds: int) -> list[Makespan]:
    """Measure the sides in turn; the runner with 1 worker is always among them."""
    sides = dict.fromkeys([ONE, *(side for side in among if side.suits(ANY_SHAPE, ANY_SHAPE))])
    expected = [workflow.seconds[i] for i in workflow.job.sinks]
    entries = [Entry(side, workflow.job, expected, side.check(workflow.job.needs)) for side in sides]
    bounds: dict[int, list[float]] = {side.workers: [] for side in sides}
    for entry in entries:
        entry.warm_up()
    for number in range(rounds):
        durations = _round(workflow.job, in_turn(entries, number))
        for workers, found in bounds.items():
            found.append(lower_bound(durations, workflow.job.needs, workers))
    return [Makespan(figure, bounds[figure.side.workers]) for figure in all_figures(entries)]


def _round(job: Job, entries: Sequence[Entry]) -> list[float]:
    """Measure every side once; return the seconds of each node as the runner noted them with 1 worker."""
    ran: dict[str, float] = {}
    for entry in entries:
        raw = entry.take()
        if entry.side == ONE:
            ran = {node.node: node.ran_s for node in raw.timing}
    return [ran[name] for name in job.names]


def lower_bound(durations: Sequence[float], needs: Needs, workers: int) -> float:
    """Return the longer of the critical path and the work over the workers: no order of the nodes beats it."""
    ends: list[float] = []
    for duration, needed in zip(durations, needs, strict=True):
        ends.append(duration + max((ends[i] for i in needed), default=0.0))
    return max(*ends, sum(durations) / workers)
