"""A comparison as text, made of runs that are written down here."""

import pytest

from taskrunner.analysis.comparison.compare import BYTES, COUNT, NUMBER, TIME, Sample, compare
from taskrunner.analysis.comparison.measures import Digest, Measures
from taskrunner.analysis.comparison.text import comparison_text, format_difference, format_sample

SPENT = {"load": 0.5, "parse": 1.0, "old": 0.125}


def digest_of(run, spent, wall_s, workers="2", **fields):
    work_s = sum(spent.values())
    measures = Measures(
        wall_s, work_s, work_s, 0.25, 0.5, work_s / wall_s, sum(spent.values()), 32 * 2**20, 1, len(spent), 0, 0, 0, 0
    )
    facts = {"python": "CPython 3.13.9", "workers": workers}
    known = {"graph": "demo", "abnormal": {}, "functions": {"m:f": work_s}, "path": ("load", "parse"), "caveats": ()}
    return Digest(run=run, measures=measures, facts=facts, spent=spent, **known | fields)


def one_a_side():
    other = {"load": 0.5, "parse": 0.25, "new": 0.0625}
    return compare([[digest_of("a", SPENT, 2.0)], [digest_of("b", other, 1.0, "4", path=("load", "new"))]])


def three_a_side():
    base = [digest_of(f"a{n}", {"load": 0.5 + n / 64, "parse": 1.0 + n / 64}, 2.0 + n / 64) for n in range(3)]
    other = [digest_of(f"b{n}", {"load": 0.5 + n / 32, "parse": 2.0 + n / 32}, 3.0 + n / 32) for n in range(3)]
    return compare([base, other])


ONE = """\
A  demo: a
B  demo: b

differs  A  B
workers  2  4

               A         B           B/A
wall           2.00 s    1.00 s    0.50x
critical path  1.62 s    812.5 ms  0.50x
work           1.62 s    812.5 ms  0.50x
parallelism    0.81      0.81      1.00x
workers busy   1.62 s    812.5 ms  0.50x
overhead       250.0 ms  250.0 ms  1.00x
idle           500.0 ms  500.0 ms  1.00x
memory         32.0 MiB  32.0 MiB  1.00x
steals         1         1         1.00x
done           3         3         1.00x

No verdicts: one run per side cannot distinguish a change from noise. Three against three can.

function       A         B        B-A    B/A
m:f       1.62 s  812.5 ms  -812.5 ms  0.50x

node          A         B        B-A    B/A
parse    1.00 s  250.0 ms  -750.0 ms  0.25x
old    125.0 ms         -  -125.0 ms      -      only in A
new           -   62.5 ms   +62.5 ms      -      only in B
load   500.0 ms  500.0 ms      +0 us  1.00x

critical path         A         B        B-A
load           500.0 ms  500.0 ms      +0 us
parse            1.00 s  250.0 ms  -750.0 ms  only on A's
new                   -   62.5 ms          -  only on B's
1 of 3 nodes are on both paths
"""
THREE = """\
A  demo: 3 runs: a0, a1, a2
B  demo: 3 runs: b0, b1, b2

python, GIL, workers, platform and versions are the same on all sides

               A                      B                        B/A    p
wall           2.02 s (2.00 to 2.03)  3.03 s (3.00 to 3.06)  1.50x  0.1  changed
critical path  1.53 s (1.50 to 1.56)  2.56 s (2.50 to 2.62)  1.67x  0.1  changed
work           1.53 s (1.50 to 1.56)  2.56 s (2.50 to 2.62)  1.67x  0.1  changed
parallelism    0.76 (0.75 to 0.77)    0.85 (0.83 to 0.86)    1.11x  0.1  changed
workers busy   1.53 s (1.50 to 1.56)  2.56 s (2.50 to 2.62)  1.67x  0.1  changed
overhead       250.0 ms               250.0 ms               1.00x    1  noise
idle           500.0 ms               500.0 ms               1.00x    1  noise
memory         32.0 MiB               32.0 MiB               1.00x    1  noise
steals         1                      1                      1.00x
done           2                      2                      1.00x

"changed": p or q is 1/8 or less. p is the probability that noise alone separates the sides as much;
for 3 runs against 3 it is at least 0.1. q is the share of noise among all rows separated as much.

function                      A                      B      B-A    B/A     q
m:f       1.53 s (1.50 to 1.56)  2.56 s (2.50 to 2.62)  +1.03 s  1.67x  0.11  changed

node                       A                      B      B-A    B/A     q
parse  1.02 s (1.00 to 1.03)  2.03 s (2.00 to 2.06)  +1.02 s  2.00x  0.11  changed
(1 node whose difference is noise, +15.6 ms in total)

critical path         A         B       B-A
load           515.6 ms  531.2 ms  +15.6 ms
parse            1.02 s    2.03 s   +1.02 s
2 of 2 nodes are on both paths
"""


def test_one_run_a_side_as_text():
    assert comparison_text(one_a_side(), 20) == ONE


def test_three_runs_a_side_as_text():
    assert comparison_text(three_a_side(), 20) == THREE


def test_of_long_lists_the_first_are_shown_and_the_rest_is_added_up():
    lines = comparison_text(one_a_side(), 1).splitlines()
    assert "(3 more nodes, -62.5 ms in total)" in lines
    assert "(2 more)" in lines


def test_three_sides_are_columns_and_two_pairs():
    sides = [[digest_of(run, {"n": wall_s}, wall_s)] for run, wall_s in (("a", 1.0), ("b", 2.0), ("c", 4.0))]
    lines = comparison_text(compare(sides), 20).splitlines()
    (head,) = [line for line in lines if "B/A" in line and "C/A" in line]
    assert head.split() == ["A", "B", "C", "B/A", "C/A"]
    (wall,) = [line for line in lines if line.startswith("wall")]
    assert wall.split() == ["wall", "1.00", "s", "2.00", "s", "4.00", "s", "2.00x", "4.00x"]
    assert [line.split()[1:4] for line in lines if line.startswith("node")] == [["A", "B", "B-A"], ["A", "C", "C-A"]]


def test_what_somebody_else_has_named_cannot_move_the_cursor():
    hostile = "\x1b[2Jn\n\u202eode" + "x" * 200
    fields = {"graph": hostile, "path": (hostile,), "functions": {hostile: 1.0}, "caveats": (hostile,)}
    text = comparison_text(compare([[digest_of(run, {hostile: 1.0}, 1.0, **fields)] for run in ("a", "b")]), 20)
    assert text.replace("\n", "").isprintable()
    assert max(map(len, text.splitlines()[-4:])) < 120
    assert [line for line in text.splitlines() if line.startswith("ode")] == []


@pytest.mark.parametrize(
    ("sample", "kind", "text"),
    [
        (None, TIME, "-"),
        (Sample(1.5, 1.5, 1.5), TIME, "1.50 s"),
        (Sample(1.5, 1.25, 2.0), TIME, "1.50 s (1.25 to 2.00)"),
        (Sample(0.5, 0.25, 2.0), TIME, "500.0 ms (250.0 ms to 2.00 s)"),
        (Sample(2**20, 2**20, 2**21), BYTES, "1.0 MiB (1.0 to 2.0)"),
        (Sample(2.0, 1.0, 2.5), NUMBER, "2.00 (1.00 to 2.50)"),
        (Sample(2.5, 2, 1234567), COUNT, "2.5 (2 to 1234567)"),
    ],
)
def test_a_unit_is_told_once_where_it_is_the_same(sample, kind, text):
    assert format_sample(sample, kind) == text


def test_a_difference_has_a_sign():
    assert (format_difference(0.5), format_difference(-0.25), format_difference(0.0)) == (
        "+500.0 ms",
        "-250.0 ms",
        "+0 us",
    )
