"""Machine resources of this process: processors, the CPU limit of its control groups, and the clock."""

import itertools
import os
import time

import msgspec

from taskrunner.doctor.environment.cgroup import cpu_limit
from taskrunner.system.host import processors, system

READINGS = 1000


class Machine(msgspec.Struct, frozen=True):
    """The machine as seen by this process.

    - ``processors``: the number of processors; ``affinity``: the number that the process may use, 0 if the system does
      not report it.
    - ``workers``: the default number of workers of a run.
    - ``cpu_limit``: the CPU time that the control groups allow, in processors; None without a limit.
    - ``clock``: the clock that measures runs; ``resolution_s``: its resolution according to the system, in seconds;
      ``step_s``: the shortest observed step, in seconds.
    """

    platform: str
    processors: int
    affinity: int
    workers: int
    cpu_limit: float | None
    clock: str
    resolution_s: float
    step_s: float


def describe() -> Machine:
    """Return the properties of this machine."""
    clock = time.get_clock_info("perf_counter")
    return Machine(
        platform=system(),
        processors=os.cpu_count() or 0,
        affinity=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        workers=processors(),
        cpu_limit=cpu_limit(),
        clock=clock.implementation,
        resolution_s=clock.resolution,
        step_s=_step(),
    )


def _step() -> float:
    """Return the shortest time between two different readings of the clock, in seconds."""
    readings = [time.perf_counter_ns() for _ in range(READINGS)]
    steps = [later - earlier for earlier, later in itertools.pairwise(readings)]
    return min((step for step in steps if step > 0), default=0) / 1e9
