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
from collections.abc import Callable

from taskrunner.run.journal import Entry
from taskrunner.run.outcome import Failure
from taskrunner.run.plan import Noted


class Control:
    """The shared state of one run. ``stop_after``: so many failures stop it; 0: none do.

    ``is_journaled``: somebody takes the entries that the runners make.
    """

    def __init__(self, stop_after: int = 1, *, is_journaled: bool = False) -> None:
        self.is_journaled = is_journaled
        self.started = time.perf_counter_ns()
        self.failures: list[Failure] = []
        self.because = ""
        self.signal = 0
        self.crash: BaseException | None = None
        self.ended = 0
        self._on_interrupt: list[Callable[[], None]] = []
        self._stop_after = stop_after
        self._lock = threading.RLock()
        self._halted = False
        self._flags: list[list[int]] = []
        self._notes: list[tuple[int, list[Noted]]] = []
        self._entries: list[deque[Entry]] = []

    def open_notes(self, worker: int) -> list[Noted]:
        """Return a new list for what the runner of a worker notes."""
        notes: list[Noted] = []
        with self._lock:
            self._notes.append((worker, notes))
        return notes

    def open_entries(self) -> deque[Entry]:
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

    def open_flag(self) -> list[int]:
        """Return a new flag for the calling runner: not zero means stop."""
        with self._lock:
            flag = [int(self._halted)]
            self._flags.append(flag)
        return flag

    def all_notes(self) -> list[tuple[int, list[Noted]]]:
        """Return each worker with what it has noted. A list is appended to by its own runner and by no other."""
        with self._lock:
            return list(self._notes)

    def failed(self, failure: Failure) -> None:
        """Note a failure, and stop the run if it is one too many."""
        with self._lock:
            self.failures.append(failure)
            if len(self.failures) == self._stop_after:
                self._halt(failure.node)

    def crashed(self, error: BaseException) -> None:
        """Note an error of taskrunner's own, and stop the run."""
        with self._lock:
            self.crash = self.crash or error
            self._halt("")

    def interrupt(self, number: int) -> None:
        """Stop the run because of a signal: nothing new starts, what can be cancelled is."""
        with self._lock:
            self.signal = number
            self._halt("")
            told = list(self._on_interrupt)
        for tell in reversed(told):  # our own, registered last, before the caller's
            with contextlib.suppress(Exception):  # an error here would come out of whatever was interrupted
                tell()

    def on_interrupt(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when the run is interrupted, from the signal's handler."""
        with self._lock:
            self._on_interrupt.append(tell)

    def _halt(self, because: str) -> None:
        self._halted = True
        self.because = self.because or because
        for flag in self._flags:
            flag[0] = 1
