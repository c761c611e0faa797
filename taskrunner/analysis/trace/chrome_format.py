"""Chrome Trace Event Format: the used subset of its event types, and the encoding of a file.

The format is described in "Trace Event Format" by Google's trace viewer team,
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Times are microseconds.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

PID = 1  # of the only process; viewers interpret 0 as the idle process of a system
_BATCH_SIZE = 4096  # events that are encoded together

_encoder = msgspec.json.Encoder()


class TraceEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="ph"):
    """The base of all events; the tag is the phase, and ``tid`` is the lane."""

    name: str
    ts: float
    pid: int = PID
    tid: int


class SliceArgs(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The details of a slice, which a viewer shows when the slice is selected.

    ``ran_us`` is present if the slice shows only the last part of the attempt, ``cpu_us`` if CPU time was measured.
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
    """A slice that starts at ``ts`` and lasts for ``dur``; ``cname`` is the name of a reserved color."""

    cat: str
    dur: float
    args: SliceArgs
    cname: str | UnsetType = UNSET


class Instant(TraceEvent, frozen=True, kw_only=True, tag="i"):
    """A point in time; ``s`` is its scope, ``t`` for a lane or ``p`` for the process."""

    cat: str
    s: str
    args: dict[str, str] = {}


class FlowStart(TraceEvent, frozen=True, kw_only=True, tag="s"):
    """The start of an arrow, at the slice of ``tid`` that encloses ``ts``."""

    cat: str
    id: int


class FlowEnd(TraceEvent, frozen=True, kw_only=True, tag="f"):
    """The end of the arrow with the same ``id``, ``cat`` and name.

    With ``bp`` "e" the arrow ends at the slice that encloses ``ts``.
    """

    cat: str
    id: int
    bp: str = "e"


class Counts(msgspec.Struct, frozen=True, gc=False):
    """The number of nodes that wait for a worker or a slot, and the number of running nodes."""

    ready: int
    running: int


class Counter(TraceEvent, frozen=True, kw_only=True, tag="C"):
    """The values of a counter from ``ts`` onward."""

    args: Counts


class Metadata(TraceEvent, frozen=True, kw_only=True, tag="M"):
    """The name or the position of a lane, or the name of the process."""

    ts: float = 0.0  # older releases of speedscope reject a file in which an event has no ``ts``
    args: dict[str, str | int]


def encode(events: Iterable[TraceEvent], other: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield a file with these events and other data, in pieces; each event is on a separate line."""
    yield b'{"traceEvents":[\n'
    separator = b""
    for batch in itertools.batched(events, _BATCH_SIZE):  # noqa: B911  the last batch may be shorter
        yield separator + _encoder.encode_lines(batch)[:-1].replace(b"\n", b",\n")
        separator = b",\n"
    yield b'\n],"displayTimeUnit":"ms","otherData":' + _encoder.encode(other) + b"}\n"
