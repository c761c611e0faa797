"""Noise told apart from change, without a word about how times are distributed.

All of it asks the same: if nothing had changed, the runs could as well have been on the other side. In how many of
all the ways to share them out between the sides would they look as far apart as they do?

One number, such as the wall time, is judged by ranks: the test of H. B. Mann and D. R. Whitney (Annals of
Mathematical Statistics 18, 1947), two-sided, with ties. Its p is the share of the ways that look as far apart. They
are counted as B. Streitberg and J. Roehmel do (Statistical Software Newsletter 12, 1986); of many runs the normal
distribution tells it nearly.

Of many nodes some look changed by chance. How far apart a node's sides are is the *gap* between their ranges: the
fastest run of the slower side over the slowest of the faster one. The sorted times of a node can be cut in two at one
place only, if the sides are of one size, and it is either the cut between the sides or one of the other ways.
Where nothing changed all ways are as likely. So the number of nodes that are cut in another way with such a gap, over
the number of the other ways, is how many chance alone cuts between the sides. A node whose gap is so wide that this
number is a small share of all gaps between the sides as wide has changed; the share is its q, the false
discovery rate. It counts as R. F. Barber and E. J. Candes do with knockoffs (Annals of Statistics 43, 2015), with one
added to the gaps by chance; that makes it hold for few nodes as well.

Where there is one run a side, the nodes of one function stand for each other, and each is compared with itself. If
nothing changed, what a node differs by could as well have the other sign. How likely a sum as large is then, is at
most ``exp(-sum ** 2 / (2 * sum of squares))`` (W. Hoeffding, Journal of the American Statistical Association 58,
1963). One node that the system has interrupted makes both large, however long that took.
"""

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence

# A change is what has at most this p or q. Three runs against three reach 1/10, and 1/9 for one node alone.
LEVEL = 1 / 8
JITTER_S = 1e-3  # added to times before they are divided: what the interruptions of a system come to
MOST_COUNTED = 60  # so many runs in all: for more the ways are not counted, and the normal distribution serves

type Times = Sequence[float]


def least_p(base: int, other: int) -> float:
    """Return the smallest p that so many runs against so many can have; 1.0: they can tell nothing."""
    return min(2 / math.comb(base + other, base), 1.0)


def can_judge(base: int, other: int) -> bool:
    """Say whether so many runs against so many can tell a change from noise, however large it is."""
    return least_p(base, other) <= LEVEL


def rank_p(base: Times, other: Times) -> float:
    """Return the two-sided p of the Mann-Whitney test: the share of sums of ranks as far from the middle."""
    ranks = _ranks([*base, *other])
    middle = len(base) * (len(ranks) + 1)  # ranks are doubled, and so is this
    off = abs(sum(ranks[: len(base)]) - middle)
    if len(ranks) > MOST_COUNTED:
        return _normal_p(ranks, len(base), off)
    ways = _sums(ranks, len(base))
    return sum(n for total, n in ways.items() if abs(total - middle) >= off) / math.comb(len(ranks), len(base))


def most_p(differences: Times) -> float:
    """Return the most that p can be: the chance of such a sum or a larger one, where each could have either sign."""
    total, squares = sum(differences), sum([each * each for each in differences])
    return math.exp(-total * total / (2 * squares)) if total > 0 else 1.0


def discovery_rates(rows: Sequence[tuple[Times, Times]]) -> list[float]:
    """Return the q of each row: how large a share of the rows with such gaps or wider is noise.

    A row is the times of one node on both sides, in seconds: one for each run, so that all rows are of one shape.
    """
    if not rows:
        return []
    base, other = map(len, rows[0])
    others = math.comb(base + other, base) // (2 if base == other else 1) - 1  # both sides in turn: the same gap
    chance = sorted(itertools.chain.from_iterable(itertools.starmap(_other_gaps, rows)))
    gaps = list(itertools.starmap(gap, rows))
    apart = sorted([(each, i) for i, each in enumerate(gaps) if each > 1])
    rates, least = [1.0] * len(rows), 1.0
    for above, (each, i) in zip(range(len(apart), 0, -1), apart, strict=True):
        wider = len(chance) - bisect.bisect_left(chance, each)
        least = min(least, (1 + wider) / (others or 1) / above)
        rates[i] = least
    return rates


def gap(base: Times, other: Times) -> float:
    """Return the fastest of the slower side over the slowest of the faster one; at most 1: their ranges meet."""
    return max(_over(min(other), max(base)), _over(min(base), max(other)))


def _other_gaps(base: Times, other: Times) -> Iterator[float]:
    """Give the gaps where the sorted times could be cut in two sides of these sizes, but for the sides' own."""
    own = len(base) if max(base) < min(other) else len(other) if max(other) < min(base) else 0
    times = sorted([*base, *other])
    for size in {len(base), len(other)} - {own}:
        yield _over(times[size], times[size - 1])


def _over(slow: float, fast: float) -> float:
    return (slow + JITTER_S) / (fast + JITTER_S)


def _ranks(values: Times) -> list[int]:
    """Return twice the rank of each value, from 1; equal ones share the middle of theirs."""
    ordered = sorted(values)
    return [bisect.bisect_left(ordered, v) + bisect.bisect_right(ordered, v) + 1 for v in values]


def _normal_p(ranks: Sequence[int], size: int, off: float) -> float:
    """Return the chance that a sum of so many ranks is so far off, if it is normal, as of many it nearly is."""
    count, mean = len(ranks), len(ranks) + 1
    variance = size * (count - size) * sum((rank - mean) ** 2 for rank in ranks) / (count * (count - 1))
    return math.erfc(off / math.sqrt(2 * variance)) if variance else 1.0


def _sums(ranks: Sequence[int], size: int) -> dict[int, int]:
    """Count the ways to choose so many of the ranks, by their sum."""
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(size))]
    for rank in ranks:
        for chosen in range(size, 0, -1):
            for total, n in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + n
    return ways[size]
