"""Timeline data for ``timeline.js``: the lanes of a run as columns of small numbers, for a compact page."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.attempts import WORKER
from taskrunner.analysis.html.table import micros
from taskrunner.analysis.lanes import Lane
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.totals import STATES

SHADES = 7  # groups with a separate color; the remaining groups share another color


class LaneColumns(msgspec.Struct, frozen=True):
    """A lane. ``gaps``: the time between the end of a slice and the next start; ``rows``: in the table of nodes."""

    name: str
    kind: str
    rows: Sequence[int]
    gaps: Sequence[int]
    lengths: Sequence[int]
    queued: Sequence[int]
    states: Sequence[int]


class Timeline(msgspec.Struct, frozen=True):
    """The input of ``timeline.js``. Times are microseconds.

    ``steals``: four columns, with the lane and the index of the stolen slice, and the lane and the time of its origin.
    An unknown origin is -1.
    ``group``: the table column that determines the colors; ``shades``: the color of each of its words.
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
    """Return the timeline of a run. ``groups``: the group of each row; ``kind``: the name of the group column."""
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
    """Return the color of each distinct name, in order of appearance; names with more time get smaller numbers."""
    sums = dict.fromkeys(names, 0.0)
    for name, each in zip(names, spent, strict=True):
        sums[name] += each
    colored = {name: shade for shade, name in enumerate(sorted(sums, key=lambda name: -sums[name])[:SHADES])}
    return [colored.get(name, SHADES) for name in sums]


def _steals(run: RecordedRun, lanes: Sequence[Lane]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the steals in the order of the lanes. Worker lanes come first, so a worker's number is its lane's index."""
    for number, lane in enumerate(lanes):
        for index, piece in enumerate(lane.slices):
            if piece.attempt.event.stolen:
                source = run.stolen_from(piece.attempt)
                origin = (-1, -1) if source is None else (source, micros(piece.attempt.ready))
                yield number, index, *origin


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
