import sys
import threading
from types import SimpleNamespace

import msgspec
import pytest

from taskrunner.events.types import LEVELS, NodeDone, NodeFailed, NodeSkipped, RunWarning
from taskrunner.execution.event_recorder import MAX_BATCH_EVENTS, EventRecorder, to_events
from taskrunner.execution.state import RunState
from taskrunner.plan.outcome import FailedCall, Retried, Skip, describe
from taskrunner.plan.task import NO_DETAILS, TaskDetails

RECORDER = sys.modules[EventRecorder.__module__]  # taskrunner.run is a function's name as well


class Listener:
    def __init__(self, level=None):
        self.batches = []
        self.closed = 0
        if level is not None:
            self.level = level

    @property
    def events(self):
        return [event for batch in self.batches for event in batch]

    def on_events(self, events):
        self.batches.append(list(events))

    def close(self):
        self.closed += 1


def task(name, *, stolen=False):
    return SimpleNamespace(id=name, stolen=stolen, details=NO_DETAILS)


def done(name, ended):
    return (task(name), 0, 0, ended, None)


FAILED = (task("b"), 0, 0, 2, describe(FailedCall("b", ("b",)), ValueError("no")))
SKIPPED = (task("c"), 0, 3, 3, Skip("needs", "b"))


def told(notes, *observers):
    """Have a recorder tell of notes from one worker, to its end."""
    state = RunState()
    state.new_record_list(0).extend(notes)
    recorder = EventRecorder(state, observers)
    recorder.start()
    recorder.stop()
    recorder.close()


@pytest.mark.parametrize("stolen", [False, True])
def test_a_note_becomes_an_event_in_seconds(stolen):
    note = (task("a", stolen=stolen), 2_000_000_000, 2_500_000_000, 4_000_000_000, None)
    assert to_events(1, note, 1_000_000_000) == (NodeDone("a", 1, 1, 0.5, 1.5, stolen=stolen, started_at=1.5),)


def test_a_result_from_the_cache_is_told_to_be_one():
    cached = SimpleNamespace(id="a", stolen=False, details=TaskDetails(cached=True))
    assert to_events(0, (cached, 0, 0, 0, None), 0)[0].cached
    assert not to_events(0, done("a", 0), 0)[0].cached


def test_cpu_time_is_told_of_what_ran_where_it_is_measured():
    failure = FAILED[4]
    retried = (*FAILED[:4], Retried(failure, 0.5))
    for note in (done("a", 1), FAILED, retried):
        (event,) = to_events(0, note, 0, lambda task, why, note=note: 0.25 if (task, why) == (note[0], note[4]) else 0)
        assert event.cpu_s == 0.25
        (event,) = to_events(0, note, 0)
        assert event.cpu_s is msgspec.UNSET


def test_a_failure_and_a_skip_become_their_events():
    (event,) = to_events(0, FAILED, 0)
    assert isinstance(event, NodeFailed)
    assert (event.error, event.traceback) == ("ValueError: no", "ValueError: no\n")
    assert to_events(0, SKIPPED, 0) == (NodeSkipped("c", "needs", "b"),)


def test_every_note_is_told_once_and_nothing_is_lost_at_the_end():
    state, listener = RunState(), Listener()
    recorder = EventRecorder(state, [listener])
    recorder.start(RunWarning("first"))

    def note(notes):
        for number in range(5000):
            notes.append(done(f"{threading.get_ident()}-{number}", number))

    lists = [state.new_record_list(worker) for worker in range(3)]
    threads = [threading.Thread(target=note, args=(notes,)) for notes in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.enqueue(RunWarning("noted"))
    recorder.stop()
    recorder.close(RunWarning("last"))
    assert (listener.events[0].message, listener.events[-1].message) == ("first", "last")
    heard = [event.node for event in listener.events if isinstance(event, NodeDone)]
    assert len(heard) == len(set(heard)) == 15_000
    assert RunWarning("noted") in listener.events
    assert listener.closed == 1


def test_notes_of_several_workers_are_told_in_the_order_of_their_ends_with_their_workers():
    state, listener = RunState(), Listener()
    state.new_record_list(0).extend([done("a", 1), done("d", 4)])
    state.new_record_list(1).extend([done("b", 2), done("c", 3)])
    state.new_record_list(-1).append(done("e", 5))
    recorder = EventRecorder(state, [listener])
    recorder.start()
    recorder.stop()
    assert [(event.node, event.worker) for event in listener.events] == [
        ("a", 0), ("b", 1), ("c", 1), ("d", 0), ("e", -1),
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (7, [7]), (8, [7, 1]), (21, [7, 7, 7])])
def test_a_batch_is_not_larger_than_it_may_be(monkeypatch, count, sizes):
    monkeypatch.setattr(RECORDER, "MAX_BATCH_EVENTS", 7)
    listener = Listener()
    told([done(str(number), number) for number in range(count)], listener)
    assert [len(batch) for batch in listener.batches] == sizes
    assert [event.node for event in listener.events] == [str(number) for number in range(count)]
    assert MAX_BATCH_EVENTS == 10_000


@pytest.mark.parametrize("level", [level for level, number in LEVELS.items() if number > LEVELS["info"]])
def test_where_nobody_wants_to_hear_of_what_went_well_no_event_is_made_of_it(monkeypatch, level):
    made = []
    monkeypatch.setattr(RECORDER, "to_events", lambda *given: made.append(given) or to_events(*given))
    listener = Listener(level)
    told([done("a", 1), FAILED], listener, Listener("error"))
    assert [event.node for event in listener.events] == ["b"]
    assert len(made) == 1


def test_a_skip_is_no_event_either_where_nobody_wants_to_hear_of_it():
    listener = Listener("warning")
    told([FAILED, SKIPPED], listener)
    assert [event.node for event in listener.events] == ["b"]


@pytest.mark.parametrize("level", ["info", "debug", None], ids=str)
def test_one_observer_that_wants_all_is_told_all_whatever_the_others_want(level):
    wants_all = Listener(level)
    told([done("a", 1), FAILED, SKIPPED], Listener("error"), wants_all)
    assert [event.node for event in wants_all.events] == ["a", "b", "c"]


@pytest.mark.parametrize("levels", [["warning"], ["error"], ["warning", None]], ids=str)
def test_what_a_user_ought_to_know_is_told_at_every_level(levels):
    listeners = [Listener(level) for level in levels]
    recorder = EventRecorder(RunState(), listeners)
    recorder.start(RunWarning("first"))
    recorder.enqueue(RunWarning("noted"))
    recorder.stop()
    recorder.close(RunWarning("last"))
    for listener in listeners:
        assert [event.message for event in listener.events] == ["first", "noted", "last"]


def test_an_observer_that_fails_is_told_no_more_and_the_others_are():
    class Broken(Listener):
        def on_events(self, events):
            super().on_events(events)
            raise OSError("disk full")

    broken, listener = Broken(), Listener()
    recorder = EventRecorder(RunState(), [broken, listener])
    recorder.emit([RunWarning("one")])
    recorder.emit([RunWarning("two")])
    assert [event.message for event in broken.events] == ["one"]
    assert [event.message for event in listener.events] == ["one", "two"]
    assert [str(error) for error in recorder.errors] == ["disk full"]


def test_without_observers_there_is_no_thread():
    before = threading.active_count()
    recorder = EventRecorder(RunState(), [])
    recorder.start()
    assert threading.active_count() == before
    recorder.stop()
    recorder.close()
