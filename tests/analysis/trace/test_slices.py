"""Attempts as slices: lanes on which none overlaps another, in whole nanoseconds."""

from taskrunner.analysis.trace.slices import assign_lanes


def run_of(recording, *attempts, workers=1):
    """Return a run of attempts, each its node, its worker and when it was ready, started and ended in nanoseconds."""
    record = recording(workers=workers)
    for node, worker, ready, started, ended in attempts:
        times = started / 1e9, (ended - started) / 1e9
        record.done(node, *times, worker=worker, queued_s=(started - ready) / 1e9)
    return record.run(has_graph=False)


def placed(recording, *attempts, workers=1):
    slices, _ = assign_lanes(run_of(recording, *attempts, workers=workers))
    return [(each.attempt.node, each.lane, each.ready, each.start, each.end) for each in slices]


def test_an_attempt_is_placed_as_it_was_measured(recording):
    times = 123_456_789_000_001, 123_456_789_000_012, 123_456_789_000_345  # a day and a half after the start
    assert placed(recording, ("a", 1, *times), workers=2) == [("a", 1, *times)]


def test_slices_of_a_worker_do_not_even_touch(recording):
    assert placed(recording, ("a", 0, 0, 10, 20), ("b", 0, 0, 20, 30), ("c", 0, 0, 25, 40)) == [
        ("a", 0, 0, 10, 20),
        ("b", 0, 0, 21, 30),
        ("c", 0, 0, 31, 40),
    ]


def test_a_slice_lasts_a_nanosecond_at_least_and_none_starts_at_nothing(recording):
    assert placed(recording, ("a", 0, 0, 0, 0), ("b", 0, 0, 0, 2), ("c", -1, 0, 0, 0)) == [
        ("a", 0, 0, 1, 2),
        ("c", 1, 0, 1, 2),
        ("b", 0, 0, 3, 4),
    ]


def test_a_worker_that_no_part_of_the_run_knew_has_a_lane(recording):
    _, lanes = assign_lanes(run_of(recording, ("a", 3, 0, 1, 2), workers=2))
    assert len(lanes) == 4
