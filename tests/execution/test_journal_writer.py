"""The journal is written while a run goes on, whoever is slow to be told of it."""

import threading
import time

import pytest

import taskrunner
from taskrunner.events.types import RunStart
from taskrunner.execution.journal_writer import JournalWriter
from taskrunner.execution.state import RunState
from taskrunner.storage.journal import entry

BOUND = 30.0


class Journal:
    def __init__(self, error=None):
        self.written, self.error, self.tries = [], error, 0
        self.has_some = threading.Event()

    def append(self, entries):
        self.tries += 1
        if self.error:
            raise self.error
        self.written += entries
        self.has_some.set()


@pytest.fixture
def state():
    return RunState(is_journaled=True)


def test_what_is_there_is_written_while_the_run_goes_on_and_the_rest_at_its_end(state):
    journal, entries = Journal(), state.new_journal_queue()
    scribe = JournalWriter(state, journal, lambda _: None)
    scribe.start()
    entries.append(entry("a", 1))
    assert journal.has_some.wait(BOUND)
    scribe.stop()
    entries.append(entry("b", 2))
    scribe.stop()
    assert [name for name, _ in journal.written] == ["a", "b"]


def test_a_journal_that_cannot_be_written_is_told_once_and_left(state):
    journal, entries, told = Journal(OSError(28, "No space left on device")), state.new_journal_queue(), []
    scribe = JournalWriter(state, journal, told.append)
    scribe.start()
    scribe.stop()
    for name in "ab":
        entries.append(entry(name, 1))
        scribe.stop()
    assert journal.tries == 1
    assert [warning.message for warning in told] == [
        "cannot write the journal: No space left on device; on resume, later nodes run again"
    ]


def test_an_observer_that_does_not_come_back_holds_no_result_up(tmp_path):
    """Somebody has stopped the terminal, or reads nothing of a pipe."""
    go_on = threading.Event()

    class Stalled:
        def on_events(self, events):
            if not isinstance(events[0], RunStart):  # which the caller's own thread tells
                go_on.wait(BOUND)

        def close(self):
            pass

    def is_written(_):
        end = time.monotonic() + BOUND / 2
        while not any(b"first" in path.read_bytes() for path in tmp_path.glob("*/journal")):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return not go_on.is_set()

    graph = taskrunner.Graph()
    seen = graph.call(is_written, graph.call(int, id="first"))
    done = graph.call(go_on.set, needs=[seen])
    assert taskrunner.run(graph, workers=1, run_dir=tmp_path, observers=[Stalled()], targets=[done, seen])[seen]
