"""A thread that calls back at given moments: for time-outs, and for what waits before it is tried again.

``_lock`` guards the heap and the three words beside it. It is re-entrant because ``hurry`` may be called by a
signal's handler, on a thread that holds it; each step under it is complete in itself.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

# Seconds, some 30 years: nobody waits longer, and any number of seconds is an integer of nanoseconds then.
MAX_DELAY_S = 1e9


def nanoseconds(seconds: float) -> int:
    """Return so many seconds as nanoseconds, whatever a file asks for."""
    return int(min(seconds, MAX_DELAY_S) * 1e9)


class TimerHandle:
    """One call to come. ``is_patient``: it waits for its moment even when others are hurried."""

    __slots__ = ("call", "keeps_delay")

    def __init__(self, call: Callable[[], None], *, is_patient: bool) -> None:
        self.call: Callable[[], None] | None = call
        self.keeps_delay = is_patient

    def cancel(self) -> None:
        """Forget the call. One that has begun, or is about to, is not stopped."""
        self.call = None


class Timer:
    """Calls back, one call at a time; the thread is started when the first call is asked for."""

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
        """Have ``call`` called at a moment of the run's clock, in nanoseconds, or as soon after as can be."""
        appointment = TimerHandle(call, is_patient=keeps_delay)
        with self._lock:
            heapq.heappush(self._heap, (deadline, next(self._sequence), appointment))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskrunner-timer", daemon=True)
                self._thread.start()
            if self._heap[0][2] is appointment or self._is_expedited:
                self._changed.notify()
        return appointment

    def expedite(self) -> None:
        """Make all calls that are not patient now, and from now on at once."""
        with self._lock:
            self._is_expedited = True
            self._changed.notify()

    def stop(self) -> None:
        """Make no more calls, and end the thread."""
        with self._lock:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        while thread is not None and thread.is_alive():
            thread.join(1.0)
        del self._on_crash  # it leads back here: a run is freed without the collector

    def _run(self) -> None:
        while (due := self._wait()) is not None:
            for appointment in due:
                if (call := appointment.call) is not None:
                    try:
                        call()
                    except BaseException as error:  # noqa: BLE001  a bug of ours: nobody waits for what is lost here
                        self._on_crash(error)

    def _wait(self) -> list[TimerHandle] | None:
        """Wait for what is due; None: it is over."""
        with self._lock:
            while not self._stopped:
                if due := self._take():
                    return due
                left = (self._heap[0][0] - time.perf_counter_ns()) / 1e9 if self._heap else None
                self._changed.wait(left if left is None else min(max(left, 0.0), threading.TIMEOUT_MAX))
            return None

    def _take(self) -> list[TimerHandle]:
        now = time.perf_counter_ns()
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        if self._is_expedited and (hurried := [entry for entry in self._heap if not entry[2].keeps_delay]):
            self._heap = [entry for entry in self._heap if entry[2].keeps_delay]
            heapq.heapify(self._heap)
            due += [appointment for _, _, appointment in sorted(hurried, key=lambda entry: entry[:2])]
        return due
