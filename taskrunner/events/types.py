"""What a run tells: its events, as they are written to ``events.jsonl``, and who is told.

All times are seconds. ``started_at`` counts from the start of the run. ``worker`` is the number of
a worker thread; EVENT_LOOP stands for the event loop, where async nodes and commands wait.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

EVENT_LOOP = -1  # also who made ready what no worker did


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


# What is read back is of these bounds; the files of a run may come from elsewhere.
type Seconds = Annotated[float, Meta(ge=0, le=1e10)]


type Worker = Annotated[int, Meta(ge=EVENT_LOOP, lt=100_000)]


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="event", kw_only=True):
    """The base of all events; the tag is the event's name, ``level`` one of LEVELS."""

    level: str = "info"


class WarningEvent(Event, frozen=True, kw_only=True):
    """The base of what a user ought to know."""

    level: str = "warning"


class RunStart(Event, frozen=True, tag="run.start"):
    """A run begins. ``at`` is the time of day, in seconds since 1970; ``processors``: those that it may use.

    ``versions``: those of the installed distributions that had been imported under their own names.
    ``ranked``: an earlier run has told the times of the nodes, so the critical path goes first.
    ``shuffle``: the seed of the order that the run was asked to take, and ``replay``: the run whose order that was.
    ``engine``: where the nodes run; if that is not in this process, ``workers`` is how many run at once there.
    ``cpu_time``: the CPU time of calls is measured.
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
    """A run goes on. ``kept``: how many nodes had finished; the others ran, but are run again, and why."""

    kept: int
    changed: tuple[str, ...]
    unstored: tuple[str, ...]


class MeasuredEvent(Event, frozen=True, kw_only=True):
    """The base of what may have CPU time, in seconds. UNSET, and not written: nobody knows it."""

    cpu_s: Seconds | UnsetType = UNSET


class AttemptEvent(MeasuredEvent, frozen=True):
    """The base of what tells of one attempt to run a node."""

    node: str
    worker: Worker
    attempt: Annotated[int, Meta(ge=1)]
    queued_s: Seconds
    ran_s: Seconds
    stolen: bool
    started_at: Seconds


class NodeDone(AttemptEvent, frozen=True, tag="node.done"):
    """A node has its result. ``stolen``: another worker than the one that made it ready ran it.

    ``cached``: the result came from the cache, or the command was up to date.
    """

    cached: bool = False


class BrokenAttempt(AttemptEvent, frozen=True):
    """The base of what tells of an attempt that failed. ``arguments``: those of the call, cut."""

    error: str
    traceback: str
    arguments: str


class NodeFailed(BrokenAttempt, frozen=True, kw_only=True, tag="node.failed"):
    """A node raised an error, or its command failed. ``allowed``: that fails neither the run nor what needs it."""

    level: str = "error"
    allowed: bool = False


class NodeRetry(BrokenAttempt, frozen=True, kw_only=True, tag="node.retry"):
    """An attempt failed as a node does, and another one begins after ``wait_s``."""

    level: str = "warning"
    wait_s: Seconds


class NodeTimeout(WarningEvent, frozen=True, tag="node.timeout"):
    """An attempt took longer than ``timeout_s``; its ``node.failed`` or ``node.retry`` follows.

    ``lost``: its call goes on in a thread that nobody waits for; another one has taken its worker's place.
    """

    node: str
    worker: int
    attempt: int
    timeout_s: float
    lost: bool


class NodeSkipped(Event, frozen=True, tag="node.skipped"):
    """A node was not run. ``reason`` says why, ``because`` names the node that it waited for."""

    node: str
    reason: str
    because: str


class GilSwitchedOn(WarningEvent, frozen=True, tag="gil.on"):
    """The GIL of a free-threaded build came on; ``module`` is the import that did it, if known.

    ``node``: the one whose callable was resolved, or that ran, when it was imported; "" if that is not known.
    """

    module: str
    node: str = ""


class SiteJoined(Event, frozen=True, tag="site.joined"):
    """A process that runs nodes for an engine: its address there, how many at once, its interpreter and its GIL."""

    address: str
    threads: int
    python: str
    free_threaded: bool
    gil: bool
    host: str
    pid: int


class SiteLeft(WarningEvent, frozen=True, tag="site.left"):
    """A process that ran nodes is gone; ``nodes`` are those that it had not finished, which run again elsewhere."""

    address: str
    nodes: tuple[str, ...]


class RunWarning(WarningEvent, frozen=True, tag="run.warning"):
    """Something that the user ought to know and that does not stop the run."""

    message: str


class RunDone(Event, frozen=True, tag="run.done"):
    """A run has ended. ``busy`` is each worker's share of the wall time."""

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
