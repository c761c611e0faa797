"""Event types of a run, as written to ``events.jsonl`` and as passed to observers.

All times are in seconds. ``started_at`` counts from the start of the run. ``worker`` is the number of a worker thread,
or EVENT_LOOP for the event loop, which awaits async nodes and commands.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

# The worker number of the event loop, and of a task that became ready without a worker.
EVENT_LOOP = -1
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

# Bounds that are checked when events are read back, since an event file may come from an untrusted source.
type Seconds = Annotated[float, Meta(ge=0, le=1e10)]
type Worker = Annotated[int, Meta(ge=EVENT_LOOP, lt=100_000)]


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="event", kw_only=True):
    """Base of all events. The tag is the name of the event; ``level`` is one of LEVELS."""

    level: str = "info"


class WarningEvent(Event, frozen=True, kw_only=True):
    """Base of all events at the level of warnings."""

    level: str = "warning"


class RunStart(Event, frozen=True, tag="run.start"):
    """Start of a run.

    - ``at``: the wall-clock time, in seconds since 1970.
    - ``processors``: the number of processors that the run may use.
    - ``versions``: the versions of installed distributions whose module of the same name was already imported.
    - ``ranked``: nodes on the critical path start first, based on the node durations of an earlier run.
    - ``shuffle``: the seed of the requested start order. ``replay``: the run whose order is repeated.
    - ``engine``: the engine that runs the nodes. For an engine other than threads, ``workers`` is the number of nodes
      that can run at once on it.
    - ``cpu_time``: whether the CPU time of calls is measured.
    """

    run: str
    graph: str
    nodes: int
    workers: Annotated[int, Meta(ge=1, le=100_000)]
    python: str
    free_threaded: bool
    gil: bool
    platform: str
    at: Annotated[float, Meta(ge=0, le=2e11)]
    processors: int = 0
    versions: dict[str, str] = {}
    ranked: bool = False
    shuffle: int | None = None
    replay: str = ""
    engine: str = "threads"
    cpu_time: bool = False


class RunResumed(Event, frozen=True, tag="run.resumed"):
    """Resumption of a run.

    ``kept`` is the number of nodes restored from the earlier run. The other nodes had finished, but run again:
    ``changed`` nodes because they or their dependencies have changed, ``unstored`` nodes because their results could
    not be stored.
    """

    kept: int
    changed: tuple[str, ...]
    unstored: tuple[str, ...]


class MeasuredEvent(Event, frozen=True, kw_only=True):
    """Base of events with the CPU time of a call, in seconds. An unknown time is UNSET, and is not written."""

    cpu_s: Seconds | UnsetType = UNSET


class AttemptEvent(MeasuredEvent, frozen=True):
    """Base of events about one attempt to run a node.

    ``stolen``: a worker other than the one that made the node ready ran it.
    """

    node: str
    worker: Worker
    attempt: Annotated[int, Meta(ge=1)]
    queued_s: Seconds
    ran_s: Seconds
    stolen: bool
    started_at: Seconds


class NodeDone(AttemptEvent, frozen=True, tag="node.done"):
    """Success of a node. ``cached``: the result came from the cache, or the command was up to date."""

    cached: bool = False


class BrokenAttempt(AttemptEvent, frozen=True):
    """Base of events about a failed attempt. ``arguments``: the arguments of the call, truncated."""

    error: str
    traceback: str
    arguments: str


class NodeFailed(BrokenAttempt, frozen=True, kw_only=True, tag="node.failed"):
    """Failure of a node: it raised an error, or its command failed.

    ``allowed``: the failure fails neither the run nor the successors of the node.
    """

    level: str = "error"
    allowed: bool = False


class NodeRetry(BrokenAttempt, frozen=True, kw_only=True, tag="node.retry"):
    """Failure of an attempt that is retried after ``wait_s`` seconds."""

    level: str = "warning"
    wait_s: Seconds


class NodeTimeout(WarningEvent, frozen=True, tag="node.timeout"):
    """Timeout of an attempt that took longer than ``timeout_s``; its ``node.failed`` or ``node.retry`` follows.

    ``lost``: the call still runs in an abandoned thread, and another thread has taken over as its worker.
    """

    node: str
    worker: int
    attempt: int
    timeout_s: float
    lost: bool


class NodeSkipped(Event, frozen=True, tag="node.skipped"):
    """Skip of a node. ``reason`` is the cause; ``because`` names the failed or skipped node behind it, if any."""

    node: str
    reason: str
    because: str


class GilSwitchedOn(WarningEvent, frozen=True, tag="gil.on"):
    """Activation of the GIL in a free-threaded build. ``module``: the import that caused it, if known.

    ``node``: the node that ran, or whose callable was resolved, during this import; "" if unknown.
    """

    module: str
    node: str = ""


class SiteJoined(Event, frozen=True, tag="site.joined"):
    """Arrival of a worker process of an engine.

    ``address`` is its address in the engine, ``threads`` the number of nodes that it can run at once. The other fields
    describe its interpreter, its GIL and its host.
    """

    address: str
    threads: int
    python: str
    free_threaded: bool
    gil: bool
    host: str
    pid: int


class SiteLeft(WarningEvent, frozen=True, tag="site.left"):
    """Loss of a worker process. ``nodes``: its unfinished nodes, which run again on another worker process."""

    address: str
    nodes: tuple[str, ...]


class RunWarning(WarningEvent, frozen=True, tag="run.warning"):
    """Warning for the user that does not stop the run."""

    message: str


class RunDone(Event, frozen=True, tag="run.done"):
    """End of a run. ``busy``: the share of the wall time that each worker spent in nodes."""

    ok: bool
    wall_s: Seconds
    done: int
    failed: int
    skipped: int
    busy: tuple[float, ...]
    steals: int
    critical_path_s: float
    critical_path: tuple[str, ...]
    parallelism: float
    gil: bool
    peak_memory_bytes: int
    retried: int = 0
    timed_out_s: float = 0.0
    lost: int = 0
    cached: int = 0
