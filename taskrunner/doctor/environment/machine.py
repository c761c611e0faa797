"""What a process may use of its machine: processors, the time that its control group allows, the clock."""

import itertools
import os
import time

import msgspec

from taskrunner.doctor.environment.cgroup import cpu_limit
from taskrunner.system.host import processors, system

READINGS = 1000


class Machine(msgspec.Struct, frozen=True):
    """The machine as this process sees it.

    ``processors``: those that there are; ``affinity``: those that the process may run on, 0 where the system does not
    tell; ``workers``: how many a run starts if nobody says otherwise; ``cpu_limit``: how many processors' time the
    control groups allow, None without a limit. ``clock`` is the one that runs are timed with, ``resolution_s`` what
    the system says of it in seconds, ``step_s`` the shortest step that was seen.
    """

    platform: str
    processors: int
    affinity: int
    workers: int
    cpu_limit: float | None
    clock: str
    resolution_s: float
    step_s: float


def look() -> Machine:
    """Look at the machine."""
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
    """Return the shortest time between two readings of the clock that differ, in seconds."""
    readings = [time.perf_counter_ns() for _ in range(READINGS)]
    steps = [after - before for before, after in itertools.pairwise(readings)]
    return min((step for step in steps if step > 0), default=0) / 1e9
