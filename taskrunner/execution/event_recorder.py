"""Event recorder: a thread that turns attempt records into events, in batches.

Thread safety: each runner appends records to its own list and never waits. The recorder reads the length of a list,
then that number of items. An append is atomic, and a record is never changed or removed.

Guarantee: when the run ends, in whatever way, the recorder reads the remaining records before it closes the observers.
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

# Seconds between two polls: short while there are new records, long while there are none. VIEW_INTERVAL_S replaces
# MAX_POLL_INTERVAL_S if an observer displays the running nodes.
MIN_POLL_INTERVAL_S = 0.05
MAX_POLL_INTERVAL_S = 1.0
VIEW_INTERVAL_S = 0.25
# Each batch is dropped before the next one is created, which bounds the memory for events.
MAX_BATCH_EVENTS = 10_000

# A function that returns the CPU seconds of a recorded attempt, if known.
type CpuOf = Callable[[Task, Failure | Retried | Skip | None], float | UnsetType]


class EventRecorder:
    """Recorder that passes the events of a run to its observers. ``cpu_of``: the source of measured CPU times."""

    def __init__(self, state: RunState, observers: Sequence[Observer], cpu_of: CpuOf | None = None) -> None:
        self._state = state
        self._all_observers = self._observers = observers
        self._cpu_of = cpu_of
        # Without a subscriber to the level info, records of successes and skips, nearly all records, become no events.
        self._emits_info = any(LEVELS.get(getattr(o, "level", "debug"), 0) <= LEVELS["info"] for o in observers)
        has_view = any(hasattr(o, "on_running") for o in observers)
        self._max_interval = VIEW_INTERVAL_S if has_view else MAX_POLL_INTERVAL_S
        self._read_counts: dict[int, int] = {}  # by the id of a record list
        self._queue: deque[Event] = deque()
        self._stopped = False
        self._wake_event = threading.Event()
        self._thread: threading.Thread | None = None
        self.errors: list[BaseException] = []

    def start(self, *events: Event) -> None:
        """Emit the first events, and start the thread if there are observers."""
        self.emit(events)
        if self._observers:
            self._thread = threading.Thread(target=self._run, name="taskrunner-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread and emit the remaining events. Every runner must have finished."""
        self._stopped = True
        self._wake_event.set()
        while self._thread and self._thread.is_alive():
            self._thread.join(1.0)
        if self._observers:
            self._drain()

    def enqueue(self, event: Event) -> None:
        """Queue an event for the next batch; any thread may call this."""
        self._queue.append(event)

    def close(self, *events: Event) -> None:
        """Emit the last events and close the observers; ``errors`` holds the errors of all observers."""
        self.emit(self._take_queued())
        self.emit(events)
        self.emit(self._take_queued())
        for observer in self._all_observers:
            self._try(observer.close)

    def emit(self, events: Sequence[Event]) -> None:
        """Pass events to every observer. An observer that fails is disabled, and the others receive a warning."""
        if events:
            self._observers = [o for o in self._observers if self._try(lambda o=o: o.on_events(events))]  # type: ignore[misc]

    def _pass_running(self) -> None:
        """Pass the running nodes to observers that implement ``on_running``, after the events so far."""
        if not any(hasattr(o, "on_running") for o in self._observers):
            return
        running, children = self._state.running(), self._state.children
        self._observers = [
            o for o in self._observers if not (on_running := getattr(o, "on_running", None))
            or self._try(lambda on_running=on_running: on_running(running, children))  # type: ignore[misc]
        ]  # fmt: skip

    def _try(self, call: Callable[[], None]) -> bool:
        """Call an observer; return whether it succeeded. For example, an unwritable log must not end the run."""
        try:
            call()
        except BaseException as error:  # noqa: BLE001  an observer is user code
            self.errors.append(error)
            self.enqueue(RunWarning(f"observer failed and was disabled: {error!r}"))
            return False
        return True

    def _take_queued(self) -> list[Event]:
        return [self._queue.popleft() for _ in range(len(self._queue))]

    def _run(self) -> None:
        interval = MIN_POLL_INTERVAL_S
        while not self._stopped:
            self._wake_event.wait(interval)
            interval = MIN_POLL_INTERVAL_S if self._drain() else min(2 * interval, self._max_interval)
            self._pass_running()

    def _drain(self) -> int:
        """Emit the events of new records, in the order of their ends; return the number of these records."""
        new: list[tuple[int, int, AttemptRecord]] = []
        for worker, records in self._state.records():
            start, end = self._read_counts.get(id(records), 0), len(records)
            self._read_counts[id(records)] = end
            selected = records[start:end]
            if not self._emits_info:
                selected = [record for record in selected if isinstance(record[4], Failure | Retried)]
            new += [(record[3], worker, record) for record in selected]
        new.sort(key=itemgetter(0))
        self.emit(self._take_queued())
        run_started, cpu_of = self._state.started, self._cpu_of
        for first in range(0, len(new), MAX_BATCH_EVENTS):
            batch = new[first : first + MAX_BATCH_EVENTS]
            self.emit(
                [event for _, worker, record in batch for event in to_events(worker, record, run_started, cpu_of)]
            )
        return len(new)


def to_events(worker: int, record: AttemptRecord, run_started: int, cpu_of: CpuOf | None = None) -> Sequence[Event]:
    """Return the events of an attempt record: one, or two after a timeout. Times become seconds."""
    task, ready_at, started, ended, outcome = record
    if isinstance(outcome, Skip):
        return (NodeSkipped(task.id, outcome.reason, outcome.because),)
    queued_s, ran_s, started_at = (started - ready_at) / 1e9, (ended - started) / 1e9, (started - run_started) / 1e9
    cpu_s = UNSET if cpu_of is None else cpu_of(task, outcome)
    if outcome is None:
        attempt, cached = task.details.attempt, task.details.cached
        return (NodeDone(task.id, worker, attempt, queued_s, ran_s, task.stolen, started_at, cached, cpu_s=cpu_s),)
    failure = outcome.failure if isinstance(outcome, Retried) else outcome
    timing = (task.id, worker, failure.attempt, queued_s, ran_s, task.stolen, started_at)
    fields = (*timing, failure.message, failure.traceback, failure.arguments)
    event: Event = NodeFailed(*fields, allowed=failure.allowed, cpu_s=cpu_s)
    if isinstance(outcome, Retried):
        event = NodeRetry(*fields, wait_s=outcome.wait_s, cpu_s=cpu_s)
    error = failure.error
    if not isinstance(error, NodeTimeoutError):
        return (event,)
    return (NodeTimeout(task.id, worker, failure.attempt, error.seconds, error.is_lost), event)
