import threading

import pytest

from taskrunner.run.control import Control
from taskrunner.run.events import NodeDone, NodeFailed, NodeSkipped, RunWarning
from taskrunner.run.outcome import DONE, FAILED, SKIPPED, Record, Skip, describe
from taskrunner.run.recorder import Recorder, to_event


class Listener:
    def __init__(self):
        self.events = []
        self.closed = 0

    def on_events(self, events):
        self.events += events

    def close(self):
        self.closed += 1


def record(node, ended, worker=0, made_by=0):
    return Record(DONE, node, worker, made_by, 0, 0, ended, None)


def test_a_record_becomes_an_event_in_seconds():
    done = Record(DONE, "a", 1, 0, 2_000_000_000, 2_500_000_000, 4_000_000_000, None)
    assert to_event(done, 1_000_000_000) == NodeDone("a", 1, 1, 0.5, 1.5, stolen=True, started_at=1.5)


def test_a_failure_and_a_skip_become_their_events():
    failure = describe("b", ValueError("no"), ("b",))
    event = to_event(Record(FAILED, "b", 0, 0, 0, 0, 0, failure), 0)
    assert isinstance(event, NodeFailed)
    assert (event.error, event.traceback) == ("ValueError: no", "ValueError: no\n")
    assert to_event(Record(SKIPPED, "c", 0, 0, 0, 0, 0, Skip("needs", "b")), 0) == NodeSkipped("c", "needs", "b")


@pytest.mark.parametrize(("worker", "made_by", "stolen"), [(0, 0, False), (1, 0, True), (-1, 0, False), (0, -1, False)])
def test_only_what_went_from_worker_to_worker_was_stolen(worker, made_by, stolen):
    assert record("a", 1, worker, made_by).stolen is stolen


def test_every_record_is_told_once_and_nothing_is_lost_at_the_end():
    control, listener = Control(), Listener()
    recorder = Recorder(control, [listener])
    recorder.start(RunWarning("first"))

    def note(records):
        for number in range(5000):
            records.append(record(f"{threading.get_ident()}-{number}", number))

    lists = [control.open_records() for _ in range(3)]
    threads = [threading.Thread(target=note, args=(records,)) for records in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.note(RunWarning("noted"))
    recorder.stop()
    recorder.close(RunWarning("last"))
    assert (listener.events[0].message, listener.events[-1].message) == ("first", "last")
    told = [event.node for event in listener.events if isinstance(event, NodeDone)]
    assert len(told) == len(set(told)) == 15_000
    assert RunWarning("noted") in listener.events
    assert listener.closed == 1


def test_an_observer_that_fails_is_told_no_more_and_the_others_are():
    class Broken(Listener):
        def on_events(self, events):
            super().on_events(events)
            raise OSError("disk full")

    broken, listener = Broken(), Listener()
    recorder = Recorder(Control(), [broken, listener])
    recorder.tell([RunWarning("one")])
    recorder.tell([RunWarning("two")])
    assert [event.message for event in broken.events] == ["one"]
    assert [event.message for event in listener.events] == ["one", "two"]
    assert [str(error) for error in recorder.errors] == ["disk full"]


def test_without_observers_there_is_no_thread():
    before = threading.active_count()
    recorder = Recorder(Control(), [])
    recorder.start()
    assert threading.active_count() == before
    recorder.stop()
    recorder.close()
