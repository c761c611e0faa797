"""Two nodes that take turns."""

import sys
import threading

import pytest

from taskrunner.stress import interleaving as meeting
from taskrunner.stress.interleaving import Interleaving


class LateMeeting(Interleaving):
    """The second comes so late that the first has passed the turn on, or has ended."""

    def _tracer(self, side):
        trace = super()._tracer(side)
        ours = LateMeeting.__name__
        return lambda frame, *event: None if frame.f_code.co_qualname.startswith(ours) else trace(frame, *event)

    def _step(self, side, **more):
        if side and more:
            with self._changed:
                self._changed.wait_for(lambda: self._turn or self._is_over)
        super()._step(side, **more)


def met(seed, one, other, kind=Interleaving):
    """Have two functions meet, each on a thread of its own."""
    found = kind(("one", "other"), seed)
    results = {}

    def run(node, function):
        results[node] = found.call(node, function)

    threads = [threading.Thread(target=run, args=pair) for pair in (("one", one), ("other", other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, results


def traced(seed, kind=Interleaving):
    """Return what two functions that write to one list have written."""
    written = []

    def write(name):
        for number in range(5):
            written.append(f"{name}{number}")  # noqa: PERF401  its steps are what is looked at

    met(seed, lambda: write("a"), lambda: write("b"), kind)
    return written


@pytest.mark.usefixtures("nobody_is_stuck")
def test_the_seed_decides_who_runs_when():
    found = [traced(seed) for seed in range(10)]
    assert found == [traced(seed) for seed in range(10)]
    assert len({tuple(written) for written in found}) > 3


@pytest.mark.usefixtures("nobody_is_stuck")
def test_who_comes_late_changes_no_turn():
    seeds = range(30)
    assert [traced(seed, LateMeeting) for seed in seeds] == [traced(seed) for seed in seeds]


@pytest.mark.usefixtures("nobody_is_stuck")
def test_a_lost_update_is_shown_by_some_seed_and_always_by_the_same():
    def count(seed):
        box = [0]

        def add():
            value = box[0]
            box[0] = value + 1

        met(seed, add, add)
        return box[0]

    counts = [count(seed) for seed in range(20)]
    assert set(counts) == {1, 2}
    assert counts == [count(seed) for seed in range(20)]


def test_a_lock_that_one_of_them_holds_stops_nothing(monkeypatch):
    monkeypatch.setattr(meeting, "BLOCKED_AFTER_S", 0.001)
    lock, box = threading.Lock(), [0]

    def add():
        for _ in range(20):
            with lock:
                box[0] += 1

    for seed in range(5):
        met(seed, add, add)
    assert box == [200]


def test_one_that_nobody_meets_runs_alone(monkeypatch):
    monkeypatch.setattr(meeting, "ARRIVAL_TIMEOUT_S", 0.001)
    found = Interleaving(("one", "other"), 0)
    assert found.call("one", lambda: 5) == 5
    assert not found.has_happened


def test_an_error_goes_through_and_no_trace_is_left():
    def fail():
        raise ValueError("no luck")

    def attempt():
        with pytest.raises(ValueError, match="no luck"):
            fail()
        return sys.gettrace()

    found, results = met(3, attempt, lambda: None)
    assert found.has_happened
    assert results["other"] is None
    assert sys.gettrace() is None
