"""Noise told apart from change: exact values, how often it is wrong where nothing changed, what it finds."""

import itertools
import math
import random
import re
from pathlib import Path

import pytest

from taskrunner.analysis import statistics as significance
from taskrunner.analysis.statistics import JITTER_S, LEVEL, can_judge, discovery_rates, gap, max_p, min_p, rank_p


def seeded(*seed):
    return random.Random(repr(seed))  # noqa: S311  no secret hangs on it


@pytest.mark.parametrize(
    ("base", "other", "p"),
    [
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 2 / 20),
        ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0], 2 / 20),
        ([1.0, 2.0, 4.0], [3.0, 5.0, 6.0], 4 / 20),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0], 2 / 252),
        ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0, 7.0], 2 / 21),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1.0),
        ([1.0], [2.0], 1.0),
    ],
)
def test_the_p_of_ranks_is_that_of_the_tables(base, other, p):
    assert rank_p(base, other) == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_the_p_of_ranks_is_what_counting_all_ways_gives_with_ties_too(seed):
    rng = seeded(seed)
    values = [rng.choice([1.0, 2.0, 3.0, 4.0]) for _ in range(7)]
    ranks = [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]
    size = rng.randint(1, 6)
    off = [abs(sum(way) - size * 4) for way in itertools.combinations(ranks, size)]
    expected = sum(each >= off[0] for each in off) / len(off)  # the first way is the sides' own
    assert rank_p(values[:size], values[size:]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_of_many_runs_the_normal_distribution_says_nearly_the_same(seed, monkeypatch):
    rng = seeded(seed)
    base, other = ([round(rng.gauss(mean, 1), 1) for _ in range(30)] for mean in (0.0, 0.3))
    exact = rank_p(base, other)
    monkeypatch.setattr(significance, "MAX_EXACT_RUNS", 0)
    assert rank_p(base, other) == pytest.approx(exact, abs=0.01)


def test_thousands_of_runs_are_judged_at_once():
    assert rank_p([n / 7 for n in range(2000)], [n / 7 + 9 for n in range(2000)]) < 1e-3
    assert rank_p([1.0] * 100, [1.0] * 100) == 1.0


@pytest.mark.parametrize(
    ("base", "other", "enough"),
    [(1, 1, False), (2, 2, False), (2, 4, False), (3, 3, True), (2, 5, True), (1, 15, True)],
)
def test_so_many_runs_are_enough(base, other, enough):
    assert can_judge(base, other) is enough
    far = rank_p([1.0 + n for n in range(base)], [100.0 + n for n in range(other)])
    assert far == pytest.approx(min_p(base, other), abs=1e-12)
    assert (far <= LEVEL) is enough


def test_the_least_p_is_what_the_docs_say():
    text = (Path(__file__).parents[2] / "docs" / "observing.md").read_text()
    found = re.search(r"Three runs against three reach (\S+) at best, four (\S+), five (\S+)\.\n", text)
    assert [float(value) for value in found.groups()] == [float(f"{min_p(n, n):.1g}") for n in (3, 4, 5)]
    assert text.count("1/8 or less") == 2
    assert LEVEL == 1 / 8


def test_the_gap_is_between_the_ranges_and_small_times_count_little():
    assert gap([1.0, 2.0], [4.0, 8.0]) == pytest.approx((4 + JITTER_S) / (2 + JITTER_S))
    assert gap([4.0, 8.0], [1.0, 2.0]) == gap([1.0, 2.0], [4.0, 8.0])
    assert gap([1.0, 3.0], [2.0, 4.0]) < 1
    assert gap([1e-6, 1e-6], [5e-6, 5e-6]) < 1.01


def test_one_node_alone_is_one_of_all_ways():
    apart = ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2])
    assert discovery_rates([apart]) == [pytest.approx(1 / 9)]
    assert discovery_rates([apart[::-1]]) == [pytest.approx(1 / 9)]
    assert discovery_rates([([1.0, 1.1, 2.0], [1.2, 2.1, 2.2])]) == [1.0]
    assert discovery_rates([]) == []


def test_the_gaps_of_other_ways_make_a_gap_less_sure():
    apart, less = ([1.0, 1.0, 1.0], [3.0, 3.0, 3.0]), ([1.0, 1.0, 1.0], [1.5, 1.5, 1.5])
    mixed = ([1.0, 1.0, 2.0], [1.0, 2.0, 2.0])  # cut in another way: its gap is between those of the two
    meet = ([1.0, 2.0, 3.0], [1.5, 2.5, 3.5])
    assert discovery_rates([apart, less]) == pytest.approx([1 / 9 / 2, 1 / 9 / 2])
    assert discovery_rates([less, mixed, apart, meet]) == pytest.approx([2 / 9 / 2, 1.0, 1 / 9, 1.0])


def test_sides_of_two_sizes_have_two_cuts_and_all_ways():
    apart, back = ([1.0, 1.0], [3.0, 3.0, 3.0, 3.0, 3.0]), ([3.0, 3.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    assert discovery_rates([apart]) == [pytest.approx(1 / 20)]
    assert discovery_rates([back]) == [pytest.approx(1 / 20)]
    other = ([1.0, 3.0], [1.0, 3.0, 3.0, 3.0, 3.0])  # the two that are alike are not the base
    assert discovery_rates([apart, other]) == pytest.approx([2 / 20, 1.0])


def rows_of(rng, runs, nodes, changed=0, factor=1.0, slow=0.0):
    """Return nodes with 5 % of noise each, of 1 ms to 1 s; ``slow``: how much whole runs differ beside that."""
    size = sum(runs)
    of_run = [rng.gauss(0, slow) for _ in range(size)]
    rows = []
    for number in range(nodes):
        length = 10 ** rng.uniform(-3, 0)
        times = [length * math.exp(rng.gauss(0, 0.05) + of_run[run]) for run in range(size)]
        other = [time * (factor if number < changed else 1) for time in times[runs[0] :]]
        rows.append((times[: runs[0]], other))
    return rows


def found(rows):
    return [number for number, q in enumerate(discovery_rates(rows)) if q <= LEVEL]


@pytest.mark.parametrize("runs", [(3, 3), (4, 4), (5, 5), (2, 5)])
@pytest.mark.parametrize("slow", [0.0, 0.03])
def test_of_equal_sides_one_comparison_in_eight_at_most_names_any_node(runs, slow):
    # 600 comparisons; the bound is 1/8 and three standard errors of the count
    rng = seeded(runs, slow)
    alarms = sum(bool(found(rows_of(rng, runs, 20, slow=slow))) for _ in range(600))
    assert alarms / 600 <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / 600)


@pytest.mark.parametrize("runs", [(3, 3), (5, 5)])
def test_of_the_nodes_that_are_named_one_in_eight_at_most_is_noise(runs):
    rng = seeded(runs)
    shares = []
    for _ in range(200):
        named = found(rows_of(rng, runs, 100, changed=10, factor=1.2))
        shares.append(sum(number >= 10 for number in named) / max(len(named), 1))
    assert sum(shares) / len(shares) <= LEVEL + 0.02


def test_a_node_that_takes_half_as_long_again_is_found_among_a_hundred():
    rng = seeded(1)
    assert all(0 in found(rows_of(rng, (3, 3), 100, changed=1, factor=1.5)) for _ in range(100))


def test_other_changed_nodes_do_not_hide_one():
    rng = seeded(2)
    named = [found(rows_of(rng, (3, 3), 100, changed=50, factor=1.5)) for _ in range(20)]
    assert all(set(range(50)) <= set(each) for each in named)


@pytest.mark.parametrize("seed", range(30))
def test_the_most_that_p_can_be_is_not_less_than_what_counting_all_ways_gives(seed):
    rng = seeded(seed)
    values = [rng.choice([-1.0, 0.5, 1.0, 2.0, 20.0]) for _ in range(8)]
    ways = [sum(way) for way in itertools.product(*[(value, -value) for value in values])]
    exact = sum(each >= sum(values) for each in ways) / len(ways)
    assert exact <= max_p(values) <= 1.0


@pytest.mark.parametrize(
    ("values", "p"),
    [([1.0] * 8, math.exp(-4)), ([100.0], math.exp(-0.5)), ([1.0, -1.0], 1.0), ([-1.0], 1.0), ([], 1.0), ([0.0], 1.0)],
)
def test_the_most_that_p_can_be(values, p):
    assert max_p(values) == pytest.approx(p)
