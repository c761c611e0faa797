"""Parallelism profile: the numbers of running and of ready attempts over the time of a run."""

from collections.abc import Iterable, Sequence

import msgspec

from taskrunner.analysis.lanes import Lane, nanoseconds
from taskrunner.analysis.recorded_run import RecordedRun

BINS = 400


class Profile(msgspec.Struct, frozen=True):
    """Averages over equal time spans of a run.

    ``running``: running attempts, for each kind of lane; ``ready``: attempts that were ready but not yet started.
    """

    running: dict[str, list[float]]
    ready: list[float]


def profile_of(run: RecordedRun, lanes: Sequence[Lane], bins: int = BINS) -> Profile:
    """Return the averages of a run over ``bins`` equal spans of its time."""
    wall = nanoseconds(run.wall_s)
    kinds: dict[str, list[tuple[int, int]]] = {}
    for lane in lanes:
        kinds.setdefault(lane.kind, []).extend([(piece.start, piece.end) for piece in lane.slices])
    running = {kind: averages(pairs, wall, bins) for kind, pairs in kinds.items()}
    waits = [(nanoseconds(attempt.ready), nanoseconds(attempt.started)) for attempt in run.attempts]
    return Profile(running, averages(waits, wall, bins))


def averages(pairs: Iterable[tuple[int, int]], wall: int, bins: int) -> list[float]:
    """Return the average number of active intervals in each of ``bins`` equal spans from 0 to ``wall``.

    Cost: constant per interval, whatever its length. An interval changes two bins and two entries of ``change``.
    """
    if wall <= 0:
        return [0.0] * bins
    width = wall / bins
    ends, change = [0.0] * (bins + 1), [0] * (bins + 1)
    for start, end in pairs:
        first, last = _bin(start, width, bins), _bin(end, width, bins)
        ends[first] -= start - first * width
        ends[last] += end - last * width
        change[first] += 1
        change[last] -= 1
    means, level = [], 0
    for part, turn in zip(ends[:bins], change[:bins], strict=True):
        level += turn
        means.append(max(0.0, level + part / width))
    return means


def _bin(timestamp: int, width: float, bins: int) -> int:
    return min(bins, max(0, int(timestamp / width)))
