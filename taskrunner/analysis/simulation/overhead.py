"""What a recorded run lost around its nodes, as the medians of what its events tell."""

import itertools
from bisect import bisect
from collections.abc import Iterator
from statistics import median

import msgspec

from taskrunner.analysis.attempts import ASYNC, Attempt, is_offloaded
from taskrunner.analysis.recorded_run import RecordedRun, kind_of

# Seconds by which two times that were one moment may differ: they were added up from rounded parts.
ROUNDING = 1e-6


class Overhead(msgspec.Struct, frozen=True):
    """Seconds. ``node_s``: from a node's end to the start of the next one on the same worker.

    ``wake_s``: from ready to started where a worker slept, or the event loop was called. ``fixed_s``: before the
    first node and after the last one.
    """

    node_s: float = 0.0
    wake_s: float = 0.0
    fixed_s: float = 0.0


def measure(run: RecordedRun) -> Overhead:
    """Return the overheads of a run; 0 for what it does not tell.

    Left out are nodes that may have waited for a place in a pool, and mapped ones, whose times are put together.
    """
    gaps, wakes = [], []
    for free, after in _neighbours(run):
        if after.ready > free + ROUNDING:
            wakes.append(after.queued_s)
        else:
            gaps.append(max(after.started - free, 0.0))
    wakes += [a.queued_s for a in run.attempts if kind_of(run, a) == ASYNC and _is_plain(run, a)]
    return Overhead(_median(gaps), _median(wakes), _fixed(run))


def _neighbours(run: RecordedRun) -> Iterator[tuple[float, Attempt]]:
    """Yield each attempt on a worker with the moment from which that worker was free, in the same part of the run."""
    lanes: dict[tuple[int, int], list[Attempt]] = {}
    for attempt in run.attempts:
        if not is_offloaded(attempt):
            lanes.setdefault((bisect(run.parts, attempt.started), attempt.worker), []).append(attempt)
    for (part, _), lane in lanes.items():
        if _is_plain(run, lane[0]) and lane[0].ready > run.parts[part - 1] + ROUNDING:  # it slept until then
            yield run.parts[part - 1], lane[0]
        for before, after in itertools.pairwise(lane):
            if not _is_mapped(run, before) and _is_plain(run, after):
                yield before.ended, after


def _is_plain(run: RecordedRun, attempt: Attempt) -> bool:
    vertex = run.vertex(attempt)
    return vertex is not None and not vertex.pools and not _is_mapped(run, attempt)


def _is_mapped(run: RecordedRun, attempt: Attempt) -> bool:
    vertex = run.vertex(attempt)
    return vertex is not None and vertex.is_mapped and attempt.child < 0


def _fixed(run: RecordedRun) -> float:
    """Return what a run took before its first node and, if it went well, after its last one."""
    before = run.attempts[0].started
    after = run.wall_s - max(attempt.ended for attempt in run.attempts)
    return max(before, 0.0) + (max(after, 0.0) if run.done is not None and run.done.ok else 0.0)


def _median(values: list[float]) -> float:
    return median(values) if values else 0.0
