"""How much ran at once, and how much was ready and waited, over the time of a run."""

from collections.abc import Iterable, Sequence

import msgspec

from taskrunner.analysis.lanes import Lane, nanoseconds
from taskrunner.analysis.recorded_run import RecordedRun

BINS = 400


class Profile(msgspec.Struct, frozen=True):
    """Averages over equal stretches of a run. ``running``: for each kind of lane; ``ready``: had not begun yet."""

    running: dict[str, list[float]]
    ready: list[float]


def profile_of(run: RecordedRun, lanes: Sequence[Lane], bins: int = BINS) -> Profile:
    """Return the averages of a run in so many stretches of its time."""
    wall = nanoseconds(run.wall_s)
    kinds: dict[str, list[tuple[int, int]]] = {}
    for lane in lanes:
        kinds.setdefault(lane.kind, []).extend([(piece.start, piece.end) for piece in lane.slices])
    running = {kind: averages(pairs, wall, bins) for kind, pairs in kinds.items()}
    waits = [(nanoseconds(attempt.ready), nanoseconds(attempt.started)) for attempt in run.attempts]
    return Profile(running, averages(waits, wall, bins))


def averages(pairs: Iterable[tuple[int, int]], wall: int, bins: int) -> list[float]:
    """Return how many of the intervals go on in each of ``bins`` stretches of 0 to ``wall``, on average.

    The work is the same for a long interval as for a short one: its two ends, and what it adds between them once.
    """
    if wall <= 0:
        return [0.0] * bins
    width = wall / bins
    ends, change = [0.0] * (bins + 1), [0] * (bins + 1)
    for start, end in pairs:
        first, last = _place(start, width, bins), _place(end, width, bins)
        ends[first] -= start - first * width
        ends[last] += end - last * width
        change[first] += 1
        change[last] -= 1
    found, level = [], 0
    for part, turn in zip(ends[:bins], change[:bins], strict=True):
        level += turn
        found.append(max(0.0, level + part / width))
    return found


def _place(moment: int, width: float, bins: int) -> int:
    return min(bins, max(0, int(moment / width)))
