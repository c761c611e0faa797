"""Attempts as slices: lanes on which none overlaps another, in whole nanoseconds."""

from taskrunner.observe.recorded import RecordedRun
from taskrunner.observe.trace.slices import Lanes, nanoseconds, place
from taskrunner.run.events import NodeDone, RunStart
from taskrunner.run.history import PastRun


def run_of(*attempts, workers=1):
    """Return a run of attempts, each its node, its worker and when it was ready, started and ended in nanoseconds."""
    start = RunStart(
        run="r", graph="g", nodes=0, workers=workers, python="", free_threaded=True, gil=False, platform="", at=0.0
    )
    events = [
        NodeDone(
            node, worker, 1, (started - ready) / 1e9, (ended - started) / 1e9, stolen=False, started_at=started / 1e9
        )
        for node, worker, ready, started, ended in attempts
    ]
    return RecordedRun(PastRun(run="r", state="ok", started=""), [start, *events], None)


def placed(*attempts, workers=1):
    slices, _ = place(run_of(*attempts, workers=workers))
    return [(each.attempt.node, each.lane, each.ready, each.start, each.end) for each in slices]


def test_an_attempt_is_placed_as_it_was_measured():
    times = 123_456_789_000_001, 123_456_789_000_012, 123_456_789_000_345  # a day and a half after the start
    assert placed(("a", 1, *times), workers=2) == [("a", 1, *times)]


def test_slices_of_a_worker_do_not_even_touch():
    assert placed(("a", 0, 0, 10, 20), ("b", 0, 0, 20, 30), ("c", 0, 0, 25, 40)) == [
        ("a", 0, 0, 10, 20),
        ("b", 0, 0, 21, 30),
        ("c", 0, 0, 31, 40),
    ]


def test_a_slice_lasts_a_nanosecond_at_least_and_none_starts_at_nothing():
    assert placed(("a", 0, 0, 0, 0), ("b", 0, 0, 0, 2), ("c", -1, 0, 0, 0)) == [
        ("a", 0, 0, 1, 2),
        ("c", 1, 0, 1, 2),
        ("b", 0, 0, 3, 4),
    ]


def test_the_event_loop_takes_the_first_lane_that_is_free():
    lanes = Lanes(2)
    spans = [(1, 10), (2, 5), (5, 6), (6, 9), (11, 12)]
    assert [lanes.of_loop(*span)[0] for span in spans] == [2, 3, 4, 3, 2]
    assert lanes.count == 5


def test_a_worker_that_no_part_of_the_run_knew_has_a_lane():
    _, lanes = place(run_of(("a", 3, 0, 1, 2), workers=2))
    assert (lanes.workers, lanes.count) == (4, 4)


def test_seconds_become_the_nanoseconds_that_they_were_made_of():
    assert [nanoseconds(n / 1e9) for n in range(10_000)] == list(range(10_000))
