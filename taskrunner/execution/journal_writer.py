"""The thread that writes the journal while a run goes on, however long somebody takes to hear of the run.

It looks often while something finishes and seldom while nothing does. A runner that makes an entry long after the
last look wakes it: ``Control.looked`` holds the moment of that look, or 0 while it looks seldom. The 0 is stored
before it looks once more for entries, and a runner makes its entry before it reads the moment: so either
the runner sees the 0, or the entry is seen.
"""

import threading
import time
from collections.abc import Callable

from taskrunner.events.types import RunWarning
from taskrunner.execution.state import RunState
from taskrunner.storage.journal import Journal

# Seconds between two looks.
MIN_WRITE_INTERVAL_S = 0.05
MAX_WRITE_INTERVAL_S = 1.0


class JournalWriter:
    """Writes what a run's nodes have finished with. ``warn`` is told once if that cannot be done any more."""

    def __init__(self, state: RunState, journal: Journal, warn: Callable[[RunWarning], None]) -> None:
        self._control = state
        self._journal: Journal | None = journal
        self._warn = warn
        self._stopped = False
        self._awake = threading.Event()
        state.wake = self._awake.set
        self._thread = threading.Thread(target=self._run, name="taskrunner-journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and write the rest. Every runner is at rest by now."""
        self._stopped = True
        self._awake.set()
        while self._thread.is_alive():
            self._thread.join(1.0)
        self._write()

    def _run(self) -> None:
        interval = MIN_WRITE_INTERVAL_S
        while not self._stopped:
            if self._awake.wait(interval):
                self._awake.clear()
            interval = MIN_WRITE_INTERVAL_S if self._write() else min(2 * interval, MAX_WRITE_INTERVAL_S)
            if interval > MIN_WRITE_INTERVAL_S:
                self._control.looked[0] = 0
                if self._control.has_entries():
                    interval = MIN_WRITE_INTERVAL_S

    def _write(self) -> bool:
        """Write what has finished, and say whether anything has.

        A journal that cannot be written ends nothing but itself.
        """
        self._control.looked[0] = time.perf_counter_ns()
        entries = self._control.take_entries()
        if entries and self._journal is not None:
            try:
                self._journal.append(entries)
            except OSError as error:
                self._journal = None
                told = f"the journal cannot be written: {error.strerror}; a resumed run repeats what follows"
                self._warn(RunWarning(told))
        return bool(entries)
