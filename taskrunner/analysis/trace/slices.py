"""Attempts as the slices of a trace: each on a lane, where no two overlap. All times are whole nanoseconds.

Every worker has a lane. What waits on the event loop overlaps, and gets as many lanes as it needs.

Before each slice of a lane there is a nanosecond at least. Who reads a trace turns microseconds into
floating point or into whole nanoseconds; two slices that touch could overlap by an error of rounding then.
"""

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from taskrunner.analysis import lanes
from taskrunner.analysis.attempts import OFFLOADED, WORKER, Attempt, is_offloaded
from taskrunner.analysis.lanes import Lane, lanes_of, nanoseconds
from taskrunner.analysis.recorded_run import RecordedRun


class Slice(msgspec.Struct, frozen=True, gc=False, eq=False):
    """When and where an attempt is shown. ``released``: the attempt whose end made it ready, if it is known."""

    attempt: Attempt
    lane: int
    ready: int
    start: int
    end: int
    released: Attempt | None


def place(run: RecordedRun) -> tuple[list[Slice], Sequence[Lane]]:
    """Return the attempts of a run in the order of their starts, and the lanes that they are on."""
    found = lanes_of(run, _kind_of, gap=1)
    slices = [_slice(run, number, piece) for number, lane in enumerate(found) for piece in lane.slices]
    return sorted(slices, key=attrgetter("start")), found


def _kind_of(_run: RecordedRun, attempt: Attempt) -> str:
    return OFFLOADED if is_offloaded(attempt) else WORKER


def _slice(run: RecordedRun, lane: int, piece: lanes.Slice) -> Slice:
    attempt = piece.attempt
    released = run.released_by(attempt)
    ready = max(nanoseconds(attempt.ready), nanoseconds(released.ended) if released else 0)
    return Slice(attempt, lane, min(ready, piece.start), piece.start, piece.end, released)
