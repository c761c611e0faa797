"""The clocks and the threads of other processes, as a run tells of them."""

import time

from hypothesis import given
from hypothesis import strategies as st

from taskrunner.engines.cluster.clocks import ClockOffset, WorkerNumbers
from taskrunner.engines.messages import DONE, StepReport
from taskrunner.events.types import EVENT_LOOP


def report(site="s", thread=1, began=0, ran=0):
    return StepReport("k", 0, site, thread, began, ran, DONE)


def test_a_clock_that_may_be_right_is_taken_for_right():
    offset = ClockOffset()
    assert offset.value == 0
    offset.update(100, 110, 120, 130)
    assert offset.value == 0


def test_a_clock_that_is_behind_is_put_forward_by_the_least_that_explains_it():
    offset = ClockOffset()
    offset.update(1000, 400, 450, 1100)  # sent at 1000, begun at 400 by its own clock
    assert offset.value == 600
    offset.update(2000, 1300, 1350, 2100)
    assert offset.value == 700


def test_a_clock_that_is_ahead_is_put_back():
    offset = ClockOffset()
    offset.update(1000, 5000, 5050, 1100)  # the report came at 1100: it cannot have ended at 5050
    assert offset.value == -3950


def test_a_clock_that_was_set_meanwhile_puts_nothing_before_it_was_sent():
    offset = ClockOffset()
    offset.update(1000, 5000, 5050, 1100)
    offset.update(2000, 1000, 1010, 2020)
    assert offset.value == 1000


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.tuples(*[st.integers(0, 10**6)] * 4), min_size=1, max_size=20),
)
def test_what_is_assumed_is_never_more_than_what_is_true(true, steps):
    offset, now = ClockOffset(), 10**15
    for wait, queued, ran, back in steps:
        sent = now + wait
        began, ended = sent + queued, sent + queued + ran
        now = ended + back
        offset.update(sent, began - true, ended - true, now)
        assert abs(offset.value) <= abs(true)
        assert sent <= began - true + offset.value
        assert ended - true + offset.value <= now


def test_threads_are_numbered_as_they_are_heard_of():
    lanes = WorkerNumbers()
    seen = [("a", 7), ("b", 7), ("a", 8), ("a", 7), ("b", 0)]
    assert [lanes.number(report(site, thread)) for site, thread in seen] == [0, 1, 2, 0, EVENT_LOOP]


def test_times_are_those_of_this_clock():
    lanes = WorkerNumbers()
    sent = time.perf_counter_ns()
    began = time.time_ns()
    started, ended = lanes.times(report(began=began, ran=1000), sent)
    assert ended - started == 1000
    assert sent <= started
    assert ended <= time.perf_counter_ns() + 1000


def test_a_site_an_hour_ahead_is_told_of_in_time():
    lanes = WorkerNumbers()
    sent = time.perf_counter_ns()
    started, ended = lanes.times(report(began=time.time_ns() + 3600 * 10**9, ran=10), sent)
    assert sent <= started <= ended <= time.perf_counter_ns() + 10


def test_each_site_has_its_own_clock():
    lanes = WorkerNumbers()
    sent = time.perf_counter_ns()
    lanes.times(report("ahead", began=time.time_ns() + 10**12), sent)
    began = time.time_ns()
    started, _ = lanes.times(report("right", began=began), sent)
    assert abs(started - sent) < 10**10
