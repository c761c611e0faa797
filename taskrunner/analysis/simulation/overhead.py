"""Overheads of a recorded run: medians, derived from its events, of the time lost around its nodes."""

import itertools
from bisect import bisect
from collections.abc import Iterator
from statistics import median

import msgspec

from taskrunner.analysis.attempts import ASYNC, Attempt, is_offloaded
from taskrunner.analysis.recorded_run import RecordedRun, kind_of

# Seconds by which two equal timestamps may differ, since each is a sum of rounded parts.
ROUNDING_S = 1e-6


class Overhead(msgspec.Struct, frozen=True):
    """Overheads in seconds.

    ``node_s``: from the end of a node to the start of the next one on the same worker.
    ``wake_s``: from ready to started where a worker slept, or where the event loop ran the node.
    ``fixed_s``: before the first node and after the last one.
    """

    node_s: float = 0.0
    wake_s: float = 0.0
    fixed_s: float = 0.0


def measure(run: RecordedRun) -> Overhead:
    """Return the overheads of a run; 0 for an overhead without a sample.

    Nodes that may have waited for a slot are left out, and so are mapped nodes, whose times are combined.
    """
    gaps, wakes = [], []
    for free, attempt in _attempts_with_free_time(run):
        if attempt.ready > free + ROUNDING_S:
            wakes.append(attempt.queued_s)
        else:
            gaps.append(max(attempt.started - free, 0.0))
    wakes += [a.queued_s for a in run.attempts if kind_of(run, a) == ASYNC and _is_sample(run, a)]
    return Overhead(_median(gaps), _median(wakes), _fixed_seconds(run))


def _attempts_with_free_time(run: RecordedRun) -> Iterator[tuple[float, Attempt]]:
    """Yield each attempt on a worker with the time since when that worker was free, in the same part of the run."""
    lanes: dict[tuple[int, int], list[Attempt]] = {}
    for attempt in run.attempts:
        if not is_offloaded(attempt):
            lanes.setdefault((bisect(run.parts, attempt.started), attempt.worker), []).append(attempt)
    for (part, _), lane in lanes.items():
        # The worker slept from the start of the part until its first attempt was ready.
        if _is_sample(run, lane[0]) and lane[0].ready > run.parts[part - 1] + ROUNDING_S:
            yield run.parts[part - 1], lane[0]
        for previous, attempt in itertools.pairwise(lane):
            if not _is_mapped(run, previous) and _is_sample(run, attempt):
                yield previous.ended, attempt


def _is_sample(run: RecordedRun, attempt: Attempt) -> bool:
    vertex = run.vertex(attempt)
    return vertex is not None and not vertex.pools and not _is_mapped(run, attempt)


def _is_mapped(run: RecordedRun, attempt: Attempt) -> bool:
    vertex = run.vertex(attempt)
    return vertex is not None and vertex.is_mapped and attempt.child < 0


def _fixed_seconds(run: RecordedRun) -> float:
    """Return the seconds before the first node and, if the run succeeded, after the last one."""
    head = run.attempts[0].started
    tail = run.wall_s - max(attempt.ended for attempt in run.attempts)
    return max(head, 0.0) + (max(tail, 0.0) if run.done is not None and run.done.ok else 0.0)


def _median(values: list[float]) -> float:
    return median(values) if values else 0.0
