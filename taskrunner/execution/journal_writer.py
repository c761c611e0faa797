"""Journal writer: a separate thread that writes the journal during a run, independent of slow observers.

The thread polls often while nodes finish, and rarely while none does. A runner that creates an entry long after the
last poll wakes the thread. ``RunState.journal_polled_at`` holds the timestamp of the last poll, or 0 while the thread
polls rarely.

No wake-up is lost: the thread stores the 0 before it checks for entries once more, and a runner appends its entry
before it reads the timestamp. So either the runner reads the 0, or the thread finds the entry.
"""

import threading
import time
from collections.abc import Callable

from taskrunner.events.types import RunWarning
from taskrunner.execution.state import RunState
from taskrunner.storage.journal import Journal, started

# Seconds between two polls.
MIN_WRITE_INTERVAL_S = 0.05
MAX_WRITE_INTERVAL_S = 1.0


class JournalWriter:
    """Writer of the journal entries of a run. ``warn`` is called once if the journal can no longer be written."""

    def __init__(self, state: RunState, journal: Journal, warn: Callable[[RunWarning], None]) -> None:
        self._state = state
        self._journal: Journal | None = journal
        self._warn = warn
        self._stopped = False
        self._wake_event = threading.Event()
        state.wake = self._wake_event.set
        state.record_start = lambda node: journal.append_or_clear(started(node))
        self._thread = threading.Thread(target=self._run, name="taskrunner-journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and write the remaining entries. Every runner must have finished."""
        self._stopped = True
        self._wake_event.set()
        while self._thread.is_alive():
            self._thread.join(1.0)
        self._write()

    def _run(self) -> None:
        interval = MIN_WRITE_INTERVAL_S
        while not self._stopped:
            if self._wake_event.wait(interval):
                self._wake_event.clear()
            interval = MIN_WRITE_INTERVAL_S if self._write() else min(2 * interval, MAX_WRITE_INTERVAL_S)
            if interval > MIN_WRITE_INTERVAL_S:
                self._state.journal_polled_at[0] = 0
                if self._state.has_entries():
                    interval = MIN_WRITE_INTERVAL_S

    def _write(self) -> bool:
        """Write the new entries, and return whether there were any.

        An error while writing stops the journal only; the run continues.
        """
        self._state.journal_polled_at[0] = time.perf_counter_ns()
        entries = self._state.take_entries()
        if entries and self._journal is not None:
            try:
                self._journal.append(entries)
            except OSError as error:
                self._journal = None
                message = f"cannot write the journal: {error.strerror}; on resume, later nodes run again"
                self._warn(RunWarning(message))
        return bool(entries)
