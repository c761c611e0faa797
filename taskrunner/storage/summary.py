"""Summary."""

from collections.abc import Iterable

import msgspec

# So many functions are told of, those that waited longest.
MAX_FUNCTIONS = 5


class FunctionTime(msgspec.Struct, frozen=True):
    """What the calls of one function took, in seconds: ``ran_s`` of wall time, of which ``cpu_s`` on a processor."""

    call: str
    calls: int
    ran_s: float
    cpu_s: float

    @property
    def waited_s(self) -> float:
        """Seconds without a processor: asleep, for data, for a lock, or for a processor that others had."""
        return max(self.ran_s - self.cpu_s, 0.0)


class CpuTimes(msgspec.Struct, frozen=True):
    """What all calls took whose CPU time is known; ``functions``: those that waited longest, at most MOST."""

    calls: int
    ran_s: float
    cpu_s: float
    functions: tuple[FunctionTime, ...]


def add_up(calls: Iterable[tuple[str, float, float]]) -> CpuTimes:
    """Add up calls: the function of each, its seconds, and those of them on a processor."""
    found: dict[str, tuple[int, float, float]] = {}
    for call, ran_s, cpu_s in calls:
        count, ran, cpu = found.get(call, (0, 0.0, 0.0))
        found[call] = count + 1, ran + ran_s, cpu + cpu_s
    functions = [FunctionTime(call, *numbers) for call, numbers in found.items()]
    functions.sort(key=lambda each: (-each.waited_s, each.call))
    return CpuTimes(
        sum([each.calls for each in functions]),
        sum([each.ran_s for each in functions]),
        sum([each.cpu_s for each in functions]),
        tuple(functions[:MAX_FUNCTIONS]),
    )


class SlowNode(msgspec.Struct, frozen=True):
    """One of the nodes that ran longest."""

    node: str
    ran_s: float


class Summary(msgspec.Struct, frozen=True):
    """A run in numbers, as ``summary.json`` holds it. Times are seconds.

    ``busy`` is each worker's share of the wall time that it spent in nodes. ``parallelism`` is the
    time spent in calls and commands, over the wall time. ``gil_module`` is the import that switched
    the GIL on during a run that began without it, ``gil_node`` the node for which that was imported.
    ``signal`` is the one that stopped the run, or 0.
    ``kept``: how many nodes an earlier part of a resumed run had finished; ``nodes`` leaves them out.
    ``retried``: how many attempts failed that were not the last of their node. ``timed_out_s``: the run's own
    time-out, if that stopped it, or 0. ``lost``: how many calls were given up and had not returned at the end.
    ``failed`` counts the failures that are allowed as well, ``ok`` does not mind them.
    ``cached``: how many of those that are done took their results from the cache.
    ``engine``: where the nodes ran; ``workers`` is how many ran at once there, and the memory this process's alone.
    ``cpu``: what calls took and how much of it on a processor, if that was measured.
    """

    run: str
    graph: str
    ok: bool
    wall_s: float
    workers: int
    nodes: int
    done: int
    failed: int
    skipped: int
    retried: int
    kept: int
    busy: tuple[float, ...]
    steals: int
    critical_path_s: float
    critical_path: tuple[str, ...]
    parallelism: float
    slowest: tuple[SlowNode, ...]
    python: str
    free_threaded: bool
    gil: bool
    gil_module: str
    peak_memory_bytes: int
    signal: int
    timed_out_s: float
    lost: int
    cached: int = 0
    gil_node: str = ""
    cpu: CpuTimes | None = None
    engine: str = "threads"
