import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.analysis.lanes import lanes_of
from taskrunner.analysis.report.profile import averages, profile_of


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], [0, 0, 0, 0]),
        ([(0, 100)], [1, 1, 1, 1]),
        ([(0, 100), (25, 75)], [1, 2, 2, 1]),
        ([(5, 30)], [0.8, 0.2, 0, 0]),
        ([(10, 15), (15, 20)], [0.4, 0, 0, 0]),
        ([(100, 100)], [0, 0, 0, 0]),
    ],
)
def test_what_goes_on_in_each_part_of_the_time(pairs, expected):
    assert averages(pairs, 100, 4) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(sorted).map(tuple)), st.integers(1, 40))
def test_no_time_is_lost_or_made(pairs, bins):
    found = averages(pairs, 1000, bins)
    assert sum(found) * 1000 / bins == pytest.approx(sum(end - start for start, end in pairs), abs=1e-3)
    assert min(found) >= 0


def test_a_run_without_time_has_nothing_in_it():
    assert averages([(0, 0)], 0, 3) == [0, 0, 0]


def test_running_and_ready_nodes_of_a_run(recording):
    record = recording({"id": "a", "call": "m:f"}, {"id": "c", "run": "true"})
    record.done("a", 2.0, 2.0, queued_s=1.0).done("c", 0.0, 1.0, worker=-1).end(4.0)
    run = record.run()
    profile = profile_of(run, lanes_of(run), bins=4)
    assert profile.running == {"worker": [0, 0, 1, 1], "command": [1, 0, 0, 0]}
    assert profile.ready == [0, 1, 0, 0]
