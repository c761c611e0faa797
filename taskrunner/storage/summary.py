"""Run summary: the contents of ``summary.json``, with the CPU time of calls added up by function."""

from collections.abc import Iterable

import msgspec

# At most this many functions are listed, those that waited longest.
MAX_FUNCTIONS = 5


class FunctionTime(msgspec.Struct, frozen=True):
    """The time of all calls of one function, in seconds: ``ran_s`` of wall time, of which ``cpu_s`` on a processor."""

    call: str
    calls: int
    ran_s: float
    cpu_s: float

    @property
    def waited_s(self) -> float:
        """Seconds without a processor: asleep, or waiting for data, for a lock, or for a busy processor."""
        return max(self.ran_s - self.cpu_s, 0.0)


class CpuTimes(msgspec.Struct, frozen=True):
    """The time of all calls with a measured CPU time.

    ``functions``: at most MAX_FUNCTIONS functions, those that waited longest.
    """

    calls: int
    ran_s: float
    cpu_s: float
    functions: tuple[FunctionTime, ...]


class SlowNode(msgspec.Struct, frozen=True):
    """One of the longest-running nodes."""

    node: str
    ran_s: float


class Summary(msgspec.Struct, frozen=True):
    """The numbers of a run, as stored in ``summary.json``. Times are seconds.

    - ``busy``: the share of the wall time that each worker spent in nodes.
    - ``parallelism``: the time spent in calls and commands, divided by the wall time.
    - ``gil_module``: the import that enabled the GIL during a run that started without it. ``gil_node``: the node that
      needed this import.
    - ``signal``: the number of the signal that stopped the run, or 0.
    - ``kept``: the number of nodes that an earlier part of a resumed run had finished; ``nodes`` excludes them.
    - ``retried``: the number of failed attempts that were not the last attempt of their node.
    - ``timed_out_s``: the timeout of the run if it stopped the run, or 0.
    - ``lost``: the number of abandoned calls that had not returned at the end of the run.
    - ``failed``: the number of failures, including allowed ones. ``ok`` ignores allowed failures.
    - ``cached``: the number of finished nodes with a result from the cache.
    - ``engine``: the engine that ran the nodes. For an engine other than threads, ``workers`` is the number of nodes
      that could run at once on it.
    - ``peak_memory_bytes``: the peak memory of this process only, without worker processes.
    - ``cpu``: the wall time and CPU time of calls, if measured.
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


def add_up(calls: Iterable[tuple[str, float, float]]) -> CpuTimes:
    """Add up calls, each given as its function, its wall time and its CPU time in seconds."""
    totals: dict[str, tuple[int, float, float]] = {}
    for call, ran_s, cpu_s in calls:
        count, ran, cpu = totals.get(call, (0, 0.0, 0.0))
        totals[call] = count + 1, ran + ran_s, cpu + cpu_s
    functions = [FunctionTime(call, *numbers) for call, numbers in totals.items()]
    functions.sort(key=lambda function: (-function.waited_s, function.call))
    return CpuTimes(
        sum([function.calls for function in functions]),
        sum([function.ran_s for function in functions]),
        sum([function.cpu_s for function in functions]),
        tuple(functions[:MAX_FUNCTIONS]),
    )
