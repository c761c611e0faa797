"""Run state: the data that all runners of one run share, such as stop flags, failures and attempt records.

Thread safety:

- ``_lock`` protects the list of record lists, the failures, and the other private attributes. The lock is re-entrant
  because a signal handler calls ``interrupt``, possibly on a thread that holds it. The state is consistent after each
  step under the lock.
- The stop flag of a runner is a list with one integer. Only the runner reads it; stores happen under ``_lock``. A
  single store stops the runner, and is never undone.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING

from taskrunner.events.observer import Running
from taskrunner.execution.attempt import Attempt
from taskrunner.plan.outcome import Failure
from taskrunner.plan.plan import AttemptRecord
from taskrunner.storage.journal import Entry

if TYPE_CHECKING:
    from taskrunner.execution.cpu_time import CpuTime
    from taskrunner.reuse.run_cache import RunCache


class RunState:
    """The shared state of one run.

    - ``stop_after``: the number of failures that stops the run; with 0, failures never stop it.
    - ``is_journaled``: a journal writer takes the entries of the runners.
    - ``mask``: a function that redacts the secrets of the run in descriptions of failures.
    - ``caller_context``: the context variables of the thread that created this object, that is, of the caller of
      ``run``. No runner enters it.
    - ``cancelled``: set when the run is interrupted or timed out.
    - ``abandoned``: the number of abandoned calls that have not returned yet.
    - ``children``: the number of nodes created from mapped nodes.
    """

    def __init__(self, stop_after: int = 1, *, is_journaled: bool = False, mask: Callable[[str], str] = str) -> None:
        self.is_journaled = is_journaled
        self.mask = mask
        self.caller_context = copy_context()
        self.cancelled = threading.Event()
        self.timed_out = 0.0
        # Timestamp of the last poll of the journal writer, in a list that all runners share. A runner that creates an
        # entry long after it calls ``wake``.
        self.journal_polled_at = [0]
        self.wake: Callable[[], None] = lambda: None
        # Records the start of an ``always`` node in the journal, before the node runs.
        self.record_start: Callable[[str], None] = lambda _: None
        self.abandoned = 0
        self.children = 0
        self._attempts: set[Attempt] = set()
        self._on_stop: list[Callable[[], None]] = []
        self._on_cancel: list[Callable[[], None]] = []
        self.started = time.perf_counter_ns()
        self.failures: list[Failure] = []
        self.because = ""
        self.signal = 0
        self.crash: BaseException | None = None
        self.run_cache: RunCache | None = None
        self.cpu: CpuTime | None = None
        self.ended = 0
        self._on_interrupt: list[Callable[[], None]] = []
        self._stop_after = stop_after
        self._failed = 0
        self._lock = threading.RLock()
        self._stopped = False
        self._stop_flags: list[list[int]] = []
        self._records: list[tuple[int, list[AttemptRecord]]] = []
        self._entries: list[deque[Entry]] = []
        self._views: list[Callable[[int], list[Running]]] = []
        self._on_leave: list[Callable[[], None]] = []

    def new_record_list(self, worker: int) -> list[AttemptRecord]:
        """Return a new list for the attempt records of the runner of a worker."""
        records: list[AttemptRecord] = []
        with self._lock:
            self._records.append((worker, records))
        return records

    def new_journal_queue(self) -> deque[Entry]:
        """Return a new queue for the journal entries of the calling runner."""
        entries: deque[Entry] = deque()
        with self._lock:
            self._entries.append(entries)
        return entries

    def take_entries(self) -> list[Entry]:
        """Remove and return the queued journal entries. Only one thread at a time may call this."""
        with self._lock:
            queues = list(self._entries)
        return [entries.popleft() for entries in queues for _ in range(len(entries))]

    def has_entries(self) -> bool:
        """Return whether a runner has queued journal entries."""
        with self._lock:
            return any(self._entries)

    def new_stop_flag(self) -> list[int]:
        """Return a new stop flag for the calling runner; a value other than 0 means stop."""
        with self._lock:
            flag = [int(self._stopped)]
            self._stop_flags.append(flag)
        return flag

    def records(self) -> list[tuple[int, list[AttemptRecord]]]:
        """Return each worker with its list of attempt records; only its own runner appends to the list."""
        with self._lock:
            return list(self._records)

    def add_view(self, view: Callable[[int], list[Running]]) -> None:
        """Register a function that returns the running nodes of a runner at a timestamp; any thread may call it."""
        with self._lock:
            self._views.append(view)

    def close_views(self) -> None:
        """Drop all views after the last node, and so break their reference cycles with this object."""
        with self._lock:
            self._views.clear()

    def running(self) -> list[Running]:
        """Return the currently running nodes, as precisely as possible without pausing a worker."""
        with self._lock:
            views = list(self._views)
        now = time.perf_counter_ns()
        return [running for view in views for running in view(now)]

    def record_failure(self, failure: Failure) -> None:
        """Record a failure, and stop the run when the number of failures reaches ``stop_after``."""
        with self._lock:
            self.failures.append(failure)
            if failure.allowed:
                return
            self._failed += 1
            if self._failed != self._stop_after:
                return
            callbacks = self._stop(failure.node)
        _call_all(callbacks)

    def record_crash(self, error: BaseException) -> None:
        """Record an internal error of taskrunner, and stop the run."""
        with self._lock:
            self.crash = self.crash or error
            callbacks = self._stop("")
        _call_all(callbacks)

    def interrupt(self, number: int) -> None:
        """Stop the run because of a signal: no further task starts, and running tasks are cancelled where possible."""
        with self._lock:
            self.signal = number
            callbacks = [*self._cancel(), *self._on_interrupt]
        _call_all(callbacks)

    def time_out(self, seconds: float) -> None:
        """Stop the run because of its timeout, in the same way as an interrupt."""
        with self._lock:
            self.timed_out = seconds
            callbacks = self._cancel()
        _call_all(callbacks)

    @property
    def is_ok(self) -> bool:
        """Whether the run was not cut short, and every failure was allowed."""
        return not (self._failed or self.signal or self.timed_out)

    def open_attempt(self, attempt: Attempt) -> None:
        """Register an attempt that can be abandoned, until it is settled."""
        with self._lock:
            self._attempts.add(attempt)
            if self.cancelled.is_set() and not attempt.is_always:
                attempt.cancelled.set()

    def settle(self, attempt: Attempt) -> bool:
        """Settle an attempt; return whether the caller is the first to do so, and thus completes the task."""
        is_first = attempt.settle()
        with self._lock:
            self._attempts.discard(attempt)
        return is_first

    def open_attempts(self) -> list[Attempt]:
        """Return the attempts that are not settled yet."""
        with self._lock:
            return list(self._attempts)

    def count_abandoned(self, change: int) -> None:
        """Count an abandoned call (1), or the return of one (-1)."""
        with self._lock:
            self.abandoned += change

    def count_children(self, count: int) -> None:
        """Count the children of a mapped node, before any of them is enqueued."""
        with self._lock:
            self.children += count

    def on_leave(self, call: Callable[[], None]) -> None:
        """Register a call to make in a signal handler, before the process exits without waiting."""
        with self._lock:
            self._on_leave.append(call)

    def exit_now(self) -> None:
        """Make the registered calls of ``on_leave``, in a signal handler, before the process exits without waiting."""
        with self._lock:
            callbacks = list(self._on_leave)
        _call_all(callbacks)

    def on_interrupt(self, call: Callable[[], None]) -> None:
        """Register a call to make when the run is interrupted, in the signal handler."""
        with self._lock:
            self._on_interrupt.append(call)

    def on_cancel(self, call: Callable[[], None]) -> None:
        """Register a call to make when running tasks are to be cancelled, possibly in a signal handler."""
        with self._lock:
            self._on_cancel.append(call)

    def on_stop(self, call: Callable[[], None]) -> None:
        """Register a call to make when no further task may start, possibly in a signal handler."""
        with self._lock:
            self._on_stop.append(call)

    def _cancel(self) -> list[Callable[[], None]]:
        callbacks = self._stop("")
        self.cancelled.set()
        for attempt in self._attempts:
            if not attempt.is_always:  # such a node may run because of the stop, for example to clean up
                attempt.cancelled.set()
        return [*callbacks, *self._on_cancel]

    def _stop(self, because: str) -> list[Callable[[], None]]:
        """Stop the runners; return the callbacks to make without ``_lock``, since they acquire other locks."""
        self._stopped = True
        self.because = self.because or because
        for flag in self._stop_flags:
            flag[0] = 1
        return list(self._on_stop)


def _call_all(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in callbacks:
        with contextlib.suppress(Exception):  # in a signal handler, the error would surface in the interrupted code
            callback()
