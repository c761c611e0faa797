"""Sides beside each other, from the digests of runs: what is compared, what is judged, and what is only told."""

import msgspec
import pytest

from taskrunner.analysis.comparison.compare import CHANGED, NOISE, TIME, Sample, Step, compare
from taskrunner.analysis.comparison.measures import Digest, Measures
from taskrunner.errors import UsageError

ZERO = Measures(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, 0, 0)
FACTS = {"python": "CPython 3.13.9", "workers": "2"}


def digest_of(run, spent=None, wall_s=1.0, path=(), facts=None, **fields):
    measures = msgspec.structs.replace(ZERO, wall_s=wall_s, **fields.pop("measures", {}))
    known = {"graph": "demo", "abnormal": {}, "functions": {}, "caveats": ()}
    return Digest(
        run=run, measures=measures, facts=FACTS | (facts or {}), spent=spent or {}, path=path, **known | fields
    )


def side(name, *times, **fields):
    """Return one run for each of these seconds of each node."""
    return [digest_of(f"{name}{i}", each, **fields) for i, each in enumerate(times)]


def alone(base, other):
    """Compare one run with one; return their pair."""
    (pair,) = compare([[base], [other]]).pairs
    return pair


def figure(found, name):
    (figure,) = [figure for figure in found.figures if figure.name == name]
    return figure


def test_nodes_come_in_the_order_of_their_part_of_the_difference():
    pair = alone(
        digest_of("a", {"same": 9.0, "less": 4.0, "more": 1.0, "tie": 1.0}),
        digest_of("b", {"same": 9.0, "less": 1.0, "more": 3.0, "tie": 3.0}),
    )
    found = [(row.name, row.change.difference, row.change.ratio) for row in pair.nodes]
    assert found == [("less", -3.0, 0.25), ("more", 2.0, 3.0), ("tie", 2.0, 3.0), ("same", 0.0, 1.0)]


def test_one_run_a_side_is_not_judged():
    pair = alone(digest_of("a", {"n": 1.0}), digest_of("b", {"n": 9.0}))
    assert not pair.can_judge
    (row,) = pair.nodes
    assert (row.change.q, row.change.p, row.change.verdict) == (None, None, "")


def test_several_runs_a_side_are_their_median_and_range_and_are_judged():
    base = side("a", {"n": 1.0, "m": 1.0}, {"n": 1.5, "m": 4.0}, {"n": 1.25, "m": 3.0})
    other = side("b", {"n": 4.0, "m": 2.0}, {"n": 3.0, "m": 5.0}, {"n": 2.5, "m": 3.5})
    (pair,) = compare([base, other]).pairs
    assert pair.can_judge
    n, m = pair.nodes
    assert (n.name, n.base, n.other) == ("n", Sample(1.25, 1.0, 1.5), Sample(3.0, 2.5, 4.0))
    assert (n.change.ratio, n.change.q, n.change.verdict) == (2.4, pytest.approx(1 / 9), CHANGED)
    assert (m.change.q, m.change.verdict) == (1.0, NOISE)


def test_a_figure_is_judged_by_ranks():
    base = [digest_of(f"a{n}", wall_s=1.0 + n) for n in range(3)]
    other = [digest_of(f"b{n}", wall_s=8.0 + n) for n in range(3)]
    wall = figure(compare([base, other]), "wall")
    assert (wall.kind, wall.values) == (TIME, ((1.0, 2.0, 3.0), (8.0, 9.0, 10.0)))
    (change,) = wall.changes
    assert (change.difference, change.ratio, change.p, change.verdict) == (7.0, 4.5, pytest.approx(0.1), CHANGED)


def test_counts_are_not_judged_and_told_only_where_there_are_any():
    base = [digest_of(f"a{n}", measures={"failed": 0, "done": 4}) for n in range(3)]
    other = [digest_of(f"b{n}", measures={"failed": 2, "done": 2}) for n in range(3)]
    found = compare([base, other])
    assert {"done", "failed"} <= {each.name for each in found.figures}
    assert "skipped" not in {each.name for each in found.figures}
    (change,) = figure(found, "failed").changes
    assert (change.difference, change.ratio, change.p) == (2, None, None)


def test_a_number_that_a_run_does_not_know_is_left_out_and_not_judged():
    base = [digest_of(f"a{n}", measures={"memory": 10}) for n in range(3)]
    other = [digest_of(f"b{n}", measures={"memory": 20 if n else None}) for n in range(3)]
    memory = figure(compare([base, other]), "memory")
    assert memory.sides == (Sample(10, 10, 10), Sample(20, 20, 20))
    assert memory.changes[0].p is None
    nobody = figure(compare([base, [digest_of("c", measures={"memory": None})]]), "memory")
    assert (nobody.sides[1], nobody.changes) == (None, (None,))


def test_a_node_of_one_side_only_is_told_and_counts_whole():
    pair = alone(digest_of("a", {"n": 1.0, "old": 2.0}), digest_of("b", {"n": 1.0, "new": 3.0}))
    found = [(row.name, row.base, row.other, row.change.difference, row.note) for row in pair.nodes]
    assert [row.change.ratio for row in pair.nodes] == [None, None, 1.0]
    one, two, three = Sample(1.0, 1.0, 1.0), Sample(2.0, 2.0, 2.0), Sample(3.0, 3.0, 3.0)
    assert found == [
        ("new", None, three, 3.0, "only in B"),
        ("old", two, None, -2.0, "only in A"),
        ("n", one, one, 0.0, ""),
    ]


def test_a_node_that_did_not_end_well_everywhere_is_not_judged():
    base = side("a", {"n": 1.0, "m": 1.0}, {"n": 1.0, "m": 1.0}, {"n": 1.0, "m": 1.0})
    other = side("b", {"n": 9.0, "m": 8.0}, {"n": 9.0, "m": 8.0}, {"n": 9.0})
    other[0] = msgspec.structs.replace(other[0], abnormal={"n": "failed"})
    (pair,) = compare([base, other]).pairs
    found = [(row.name, row.note, row.change.q) for row in pair.nodes]
    assert found == [("n", "failed in B (1 of 3)", None), ("m", "ran in 2 of 3 of B", None)]
    cached = alone(digest_of("a", {"n": 1.0}), digest_of("b", {"n": 0.0}, abnormal={"n": "cached"}))
    assert cached.nodes[0].note == "cached in B"


def test_functions_are_compared_as_nodes_are():
    pair = alone(digest_of("a", functions={"m:f": 1.0}), digest_of("b", functions={"m:f": 3.0, "$ ls": 1.0}))
    assert [(row.name, row.change.difference, row.note) for row in pair.functions] == [
        ("m:f", 2.0, ""),
        ("$ ls", 1.0, "only in B"),
    ]


def test_what_differs_in_where_they_ran_is_told_and_nothing_else():
    base = [
        digest_of("a0", facts={"GIL": "off", "click": "8.1"}),
        digest_of("a1", facts={"GIL": "off", "click": "8.2"}),
    ]
    other = [digest_of("b0", facts={"GIL": "on", "click": "8.1"}), digest_of("b1", facts={"GIL": "on", "click": "8.1"})]
    found = compare([base, other])
    assert [(fact.name, fact.sides) for fact in found.facts] == [
        ("GIL", (("off",), ("on",))),
        ("click", (("8.1", "8.2"), ("8.1",))),
    ]
    assert found.notes == ("the runs of A differ in click: 8.1, 8.2",)
    assert compare([base[:1], [digest_of("c", facts={"GIL": "off", "click": "8.1"})]]).facts == ()


def test_other_names_of_graphs_are_told_and_so_is_what_a_run_says_of_itself():
    found = compare([[digest_of("a", caveats=("run a: failed",))], [digest_of("b", graph="other")]])
    assert found.notes == ("the graphs have different names: A demo; B other", "run a: failed")


def test_each_other_side_is_compared_with_the_first():
    sides = [[digest_of(name, {"n": seconds})] for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 4.0))]
    found = compare(sides)
    assert [(pair.base, pair.other, pair.nodes[0].change.ratio) for pair in found.pairs] == [
        ("A", "B", 2.0),
        ("A", "C", 4.0),
    ]
    assert len(figure(found, "wall").changes) == 2


def test_the_critical_paths_are_those_of_the_runs_in_the_middle():
    base = [
        digest_of("a0", {"x": 1.0, "y": 1.0}, wall_s=9.0, path=("y",)),
        digest_of("a1", {"x": 2.0, "y": 1.0}, wall_s=5.0, path=("x",)),
        digest_of("a2", {"x": 3.0, "y": 1.0}, wall_s=1.0, path=("y",)),
    ]
    (pair,) = compare([base, [digest_of("b", {"y": 4.0}, path=("y",))]]).pairs
    assert pair.path == (Step("x", ("A",), 2.0, None), Step("y", ("B",), 1.0, 4.0))


@pytest.mark.parametrize(
    ("base", "other", "merged"),
    [
        ("abcd", "abcd", "abcd"),
        ("abd", "acd", "abcd"),
        ("ad", "abcd", "abcd"),
        ("abcd", "d", "abcd"),
        ("ab", "cd", "abcd"),
        ("", "ab", "ab"),
        ("ab", "ba", "ba"),  # of two graphs that have nothing but names in common
    ],
)
def test_two_paths_become_one_list_in_which_each_node_stands_once(base, other, merged):
    steps = alone(digest_of("a", path=tuple(base)), digest_of("b", path=tuple(other))).path
    assert "".join(step.node for step in steps) == merged
    for step in steps:
        assert step.sides == tuple(label for label, path in (("A", base), ("B", other)) if step.node in path)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ([["a"]], "a run on each of two sides"),
        ([["a"], []], "a run on each of two sides"),
        ([["a"], ["b", "a"]], "run a is named twice"),
        ([["a", "a"], ["b"]], "run a is named twice"),
        ([[str(n)] for n in range(27)], "27 sides are too many: at most 26"),
    ],
)
def test_what_cannot_be_compared_is_refused(sides, message):
    with pytest.raises(UsageError, match=message):
        compare([[digest_of(run) for run in each] for each in sides])


def test_the_same_runs_give_the_same_comparison_as_json():
    sides = [[digest_of("a", {"n": 1.0, "m": 2.0})], [digest_of("b", {"m": 1.0, "n": 2.0})]]
    assert msgspec.json.encode(compare(sides)) == msgspec.json.encode(compare(sides))
