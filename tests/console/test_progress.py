"""The numbers of a run that goes on: counts, and the time that is left."""

import pytest

from taskrunner.console.progress import Progress, format_counts, format_duration
from taskrunner.events.observer import Running


@pytest.fixture
def progress(clock):
    return Progress(clock)


def test_each_end_is_counted_once_and_an_attempt_is_none(progress, make):
    progress.on_events(
        [
            make.start(9),
            make.done("a"),
            make.done("b", cached=True),
            make.failed("c"),
            make.retried("d"),
            make.skipped("e"),
        ]
    )
    progress.on_events([make.done("f")])
    progress.on_running([Running("d", 1, 2, 0.5)], 0)
    assert (progress.done, progress.cached, progress.failed, progress.skipped) == (3, 1, 1, 1)
    assert (progress.ended, progress.total, progress.workers) == (5, 9, 2)
    assert format_counts(progress) == ["1 running", "1 failed", "1 skipped", "1 cached"]


def test_what_is_0_is_not_named_but_for_what_runs(progress, make):
    progress.on_events([make.start(1)])
    assert format_counts(progress) == ["0 running"]


def test_the_total_grows_as_mapped_nodes_are_expanded_and_is_never_exceeded(progress, make):
    progress.on_events([make.start(2), make.done("m[0]"), make.done("m[1]"), make.done("m[2]")])
    assert (progress.ended, progress.total) == (3, 3)
    progress.on_running([], 10)
    assert (progress.ended, progress.total) == (3, 12)


def test_the_time_is_that_since_the_run_began(progress, clock, make):
    clock.now += 50
    progress.on_events([make.start(1)])
    clock.now += 2.5
    assert progress.elapsed == 2.5


def test_without_an_earlier_run_each_node_counts_the_same(progress, clock, make):
    progress.on_events([make.start(10)])
    clock.now += 4
    assert progress.estimate_remaining() is None  # nothing has ended
    progress.on_events([make.done("a"), make.failed("b")])
    assert progress.estimate_remaining() == 4 * 8 / 2


def test_what_did_not_run_tells_nothing_of_the_speed(progress, clock, make):
    progress.on_events([make.start(10), make.done("a", cached=True), make.skipped("b"), make.done("c")])
    clock.now += 3
    assert progress.estimate_remaining() == 3 * 7 / 1


def test_nothing_is_told_in_the_first_second(progress, clock, make):
    progress.on_events([make.start(2), make.done("a")])
    clock.now += 0.9
    assert progress.estimate_remaining() is None


def test_an_earlier_run_tells_how_much_work_there_is(progress, clock, make):
    progress.on_expected({"a": 1.0, "b": 3.0, "c": 4.0})
    progress.on_events([make.start(3), make.done("a")])
    clock.now += 2
    assert progress.estimate_remaining() == 2 * 7 / 1
    progress.on_running([Running("b", 0, 1, 1.0)], 0)  # a third of it is done
    assert progress.estimate_remaining() == 2 * 6 / 2
    progress.on_events([make.done("b")])
    progress.on_running([], 0)
    assert progress.estimate_remaining() == 2 * 4 / 4


def test_what_runs_now_counts_for_no_more_than_it_was_expected_to_take(progress, clock, make):
    progress.on_expected({"a": 1.0, "b": 3.0})
    progress.on_events([make.start(2)])
    progress.on_running([Running("a", 0, 1, 50.0)], 0)
    clock.now += 50
    assert progress.estimate_remaining() == 50 * 3 / 1


def test_what_is_skipped_or_cached_is_work_no_more_but_was_not_done(progress, clock, make):
    progress.on_expected({"a": 1.0, "b": 3.0, "c": 4.0, "d": 2.0})
    progress.on_events([make.start(4), make.done("a"), make.skipped("b"), make.done("c", cached=True)])
    clock.now += 2
    assert progress.estimate_remaining() == 2 * 2 / 1


def test_the_run_takes_as_long_as_the_longest_that_runs_at_least(progress, clock, make):
    progress.on_expected({"a": 9.0, "long": 10.0, **{f"n{i}": 1.0 for i in range(20)}})
    progress.on_events([make.start(22), make.done("a"), *[make.done(f"n{i}") for i in range(20)]])
    progress.on_running([Running("long", 0, 1, 1.0)], 0)
    clock.now += 2
    assert progress.estimate_remaining() == 9.0


def test_at_the_end_there_is_nothing_left(progress, clock, make):
    progress.on_expected({"a": 1.0})
    progress.on_events([make.start(1), make.done("a")])
    clock.now += 2
    assert progress.estimate_remaining() == 0.0


def test_of_a_node_that_takes_longer_than_it_did_nobody_knows_how_long_it_still_takes(progress, clock, make):
    progress.on_expected({"a": 1.0, "b": 1.0})
    progress.on_events([make.start(2), make.done("a")])
    clock.now += 2
    progress.on_running([Running("b", 0, 1, 1.5)], 0)
    assert progress.estimate_remaining() is None


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-1, "0.0 s"), (0, "0.0 s"), (4.24, "4.2 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"),
        (59.6, "1:00 min"), (185, "3:05 min"), (3599.4, "59:59 min"), (3600, "1:00 h"),
        (7380, "2:03 h"), (360000, "100:00 h"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_one_looks_at_a_clock(seconds, written):
    assert format_duration(seconds) == written
