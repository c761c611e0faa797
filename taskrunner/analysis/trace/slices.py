"""Slices of a trace: the attempts of a run on lanes, without overlap. All times are whole nanoseconds.

Every worker has a lane. Attempts on the event loop overlap, so they get as many lanes as necessary.

There is a gap of at least one nanosecond before each slice of a lane. Trace viewers convert microseconds to floating
point or to whole nanoseconds, so a rounding error could make adjacent slices overlap.
"""

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from taskrunner.analysis import lanes
from taskrunner.analysis.attempts import OFFLOADED, WORKER, Attempt, is_offloaded
from taskrunner.analysis.lanes import Lane, lanes_of, nanoseconds
from taskrunner.analysis.recorded_run import RecordedRun


class Slice(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The times and the lane of an attempt; ``released`` is the attempt whose end made it ready, if known."""

    attempt: Attempt
    lane: int
    ready: int
    start: int
    end: int
    released: Attempt | None


def assign_lanes(run: RecordedRun) -> tuple[list[Slice], Sequence[Lane]]:
    """Return the slices of a run in the order of their starts, and their lanes."""
    run_lanes = lanes_of(run, _kind_of, gap=1)
    slices = [_slice(run, number, piece) for number, lane in enumerate(run_lanes) for piece in lane.slices]
    return sorted(slices, key=attrgetter("start")), run_lanes


def _kind_of(_run: RecordedRun, attempt: Attempt) -> str:
    return OFFLOADED if is_offloaded(attempt) else WORKER


def _slice(run: RecordedRun, lane: int, piece: lanes.Slice) -> Slice:
    attempt = piece.attempt
    released = run.released_by(attempt)
    ready = max(nanoseconds(attempt.ready), nanoseconds(released.ended) if released else 0)
    return Slice(attempt, lane, min(ready, piece.start), piece.start, piece.end, released)
