"""Lanes: the timelines on which the attempts of a run are drawn.

There is one lane per worker, and as many lanes as necessary for attempts that overlap. All displays of a run over time
are built from lanes. Times are whole nanoseconds from the start of the run.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec

from taskrunner.analysis.attempts import ASYNC, COMMAND, OFFLOADED, WORKER, Attempt
from taskrunner.analysis.recorded_run import RecordedRun, kind_of


class Slice(NamedTuple):
    """An interval of a lane."""

    start: int
    end: int
    attempt: Attempt


class Lane(msgspec.Struct, frozen=True):
    """A sequence of attempts: each slice begins after the end of the previous one.

    ``number`` counts the lanes of a kind from 0. The lane with number -1 holds the slices that fit into no other lane.
    """

    kind: str
    number: int
    slices: Sequence[Slice]


def nanoseconds(seconds: float) -> int:
    """Return a time in whole nanoseconds, the resolution of the clock."""
    return round(seconds * 1e9)


def lanes_of(
    run: RecordedRun,
    kind_of: Callable[[RecordedRun, Attempt], str] = kind_of,
    *,
    max_lanes: int | None = None,
    gap: int = 0,
) -> list[Lane]:
    """Return the lanes of a run: those of its workers by number, then those of commands, then of async nodes.

    Args:
        run: the recorded run.
        kind_of: returns the kind of lane for an attempt.
        max_lanes: the maximum number of lanes of each kind except WORKER; the remaining slices share an additional
            lane.
        gap: the minimum number of nanoseconds before each slice of a lane, and the minimum length of a slice.

    """
    workers: list[list[Slice]] = [[] for _ in range(run.workers)]
    others: dict[str, list[Slice]] = {COMMAND: [], ASYNC: [], OFFLOADED: []}
    for piece in _measured(run, gap):
        kind = kind_of(run, piece.attempt)
        (workers[piece.attempt.worker] if kind == WORKER else others[kind]).append(piece)
    lanes = [Lane(WORKER, number, clip(slices, gap)) for number, slices in enumerate(workers)]
    for kind, slices in others.items():
        rows, rest = _distribute(slices, max_lanes, gap)
        lanes += [Lane(kind, number, clip(row, gap)) for number, row in enumerate(rows)]
        lanes += [Lane(kind, -1, clip(rest, gap))] if rest else []
    return lanes


def _measured(run: RecordedRun, gap: int) -> Iterator[Slice]:
    """Yield a slice for each attempt.

    The recorded start of a mapped node's end is too early by the time that the node spent on the creation of its
    children. The slice covers only the collection of their results, which began when the last child had ended.
    """
    for attempt in run.attempts:
        released = run.released_by(attempt) if attempt.node in run.children else None
        start = max(gap, nanoseconds(attempt.started), nanoseconds(released.ended) if released else 0)
        yield Slice(start, max(nanoseconds(attempt.ended), start + gap), attempt)


def clip(slices: Iterable[Slice], gap: int = 0) -> list[Slice]:
    """Return the slices in the order of their ends, each of them cut at the end of the previous one."""
    clipped, free = [], 0
    for piece in sorted(slices, key=lambda piece: (piece.end, piece.start, piece.attempt.node)):
        start = max(piece.start, free + gap)
        free = max(piece.end, start + gap)
        clipped.append(Slice(start, free, piece.attempt))
    return clipped


def _distribute(slices: Iterable[Slice], max_rows: int | None, gap: int) -> tuple[list[list[Slice]], list[Slice]]:
    """Assign each slice to the first row that is free at its start; return the rows and the unassigned slices."""
    rows: list[list[Slice]] = []
    free: list[int] = []
    taken: list[tuple[int, int]] = []  # a heap of ends and rows
    rest: list[Slice] = []
    for piece in sorted(slices, key=attrgetter("start")):
        while taken and taken[0][0] + gap <= piece.start:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if not free and len(rows) == max_rows:
            rest.append(piece)
            continue
        if not free:
            free.append(len(rows))
            rows.append([])
        row = heapq.heappop(free)
        rows[row].append(piece)
        heapq.heappush(taken, (piece.end, row))
    return rows, rest
