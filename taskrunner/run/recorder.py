"""From records to events: a thread of its own reads what the runners noted, in batches.

A runner appends to its own list and never waits. The recorder reads a list's length, then that many
items: an append is atomic, and what was appended is never changed or removed. When the run ends,
however it ends, the recorder reads the rest before it tells the observers that this was all.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from taskrunner.run.control import Control
from taskrunner.run.events import Event, NodeDone, NodeFailed, NodeSkipped, Observer, RunWarning
from taskrunner.run.outcome import DONE, FAILED, Failure, Record, Skip

# Seconds between two batches: short while there is something to tell, long while there is nothing.
SHORTEST = 0.05
LONGEST = 1.0


class Recorder:
    """Tells the observers of a run about its nodes while it runs."""

    def __init__(self, control: Control, observers: Sequence[Observer]) -> None:
        self._control = control
        self._all = self._observers = observers
        self._read: dict[int, int] = {}
        self._notes: deque[Event] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taskrunner-log", daemon=True)
        self.errors: list[BaseException] = []

    def start(self, *events: Event) -> None:
        """Tell the first events and start the thread, if there is anybody to tell."""
        self.tell(events)
        if self._observers:
            self._thread.start()

    def stop(self) -> None:
        """End the thread and tell what it had not told yet. Every runner is at rest by now."""
        self._stop.set()
        while self._thread.is_alive():
            self._thread.join(1.0)
        if self._observers:
            self._drain()

    def note(self, event: Event) -> None:
        """Have an event told with the next batch; any thread may call it."""
        self._notes.append(event)

    def close(self, *events: Event) -> None:
        """Tell the last events and close the observers; ``errors`` keeps what fails after that."""
        self.tell(self._take_notes())
        self.tell(events)
        self.tell(self._take_notes())
        for observer in self._all:
            self._try(observer.close)

    def tell(self, events: Sequence[Event]) -> None:
        """Tell every observer; one that fails is told no more, and the others are told why."""
        if events:
            self._observers = [o for o in self._observers if self._try(lambda o=o: o.on_events(events))]  # type: ignore[misc]

    def _try(self, call: Callable[[], None]) -> bool:
        """Call an observer; a log that cannot be written must not end the run."""
        try:
            call()
        except BaseException as error:  # noqa: BLE001  an observer is anybody's code
            self.errors.append(error)
            self.note(RunWarning(f"an observer failed and is told no more: {error!r}"))
            return False
        return True

    def _take_notes(self) -> list[Event]:
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def _run(self) -> None:
        interval = SHORTEST
        while not self._stop.wait(interval):
            interval = SHORTEST if self._drain() else min(2 * interval, LONGEST)

    def _drain(self) -> int:
        """Tell what is new; return how many events that were."""
        fresh = [record for records in self._control.all_records() for record in self._unread(records)]
        fresh.sort(key=lambda record: record.ended)
        events = [*self._take_notes(), *(to_event(record, self._control.started) for record in fresh)]
        self.tell(events)
        return len(events)

    def _unread(self, records: list[Record]) -> Iterator[Record]:
        start, end = self._read.get(id(records), 0), len(records)
        self._read[id(records)] = end
        return iter(records[start:end])


def to_event(record: Record, run_started: int) -> Event:
    """Return the event that a record stands for; times become seconds."""
    why = record.why
    if isinstance(why, Skip):
        return NodeSkipped(record.node, why.reason, why.because)
    times = {
        "attempt": 1,
        "queued_s": (record.started - record.ready_at) / 1e9,
        "ran_s": (record.ended - record.started) / 1e9,
        "stolen": record.stolen,
        "started_at": (record.started - run_started) / 1e9,
    }
    if record.state == FAILED and isinstance(why, Failure):
        return NodeFailed(record.node, record.worker, error=why.message, traceback=why.traceback, **times)  # type: ignore[arg-type]
    assert record.state == DONE, record  # noqa: S101
    return NodeDone(record.node, record.worker, **times)  # type: ignore[arg-type]
