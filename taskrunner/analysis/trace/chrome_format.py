"""The Chrome Trace Event Format, as much of it as is used: what an event holds, and how a file is made of events.

The format is described in "Trace Event Format" by Google's trace viewer team,
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Times are microseconds.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

# There is one process. Readers take 0 for the idle process of a system.
PID = 1
# So many events are encoded at once.
_BATCH = 4096

_encoder = msgspec.json.Encoder()


class TraceEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="ph"):
    """The base of all events; the tag is the phase, ``tid`` the lane."""

    name: str
    ts: float
    pid: int = PID
    tid: int


class SliceArgs(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a reader shows of a slice that is chosen. ``ran_us``: where the slice shows only the end of it.

    ``cpu_us``: where it was measured.
    """

    node: str
    attempt: int
    state: str
    queued_us: float
    call: str = ""
    error: str = ""
    stolen: bool = False
    critical: bool = False
    timeout_s: float | UnsetType = UNSET
    ran_us: float | UnsetType = UNSET
    cpu_us: float | UnsetType = UNSET


class Complete(TraceEvent, frozen=True, kw_only=True, tag="X"):
    """A slice: something that ran from ``ts`` for ``dur``. ``cname``: a reserved colour."""

    cat: str
    dur: float
    args: SliceArgs
    cname: str | UnsetType = UNSET


class Instant(TraceEvent, frozen=True, kw_only=True, tag="i"):
    """A moment; ``s`` says for whom: ``t`` a lane, ``p`` the process."""

    cat: str
    s: str
    args: dict[str, str] = {}


class FlowStart(TraceEvent, frozen=True, kw_only=True, tag="s"):
    """An arrow begins at the slice of ``tid`` that encloses ``ts``."""

    cat: str
    id: int


class FlowEnd(TraceEvent, frozen=True, kw_only=True, tag="f"):
    """The arrow of this ``id``, ``cat`` and name ends at the slice that encloses ``ts``: so says ``bp``."""

    cat: str
    id: int
    bp: str = "e"


class Counts(msgspec.Struct, frozen=True, gc=False):
    """How many nodes wait for a place, and how many run."""

    ready: int
    running: int


class Counter(TraceEvent, frozen=True, kw_only=True, tag="C"):
    """Values that are so from ``ts`` on."""

    args: Counts


class Metadata(TraceEvent, frozen=True, kw_only=True, tag="M"):
    """The name or the place of a lane or of the process."""

    ts: float = 0.0  # older releases of speedscope refuse a file with an event that has none
    args: dict[str, str | int]


def encode(events: Iterable[TraceEvent], other: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield a file of these events and of what else is known, piece by piece; it has an event on each line."""
    yield b'{"traceEvents":[\n'
    between = b""
    for batch in itertools.batched(events, _BATCH):  # noqa: B911  the last one may be short
        yield between + _encoder.encode_lines(batch)[:-1].replace(b"\n", b",\n")
        between = b",\n"
    yield b'\n],"displayTimeUnit":"ms","otherData":' + _encoder.encode(other) + b"}\n"
