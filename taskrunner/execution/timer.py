"""Timer: a thread that makes calls at given deadlines, for timeouts and for retry delays.

Thread safety: ``_lock`` protects the heap, the two flags and the thread. The lock is re-entrant because a signal
handler may call ``expedite`` on a thread that holds it. The state is consistent after each step under the lock.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

# Seconds, about 30 years. Any shorter delay is an integer number of nanoseconds within the range of the clock.
MAX_DELAY_S = 1e9


class TimerHandle:
    """A scheduled call. ``keeps_delay``: the call waits for its deadline even after ``Timer.expedite``."""

    __slots__ = ("call", "keeps_delay")

    def __init__(self, call: Callable[[], None], *, keeps_delay: bool) -> None:
        self.call: Callable[[], None] | None = call
        self.keeps_delay = keeps_delay

    def cancel(self) -> None:
        """Cancel the call. A call that has started, or is about to start, is not stopped."""
        self.call = None


class Timer:
    """A thread that makes scheduled calls, one at a time. It starts with the first scheduled call."""

    def __init__(self, on_crash: Callable[[BaseException], None]) -> None:
        self._on_crash = on_crash
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._heap: list[tuple[int, int, TimerHandle]] = []
        self._sequence = itertools.count()
        self._is_expedited = False
        self._stopped = False
        self._thread: threading.Thread | None = None

    def at(self, deadline: int, call: Callable[[], None], *, keeps_delay: bool = True) -> TimerHandle:
        """Schedule a call at a deadline of the run's clock, in nanoseconds, or as soon as possible after it."""
        handle = TimerHandle(call, keeps_delay=keeps_delay)
        with self._lock:
            heapq.heappush(self._heap, (deadline, next(self._sequence), handle))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskrunner-timer", daemon=True)
                self._thread.start()
            if self._heap[0][2] is handle or self._is_expedited:
                self._changed.notify()
        return handle

    def expedite(self) -> None:
        """Make all calls that do not keep their delay immediately, also those scheduled later."""
        with self._lock:
            self._is_expedited = True
            self._changed.notify()

    def stop(self) -> None:
        """Stop the thread; no further calls are made."""
        with self._lock:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        while thread is not None and thread.is_alive():
            thread.join(1.0)
        del self._on_crash  # breaks the reference cycle, so that reference counting alone frees the run

    def _run(self) -> None:
        while (due := self._wait()) is not None:
            for handle in due:
                if (call := handle.call) is not None:
                    try:
                        call()
                    except BaseException as error:  # noqa: BLE001  our bug: without a report the error would be lost
                        self._on_crash(error)

    def _wait(self) -> list[TimerHandle] | None:
        """Wait for due calls and return them; None once the timer is stopped."""
        with self._lock:
            while not self._stopped:
                if due := self._take_due():
                    return due
                delay = (self._heap[0][0] - time.perf_counter_ns()) / 1e9 if self._heap else None
                self._changed.wait(delay if delay is None else min(max(delay, 0.0), threading.TIMEOUT_MAX))
            return None

    def _take_due(self) -> list[TimerHandle]:
        now = time.perf_counter_ns()
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        if self._is_expedited and (expedited := [entry for entry in self._heap if not entry[2].keeps_delay]):
            self._heap = [entry for entry in self._heap if entry[2].keeps_delay]
            heapq.heapify(self._heap)
            due += [handle for _, _, handle in sorted(expedited, key=lambda entry: entry[:2])]
        return due


def nanoseconds(seconds: float) -> int:
    """Return seconds as nanoseconds, limited to MAX_DELAY_S: a graph file may contain any number."""
    return int(min(seconds, MAX_DELAY_S) * 1e9)
