"""From notes to events: a thread of its own reads what the runners noted, in batches.

A runner appends to its own list and never waits. The recorder reads a list's length, then that many
items: an append is atomic, and what was appended is never changed or removed. When the run ends,
however it ends, the recorder reads the rest before it tells the observers that this was all.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter

from msgspec import UNSET, UnsetType

from taskrunner.events.observer import Observer
from taskrunner.events.types import LEVELS, Event, NodeDone, NodeFailed, NodeRetry, NodeSkipped, NodeTimeout, RunWarning
from taskrunner.execution.state import RunState
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import Failure, Retried, Skip
from taskrunner.plan.plan import AttemptRecord
from taskrunner.plan.task import Task

# Seconds between two batches: short while there is something to tell, long while there is nothing. WATCHED instead
# of LONGEST: somebody looks at what runs now.
MIN_POLL_INTERVAL_S = 0.05
MAX_POLL_INTERVAL_S = 1.0
VIEW_INTERVAL_S = 0.25
# So many events are told at once at most: what is made for a batch is let go before the next is made.
MAX_BATCH_EVENTS = 10_000

# Gives the CPU seconds of the attempt that a note tells of, if they are known.
type CpuOf = Callable[[Task, Failure | Retried | Skip | None], float | UnsetType]


class EventRecorder:
    """Tells the observers of a run about its nodes while it runs. ``cpu_of``: where CPU time is measured."""

    def __init__(self, state: RunState, observers: Sequence[Observer], cpu_of: CpuOf | None = None) -> None:
        self._control = state
        self._all = self._observers = observers
        self._cpu_of = cpu_of
        # Where nobody wants to hear of what went well, it is not told: that is nearly all.
        self._wants_all = any(LEVELS.get(getattr(o, "level", "debug"), 0) <= LEVELS["info"] for o in observers)
        self._longest = VIEW_INTERVAL_S if any(hasattr(o, "on_running") for o in observers) else MAX_POLL_INTERVAL_S
        self._read: dict[int, int] = {}
        self._notes: deque[Event] = deque()
        self._stopped = False
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self.errors: list[BaseException] = []

    def start(self, *events: Event) -> None:
        """Tell the first events and start the thread, if there is anybody to tell."""
        self.emit(events)
        if self._observers:
            self._thread = threading.Thread(target=self._run, name="taskrunner-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and tell what it had not told yet. Every runner is at rest by now."""
        self._stopped = True
        self._awake.set()
        while self._thread and self._thread.is_alive():
            self._thread.join(1.0)
        if self._observers:
            self._drain()

    def enqueue(self, event: Event) -> None:
        """Have an event told with the next batch; any thread may call it."""
        self._notes.append(event)

    def close(self, *events: Event) -> None:
        """Tell the last events and close the observers; ``errors`` keeps what fails after that."""
        self.emit(self._take_queued())
        self.emit(events)
        self.emit(self._take_queued())
        for observer in self._all:
            self._try(observer.close)

    def emit(self, events: Sequence[Event]) -> None:
        """Tell every observer; one that fails is told no more, and the others are told why."""
        if events:
            self._observers = [o for o in self._observers if self._try(lambda o=o: o.on_events(events))]  # type: ignore[misc]

    def _pass_running(self) -> None:
        """Show what runs now to those who want to see it; the events so far have been told."""
        if not any(hasattr(o, "on_running") for o in self._observers):
            return
        running, children = self._control.running(), self._control.children
        self._observers = [
            o for o in self._observers if not (show := getattr(o, "on_running", None))
            or self._try(lambda show=show: show(running, children))  # type: ignore[misc]
        ]  # fmt: skip

    def _try(self, call: Callable[[], None]) -> bool:
        """Call an observer; a log that cannot be written must not end the run."""
        try:
            call()
        except BaseException as error:  # noqa: BLE001  an observer is anybody's code
            self.errors.append(error)
            self.enqueue(RunWarning(f"an observer failed and is told no more: {error!r}"))
            return False
        return True

    def _take_queued(self) -> list[Event]:
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def _run(self) -> None:
        interval = MIN_POLL_INTERVAL_S
        while not self._stopped:
            self._awake.wait(interval)
            interval = MIN_POLL_INTERVAL_S if self._drain() else min(2 * interval, self._longest)
            self._pass_running()

    def _drain(self) -> int:
        """Tell what is new; return how many nodes that were."""
        fresh: list[tuple[int, int, AttemptRecord]] = []
        for worker, notes in self._control.records():
            start, end = self._read.get(id(notes), 0), len(notes)
            self._read[id(notes)] = end
            chosen = notes[start:end]
            if not self._wants_all:
                chosen = [note for note in chosen if isinstance(note[4], Failure | Retried)]
            fresh += [(note[3], worker, note) for note in chosen]
        fresh.sort(key=itemgetter(0))
        self.emit(self._take_queued())
        started = self._control.started
        for first in range(0, len(fresh), MAX_BATCH_EVENTS):
            batch = fresh[first : first + MAX_BATCH_EVENTS]
            self.emit([event for _, worker, note in batch for event in to_events(worker, note, started, self._cpu_of)])
        return len(fresh)


def to_events(worker: int, note: AttemptRecord, run_started: int, cpu_of: CpuOf | None = None) -> Sequence[Event]:
    """Return the events that a note stands for, one for nearly all; times become seconds."""
    task, ready_at, started, ended, why = note
    if isinstance(why, Skip):
        return (NodeSkipped(task.id, why.reason, why.because),)
    queued_s, ran_s, started_at = (started - ready_at) / 1e9, (ended - started) / 1e9, (started - run_started) / 1e9
    cpu_s = UNSET if cpu_of is None else cpu_of(task, why)
    if why is None:
        attempt, cached = task.details.attempt, task.details.cached
        return (NodeDone(task.id, worker, attempt, queued_s, ran_s, task.stolen, started_at, cached, cpu_s=cpu_s),)
    failure = why.failure if isinstance(why, Retried) else why
    timing = (task.id, worker, failure.attempt, queued_s, ran_s, task.stolen, started_at)
    told = (*timing, failure.message, failure.traceback, failure.arguments)
    event: Event = NodeFailed(*told, allowed=failure.allowed, cpu_s=cpu_s)
    if isinstance(why, Retried):
        event = NodeRetry(*told, wait_s=why.wait_s, cpu_s=cpu_s)
    error = failure.error
    if not isinstance(error, NodeTimeoutError):
        return (event,)
    return (NodeTimeout(task.id, worker, failure.attempt, error.seconds, error.is_lost), event)
