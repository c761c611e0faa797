"""What all runners of one run share: whether to stop, the failures, the notes.

``_lock`` guards the list of notes' lists and the failures. It is re-entrant because ``interrupt`` is called
by a signal handler, which may run on a thread that holds it; each step under it is complete in itself.
A runner's flag is a list of one integer that it alone reads and that is stored to under ``_lock``;
one store makes it stop, and it is never taken back.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
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
    """The shared state of one run. ``stop_after``: so many failures stop it; 0: none do.

    ``is_journaled``: somebody takes the entries that the runners make. ``mask`` takes the run's secrets out
    of what is told of failures. ``cancelled`` is set when the run is interrupted or out of time; ``lost``:
    how many calls were given up and have not returned yet; ``children``: how many nodes came of mapped ones.
    """

    def __init__(self, stop_after: int = 1, *, is_journaled: bool = False, mask: Callable[[str], str] = str) -> None:
        self.is_journaled = is_journaled
        self.mask = mask
        self.cancelled = threading.Event()
        self.timed_out = 0.0
        # When the journal's thread last looked, in a list of its own: who makes an entry long after that wakes it.
        self.looked = [0]
        self.wake: Callable[[], None] = lambda: None
        self.abandoned = 0
        self.children = 0
        self._attempts: set[Attempt] = set()
        self._on_halt: list[Callable[[], None]] = []
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
        self._flags: list[list[int]] = []
        self._records: list[tuple[int, list[AttemptRecord]]] = []
        self._entries: list[deque[Entry]] = []
        self._views: list[Callable[[int], list[Running]]] = []
        self._on_leave: list[Callable[[], None]] = []

    def new_record_list(self, worker: int) -> list[AttemptRecord]:
        """Return a new list for what the runner of a worker notes."""
        notes: list[AttemptRecord] = []
        with self._lock:
            self._records.append((worker, notes))
        return notes

    def new_journal_queue(self) -> deque[Entry]:
        """Return a new deque for the journal's entries of the calling runner."""
        entries: deque[Entry] = deque()
        with self._lock:
            self._entries.append(entries)
        return entries

    def take_entries(self) -> list[Entry]:
        """Take what the runners have for the journal. One thread calls this: what it sees, nobody else takes."""
        with self._lock:
            queues = list(self._entries)
        return [entries.popleft() for entries in queues for _ in range(len(entries))]

    def has_entries(self) -> bool:
        """Say whether a runner has something for the journal."""
        with self._lock:
            return any(self._entries)

    def new_stop_flag(self) -> list[int]:
        """Return a new flag for the calling runner: not zero means stop."""
        with self._lock:
            flag = [int(self._stopped)]
            self._flags.append(flag)
        return flag

    def records(self) -> list[tuple[int, list[AttemptRecord]]]:
        """Return each worker with what it has noted. A list is appended to by its own runner and by no other."""
        with self._lock:
            return list(self._records)

    def add_view(self, look: Callable[[int], list[Running]]) -> None:
        """Have ``look(now)`` called, by any thread, to ask a runner what it runs."""
        with self._lock:
            self._views.append(look)

    def close_views(self) -> None:
        """Ask no runner any more: nothing runs, and they lead back here."""
        with self._lock:
            self._views.clear()

    def running(self) -> list[Running]:
        """Return what runs at this moment, as far as that can be told without stopping anybody."""
        with self._lock:
            views = list(self._views)
        now = time.perf_counter_ns()
        return [running for look in views for running in look(now)]

    def record_failure(self, failure: Failure) -> None:
        """Note a failure, and stop the run if it is one too many."""
        with self._lock:
            self.failures.append(failure)
            if failure.allowed:
                return
            self._failed += 1
            if self._failed != self._stop_after:
                return
            told = self._stop(failure.node)
        _call_all(told)

    def record_crash(self, error: BaseException) -> None:
        """Note an error of taskrunner's own, and stop the run."""
        with self._lock:
            self.crash = self.crash or error
            told = self._stop("")
        _call_all(told)

    def interrupt(self, number: int) -> None:
        """Stop the run because of a signal: nothing new starts, what can be cancelled is."""
        with self._lock:
            self.signal = number
            told = [*self._cancel(), *self._on_interrupt]
        _call_all(told)

    def time_out(self, seconds: float) -> None:
        """Stop the run because its time is over: as an interrupt does."""
        with self._lock:
            self.timed_out = seconds
            told = self._cancel()
        _call_all(told)

    @property
    def is_ok(self) -> bool:
        """Whether the run came to its end, and no node failed that may not."""
        return not (self._failed or self.signal or self.timed_out)

    def open_attempt(self, attempt: Attempt) -> None:
        """Keep an attempt that may be given up, until it is settled."""
        with self._lock:
            self._attempts.add(attempt)
            if self.cancelled.is_set() and not attempt.is_always:
                attempt.cancelled.set()

    def settle(self, attempt: Attempt) -> bool:
        """Say whether the caller is the one who ends an attempt; the other one has come too late."""
        is_first = attempt.settle()
        with self._lock:
            self._attempts.discard(attempt)
        return is_first

    def open_attempts(self) -> list[Attempt]:
        """Return the attempts that nobody has settled yet."""
        with self._lock:
            return list(self._attempts)

    def count_abandoned(self, change: int) -> None:
        """Count a call that was given up, or (-1) one of them that has returned."""
        with self._lock:
            self.abandoned += change

    def count_children(self, count: int) -> None:
        """Count the nodes that came of a mapped one; before any of them is placed."""
        with self._lock:
            self.children += count

    def on_leave(self, call: Callable[[], None]) -> None:
        """Have ``call`` called, in a signal's handler, before the process ends without waiting."""
        with self._lock:
            self._on_leave.append(call)

    def exit_now(self) -> None:
        """Tell that the process is about to end without waiting; called in a signal's handler."""
        with self._lock:
            told = list(self._on_leave)
        _call_all(told)

    def on_interrupt(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when the run is interrupted, from the signal's handler."""
        with self._lock:
            self._on_interrupt.append(tell)

    def on_cancel(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when what can be cancelled is to be; it may be in a signal's handler."""
        with self._lock:
            self._on_cancel.append(call)

    def on_stop(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when nothing new is to start; it may be in a signal's handler."""
        with self._lock:
            self._on_halt.append(call)

    def _cancel(self) -> list[Callable[[], None]]:
        told = self._stop("")
        self.cancelled.set()
        for attempt in self._attempts:
            if not attempt.is_always:  # somebody waits for what runs because of the stop
                attempt.cancelled.set()
        return [*told, *self._on_cancel]

    def _stop(self, because: str) -> list[Callable[[], None]]:
        """Stop the runners; return who is to be told when the lock is free: they have locks of their own."""
        self._stopped = True
        self.because = self.because or because
        for flag in self._flags:
            flag[0] = 1
        return list(self._on_halt)


def _call_all(told: Iterable[Callable[[], None]]) -> None:
    for tell in told:
        with contextlib.suppress(Exception):  # an error here would come out of whatever was interrupted
            tell()
