"""Lanes: which attempt was where, and when. One lane a worker, and as many as it takes for what overlaps.

Times are whole microseconds from the start of the run, as pages and traces write them.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from taskrunner.observe.recorded import Attempt, RecordedRun, is_offloaded

# The kinds of lanes. OFFLOADED: async nodes and commands, where no graph tells which is which.
WORKER = "worker"
COMMAND = "command"
ASYNC = "async"
OFFLOADED = "event loop"

# More lanes of one kind than these nobody can look at; what does not fit into them shares one more.
MOST_LANES = 100


class Slice(NamedTuple):
    """A stretch of a lane."""

    start: int
    end: int
    attempt: Attempt


class Lane(msgspec.Struct, frozen=True):
    """Attempts one after the other: no slice begins before the one before it has ended."""

    name: str
    kind: str
    slices: Sequence[Slice]

    @property
    def busy(self) -> int:
        """Microseconds in which something ran."""
        return sum([piece.end - piece.start for piece in self.slices])


class Steal(NamedTuple):
    """A stolen slice, by its lane and its place there; from which lane and when, -1: nobody knows."""

    lane: int
    place: int
    source: int
    moment: int


def micros(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1e6)


def lanes_of(run: RecordedRun) -> list[Lane]:
    """Return the lanes of a run: those of its workers by their numbers, then commands, then async nodes."""
    attempts: dict[str, list[Attempt]] = {}
    workers: list[list[Attempt]] = [[] for _ in range(_workers(run))]
    for attempt in run.attempts:
        if is_offloaded(attempt):
            attempts.setdefault(kind_of(run, attempt), []).append(attempt)
        else:
            workers[attempt.worker].append(attempt)
    lanes = [Lane(f"worker {i}", WORKER, clipped(each)) for i, each in enumerate(workers)]
    for kind in (COMMAND, ASYNC, OFFLOADED):
        lanes += _spread(kind, attempts.get(kind, []))
    return lanes


def kind_of(run: RecordedRun, attempt: Attempt) -> str:
    """Say on which kind of lane an attempt goes."""
    if not is_offloaded(attempt):
        return WORKER
    vertex = run.vertex(attempt)
    if vertex is None:
        return OFFLOADED
    return ASYNC if vertex.call else COMMAND


def clipped(attempts: Iterable[Attempt]) -> list[Slice]:
    """Return the slices of attempts in the order of their ends, each cut where the one before it ended.

    A mapped node's own end counts the time that it spent on its expansion as if it had been spent just before:
    its start may lie before the end of what really ran then.
    """
    slices, free = [], 0
    for attempt in sorted(attempts, key=lambda a: (a.ended, a.started, a.node)):
        end = max(free, micros(attempt.ended))
        slices.append(Slice(min(max(free, micros(attempt.started)), end), end, attempt))
        free = end
    return slices


def steals_of(run: RecordedRun, lanes: Sequence[Lane]) -> Iterator[Steal]:
    """Yield the steals in the order of the lanes. Workers' lanes come first, so that their numbers are the lanes'."""
    makers = _makers(run)
    for number, lane in enumerate(lanes):
        for place, piece in enumerate(lane.slices):
            if piece.attempt.event.stolen:
                yield Steal(number, place, *_source(run, piece.attempt, makers))


def _source(run: RecordedRun, attempt: Attempt, makers: dict[int, int]) -> tuple[int, int]:
    """Return the worker that made a stolen attempt ready, and when."""
    if attempt.child >= 0:
        source = makers.get(attempt.vertex, -1)
    else:
        by = run.released_by(attempt)
        source = -1 if by is None else by.worker
    known = source >= 0 and source != attempt.worker
    return (source, micros(attempt.ready)) if known else (-1, -1)


def _makers(run: RecordedRun) -> dict[int, int]:
    """Return the worker that expanded each mapped vertex: those of its children that were not stolen ran there."""
    return {
        attempt.vertex: attempt.worker
        for attempt in run.attempts
        if attempt.child >= 0 and not attempt.event.stolen and not is_offloaded(attempt)
    }


def _workers(run: RecordedRun) -> int:
    """Return how many workers there were; a run that went on may have had another number."""
    used = max([attempt.worker for attempt in run.attempts], default=-1) + 1
    return max(used, *[start.workers for start in run.starts])


def _spread(kind: str, attempts: Sequence[Attempt]) -> list[Lane]:
    """Give each attempt the first lane that is free when it starts."""
    rows: list[list[Attempt]] = []
    free: list[int] = []
    taken: list[tuple[float, int]] = []
    left: list[Attempt] = []
    for attempt in attempts:
        while taken and taken[0][0] <= attempt.started:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if not free and len(rows) == MOST_LANES:
            left.append(attempt)
            continue
        if not free:
            free.append(len(rows))
            rows.append([])
        row = heapq.heappop(free)
        rows[row].append(attempt)
        heapq.heappush(taken, (attempt.ended, row))
    lanes = [Lane(f"{kind} {i}", kind, clipped(row)) for i, row in enumerate(rows, 1)]
    return [*lanes, Lane(f"{kind}, others", kind, clipped(left))] if left else lanes
