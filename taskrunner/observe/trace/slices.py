"""Attempts as slices: each on a lane, where no two overlap. All times are whole nanoseconds.

Every worker has a lane. What waits on the event loop overlaps, and gets as many lanes as it needs.

Before each slice of a lane there is a nanosecond at least. Who reads a trace turns microseconds into
floating point or into whole nanoseconds; two slices that touch could overlap by an error of rounding then.
"""

import heapq
from collections.abc import Iterator
from operator import attrgetter, itemgetter

import msgspec

from taskrunner.observe.recorded import Attempt, RecordedRun, is_offloaded


class Slice(msgspec.Struct, frozen=True, gc=False, eq=False):
    """When and where an attempt is shown. ``released``: the attempt whose end made it ready, if it is known."""

    attempt: Attempt
    lane: int
    ready: int
    start: int
    end: int
    released: Attempt | None


class Lanes:
    """Who is on which lane until when: those of the ``workers`` come first, those of the event loop after them."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.count = workers
        self._ends = [0] * workers
        self._busy: list[tuple[int, int]] = []  # of the event loop: a heap of ends and lanes
        self._free: list[int] = []

    def of_worker(self, worker: int, start: int, end: int) -> tuple[int, int, int]:
        """Return the lane of a worker, and from when to when it is free for what ran so long."""
        start = max(start, self._ends[worker] + 1)
        self._ends[worker] = max(end, start + 1)
        return worker, start, self._ends[worker]

    def of_loop(self, start: int, end: int) -> tuple[int, int, int]:
        """Return the first lane that is free, and these times."""
        start = max(start, 1)
        while self._busy and self._busy[0][0] < start:
            heapq.heappush(self._free, heapq.heappop(self._busy)[1])
        if not self._free:
            self._free.append(self.count)
            self.count += 1
        lane = heapq.heappop(self._free)
        end = max(end, start + 1)
        heapq.heappush(self._busy, (end, lane))
        return lane, start, end


def nanoseconds(seconds: float) -> int:
    """Return a time in whole nanoseconds, as it was measured."""
    return round(seconds * 1e9)


def place(run: RecordedRun) -> tuple[list[Slice], Lanes]:
    """Return the attempts of a run in the order of their starts, and the lanes that they are on."""
    lanes = Lanes(max([*(s.workers for s in run.starts), *(a.worker + 1 for a in run.attempts)], default=0))
    begun = sorted(_begun(run), key=itemgetter(0))
    slices = [_slice(lanes, start, attempt, released) for start, attempt, released in begun]
    return sorted(slices, key=attrgetter("start")), lanes


def _begun(run: RecordedRun) -> Iterator[tuple[int, Attempt, Attempt | None]]:
    """Yield each attempt with when it began and with what released it.

    A mapped node's end was recorded as if it had begun earlier, by the time that it had spent on making its
    children. What ran is the gathering of their results, which began when the last of them had ended.
    """
    for attempt in run.attempts:
        released = run.released_by(attempt)
        start = nanoseconds(attempt.started)
        yield max(start, nanoseconds(released.ended)) if released else start, attempt, released


def _slice(lanes: Lanes, start: int, attempt: Attempt, released: Attempt | None) -> Slice:
    end = nanoseconds(attempt.ended)
    if is_offloaded(attempt):
        lane, start, end = lanes.of_loop(start, end)
    else:
        lane, start, end = lanes.of_worker(attempt.worker, start, end)
    ready = max(nanoseconds(attempt.ready), nanoseconds(released.ended) if released else 0)
    return Slice(attempt, lane, min(ready, start), start, end, released)
