"""Statistics: tests that distinguish a change from noise, without any assumption about the distribution of times.

All tests use the same principle: if nothing changed, each run could equally be on the other side. All assignments of
the runs to the sides are considered. The probability is the share of assignments that separate the sides at least as
far as the actual one.

**One number**, such as the wall time, is judged by ranks. The test is that of H. B. Mann and D. R. Whitney (Annals of
Mathematical Statistics 18, 1947), two-sided, with ties. Its p is the share of assignments that separate the sides as
far. The assignments are counted with the algorithm of B. Streitberg and J. Roehmel (Statistical Software Newsletter
12, 1986). For many runs the normal distribution is an adequate approximation.

**Many nodes**: some of them appear changed by chance. The separation of a node's sides is the *gap* between their
ranges: the fastest run of the slower side divided by the slowest run of the faster side. If the sides are of equal
size, the sorted times of a node can be cut at only one position. The cut separates either the actual sides or those
of another assignment. If nothing changed, all assignments are equally likely. So the gaps that chance alone produces
between the actual sides can be estimated. The estimate is the number of nodes with such a gap in another assignment,
divided by the number of other assignments. A node has changed if this estimate is a small share of all actual gaps
that are at least as wide. That share is its q, the false discovery rate. It is computed as R. F. Barber and E. J.
Candes do with knockoffs (Annals of Statistics 43, 2015), with one added to the gaps by chance. The addition makes the
rate valid for few nodes as well.

**One run per side**: the nodes of a function are the sample, and each node is compared with itself. If nothing
changed, each difference could equally have the other sign. The probability of a sum at least as large is at most
``exp(-sum ** 2 / (2 * sum of squares))`` (W. Hoeffding, Journal of the American Statistical Association 58, 1963). A
node that the system interrupted increases both the sum and the sum of squares, however long the interruption was.
"""

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence

# A difference is a change if its p or q is at most this. Three runs against three reach 1/10, and 1/9 for one node.
LEVEL = 1 / 8
JITTER_S = 1e-3  # added to times before a division: the typical total of interruptions by the system
MAX_EXACT_RUNS = 60  # of both sides; for more runs the normal distribution replaces the count of assignments

type Times = Sequence[float]


def min_p(base: int, other: int) -> float:
    """Return the smallest possible p for these numbers of runs; 1.0 means that no verdict is possible."""
    return min(2 / math.comb(base + other, base), 1.0)


def can_judge(base: int, other: int) -> bool:
    """Return whether these numbers of runs can distinguish a change of any size from noise."""
    return min_p(base, other) <= LEVEL


def rank_p(base: Times, other: Times) -> float:
    """Return the two-sided p of the Mann-Whitney test: the share of rank sums at least as far from the middle."""
    ranks = _ranks([*base, *other])
    middle = len(base) * (len(ranks) + 1)  # twice the middle, because _ranks returns twice each rank
    off = abs(sum(ranks[: len(base)]) - middle)
    if len(ranks) > MAX_EXACT_RUNS:
        return _normal_p(ranks, len(base), off)
    counts = _count_sums(ranks, len(base))
    return sum(n for total, n in counts.items() if abs(total - middle) >= off) / math.comb(len(ranks), len(base))


def max_p(differences: Times) -> float:
    """Return an upper bound on p: the probability of a sum at least as large, if each sign is equally likely."""
    total, squares = sum(differences), sum([each * each for each in differences])
    return math.exp(-total * total / (2 * squares)) if total > 0 else 1.0


def discovery_rates(rows: Sequence[tuple[Times, Times]]) -> list[float]:
    """Return the q of each row: the share of noise among the rows with a gap at least as wide.

    A row holds the times of one node on both sides, in seconds. It has one time for each run, so that all rows have the
    same shape.
    """
    if not rows:
        return []
    base, other = map(len, rows[0])
    # Sides of equal size can be swapped, which does not change the gap.
    others = math.comb(base + other, base) // (2 if base == other else 1) - 1
    chance = sorted(itertools.chain.from_iterable(itertools.starmap(_other_gaps, rows)))
    gaps = list(itertools.starmap(gap, rows))
    separated = sorted([(each, i) for i, each in enumerate(gaps) if each > 1])
    rates, least = [1.0] * len(rows), 1.0
    for above, (each, i) in zip(range(len(separated), 0, -1), separated, strict=True):
        wider = len(chance) - bisect.bisect_left(chance, each)
        least = min(least, (1 + wider) / (others or 1) / above)
        rates[i] = least
    return rates


def gap(base: Times, other: Times) -> float:
    """Return the fastest time of the slower side divided by the slowest time of the faster side.

    If the ranges of the sides overlap, the gap is at most 1.
    """
    return max(_ratio(min(other), max(base)), _ratio(min(base), max(other)))


def _other_gaps(base: Times, other: Times) -> Iterator[float]:
    """Yield the gaps at which the sorted times could be cut into sides of these sizes, except for the actual cut."""
    own = len(base) if max(base) < min(other) else len(other) if max(other) < min(base) else 0
    times = sorted([*base, *other])
    for size in {len(base), len(other)} - {own}:
        yield _ratio(times[size], times[size - 1])


def _ratio(slow: float, fast: float) -> float:
    return (slow + JITTER_S) / (fast + JITTER_S)


def _ranks(values: Times) -> list[int]:
    """Return twice the rank of each value, from 1; equal values share the mean of their ranks."""
    ordered = sorted(values)
    return [bisect.bisect_left(ordered, v) + bisect.bisect_right(ordered, v) + 1 for v in values]


def _normal_p(ranks: Sequence[int], size: int, off: float) -> float:
    """Return the probability that a sum of ``size`` ranks is at least ``off`` from the middle, if it is normal."""
    count, mean = len(ranks), len(ranks) + 1
    variance = size * (count - size) * sum((rank - mean) ** 2 for rank in ranks) / (count * (count - 1))
    return math.erfc(off / math.sqrt(2 * variance)) if variance else 1.0


def _count_sums(ranks: Sequence[int], size: int) -> dict[int, int]:
    """Count the ways to choose ``size`` of the ranks, by their sum."""
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(size))]
    for rank in ranks:
        for chosen in range(size, 0, -1):
            for total, n in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + n
    return ways[size]
