"""What no schedule can beat, whatever its policy (Graham, "Bounds on multiprocessing timing anomalies", 1969)."""

from collections.abc import Iterator

import msgspec

from taskrunner.analysis.attempts import COMMAND, WORKER
from taskrunner.analysis.simulation.workload import Workload


class Bound(msgspec.Struct, frozen=True):
    """The least seconds that a workload takes, and ``by`` what: the critical path, work, commands, or a named pool."""

    seconds: float
    by: str


def bound(workload: Workload, workers: int) -> Bound:
    """Return the largest of all bounds of a workload on so many workers, without overheads."""
    return max(_bounds(workload, workers), key=lambda found: found.seconds)


def _bounds(workload: Workload, workers: int) -> Iterator[Bound]:
    yield Bound(max(workload.tails(), default=0.0), "critical path")
    yield Bound(_work(workload, WORKER) / workers, "work")
    yield Bound(_work(workload, COMMAND) / workers, "commands")
    held: dict[str, float] = {}
    for job in workload.jobs:
        for name in job.limits:
            held[name] = held.get(name, 0.0) + job.busy_s
    for name, seconds in held.items():
        yield Bound(seconds / workload.pools[name], f"pool {name}")


def _work(workload: Workload, kind: str) -> float:
    return sum([job.busy_s for job in workload.jobs if job.kind == kind])
