"""Lower bounds on the makespan, for any policy (Graham, "Bounds on multiprocessing timing anomalies", 1969)."""

from collections.abc import Iterator

import msgspec

from taskrunner.analysis.attempts import COMMAND, WORKER
from taskrunner.analysis.simulation.workload import Workload


class Bound(msgspec.Struct, frozen=True):
    """The least seconds that a workload takes.

    ``by``: the cause of the bound. It is "critical path", "work", "commands", or "pool NAME".
    """

    seconds: float
    by: str


def bound(workload: Workload, workers: int) -> Bound:
    """Return the largest of all bounds of a workload on a number of workers, without overheads."""
    return max(_bounds(workload, workers), key=lambda candidate: candidate.seconds)


def _bounds(workload: Workload, workers: int) -> Iterator[Bound]:
    yield Bound(max(workload.tails(), default=0.0), "critical path")
    yield Bound(_busy_seconds(workload, WORKER) / workers, "work")
    yield Bound(_busy_seconds(workload, COMMAND) / workers, "commands")
    pool_seconds: dict[str, float] = {}
    for job in workload.jobs:
        for name in job.limits:
            pool_seconds[name] = pool_seconds.get(name, 0.0) + job.busy_s
    for name, seconds in pool_seconds.items():
        yield Bound(seconds / workload.pools[name], f"pool {name}")


def _busy_seconds(workload: Workload, kind: str) -> float:
    return sum([job.busy_s for job in workload.jobs if job.kind == kind])
