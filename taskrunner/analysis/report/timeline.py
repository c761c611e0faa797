"""The lanes of a run as ``timeline.js`` draws them: columns of small numbers, so that many slices take little room."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.attempts import WORKER
from taskrunner.analysis.html.table import micros
from taskrunner.analysis.lanes import Lane
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.totals import STATES

SHADES = 7  # colours for groups of their own; all others share one more


class LaneColumns(msgspec.Struct, frozen=True):
    """A lane. A slice begins ``gaps`` after the end of the one before it. ``rows``: in the table of nodes."""

    name: str
    kind: str
    rows: Sequence[int]
    gaps: Sequence[int]
    lengths: Sequence[int]
    queued: Sequence[int]
    states: Sequence[int]


class Timeline(msgspec.Struct, frozen=True):
    """What is drawn. Times are microseconds.

    ``steals`` are columns: the lane of a stolen slice, its place there, and from which lane and when; -1: nobody knows.
    ``group``: the column of the table by which colours go; ``shades``: the colour of each of its words.
    """

    wall: int
    parts: Sequence[int]
    lanes: Sequence[LaneColumns]
    steals: Sequence[Sequence[int]]
    states: Sequence[str]
    group: str
    shades: Sequence[int]


def timeline_of(
    run: RecordedRun, lanes: Sequence[Lane], rows: Mapping[str, int], kind: str, groups: Sequence[str]
) -> Timeline:
    """Return what is to be drawn. ``groups``: the group of each row, ``kind``: what groups are."""
    return Timeline(
        micros(run.wall_s),
        [micros(part) for part in run.parts[1:]],
        [_columns(lane, rows) for lane in lanes],
        [*zip(*_steals(run, lanes), strict=True)] or [(), (), (), ()],
        STATES,
        kind,
        shades(groups, [run.spent.get(node, 0.0) for node in rows]),
    )


def shades(names: Sequence[str], spent: Sequence[float]) -> list[int]:
    """Return the colour of each name in the order in which they come up: the more time, the smaller its number."""
    sums = dict.fromkeys(names, 0.0)
    for name, each in zip(names, spent, strict=True):
        sums[name] += each
    own = {name: shade for shade, name in enumerate(sorted(sums, key=lambda name: -sums[name])[:SHADES])}
    return [own.get(name, SHADES) for name in sums]


def _steals(run: RecordedRun, lanes: Sequence[Lane]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the steals in the order of the lanes. Workers' lanes come first, so that their numbers are the lanes'."""
    for number, lane in enumerate(lanes):
        for place, piece in enumerate(lane.slices):
            if piece.attempt.event.stolen:
                source = run.stolen_from(piece.attempt)
                found = (-1, -1) if source is None else (source, micros(piece.attempt.ready))
                yield number, place, *found


def _name(lane: Lane) -> str:
    if lane.kind == WORKER:
        return f"worker {lane.number}"
    return f"{lane.kind} {lane.number + 1}" if lane.number >= 0 else f"{lane.kind}, others"


def _columns(lane: Lane, rows: Mapping[str, int]) -> LaneColumns:
    starts = [round(piece.start / 1e3) for piece in lane.slices]
    ends = [round(piece.end / 1e3) for piece in lane.slices]
    attempts = [piece.attempt for piece in lane.slices]
    return LaneColumns(
        _name(lane),
        lane.kind,
        [rows[attempt.node] for attempt in attempts],
        [start - end for start, end in zip(starts, [0, *ends], strict=False)],
        [end - start for start, end in zip(starts, ends, strict=True)],
        [max(0, micros(attempt.queued_s)) for attempt in attempts],
        [STATES.index(attempt.state) for attempt in attempts],
    )
