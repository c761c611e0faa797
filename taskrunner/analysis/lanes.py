"""Lanes: which attempt was where, and when. One lane a worker, and as many as it takes for what overlaps.

All that shows a run over time is made from these. Times are whole nanoseconds from the start of the run.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec

from taskrunner.analysis.attempts import ASYNC, COMMAND, OFFLOADED, WORKER, Attempt
from taskrunner.analysis.recorded_run import RecordedRun, kind_of


class Slice(NamedTuple):
    """A stretch of a lane."""

    start: int
    end: int
    attempt: Attempt


class Lane(msgspec.Struct, frozen=True):
    """Attempts one after the other: no slice begins before the one before it has ended.

    ``number`` counts the lanes of a kind from 0; -1: the one for what did not fit into those.
    """

    kind: str
    number: int
    slices: Sequence[Slice]


def nanoseconds(seconds: float) -> int:
    """Return a time in whole nanoseconds, as it was measured."""
    return round(seconds * 1e9)


def lanes_of(
    run: RecordedRun,
    kind_of: Callable[[RecordedRun, Attempt], str] = kind_of,
    *,
    most: int | None = None,
    gap: int = 0,
) -> list[Lane]:
    """Return the lanes of a run: those of its workers by their numbers, then commands, then async nodes.

    Args:
        run: what was recorded.
        kind_of: says on which kind of lane an attempt goes.
        most: so many lanes there are of a kind that is not WORKER; what does not fit into them shares one more.
        gap: nanoseconds that lie before each slice of a lane, and that each lasts, at least.

    """
    workers: list[list[Slice]] = [[] for _ in range(run.workers)]
    others: dict[str, list[Slice]] = {COMMAND: [], ASYNC: [], OFFLOADED: []}
    for piece in _measured(run, gap):
        where = kind_of(run, piece.attempt)
        (workers[piece.attempt.worker] if where == WORKER else others[where]).append(piece)
    lanes = [Lane(WORKER, number, clipped(slices, gap)) for number, slices in enumerate(workers)]
    for where, slices in others.items():
        rows, rest = _spread(slices, most, gap)
        lanes += [Lane(where, number, clipped(row, gap)) for number, row in enumerate(rows)]
        lanes += [Lane(where, -1, clipped(rest, gap))] if rest else []
    return lanes


def _measured(run: RecordedRun, gap: int) -> Iterator[Slice]:
    """Yield a slice for each attempt.

    A mapped node's end was recorded as if it had begun earlier, by the time that it had spent on making its
    children. What ran is the gathering of their results, which began when the last of them had ended.
    """
    for attempt in run.attempts:
        released = run.released_by(attempt) if attempt.node in run.children else None
        start = max(gap, nanoseconds(attempt.started), nanoseconds(released.ended) if released else 0)
        yield Slice(start, max(nanoseconds(attempt.ended), start + gap), attempt)


def clipped(slices: Iterable[Slice], gap: int = 0) -> list[Slice]:
    """Return slices in the order of their ends, each cut where the one before it ended."""
    found, free = [], 0
    for piece in sorted(slices, key=lambda piece: (piece.end, piece.start, piece.attempt.node)):
        start = max(piece.start, free + gap)
        free = max(piece.end, start + gap)
        found.append(Slice(start, free, piece.attempt))
    return found


def _spread(slices: Iterable[Slice], most: int | None, gap: int) -> tuple[list[list[Slice]], list[Slice]]:
    """Give each slice the first row that is free when it starts; return the rows, and what found none."""
    rows: list[list[Slice]] = []
    free: list[int] = []
    taken: list[tuple[int, int]] = []  # a heap of ends and rows
    rest: list[Slice] = []
    for piece in sorted(slices, key=attrgetter("start")):
        while taken and taken[0][0] + gap <= piece.start:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if not free and len(rows) == most:
            rest.append(piece)
            continue
        if not free:
            free.append(len(rows))
            rows.append([])
        row = heapq.heappop(free)
        rows[row].append(piece)
        heapq.heappush(taken, (piece.end, row))
    return rows, rest
