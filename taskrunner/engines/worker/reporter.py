"""Telling of the steps of a work: in batches while they are short, and in time where one takes long.

One thread of a process looks after all tellers: at what waits to be sent, and at steps that go on.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from taskrunner.engines.messages import BEGUN, DONE, StepReport, WorkItem
from taskrunner.system import gil

type Send = Callable[[Sequence[StepReport]], None]

# Nanoseconds for which reports of a chain may wait for the next ones, and after which a step that goes on is told of.
FLUSH_INTERVAL_NS = 50_000_000
SLOW_STEP_NS = 50_000_000


class StepReporter:
    """Tells of the steps of one work. ``_lock`` guards what waits to be sent, and which step runs."""

    def __init__(self, work: WorkItem, worker: str, thread: int, send: Send) -> None:
        self._work, self._worker, self._thread, self._send = work, worker, thread, send
        self._waiting: list[StepReport] = []
        self._told = time.perf_counter_ns()
        self._runs: tuple[int, int, int] | None = None  # the step's number, and when it began, by both clocks
        self._lock = threading.Lock()

    def begin(self, number: int, began: int, started: int) -> None:
        """Take that a step begins at this time of day and at this moment of the clock."""
        with self._lock:
            self._runs = number, began, started
        _late.watch(self, number, started + SLOW_STEP_NS)

    def report(self, number: int, state: str, ended: int, **found: Any) -> None:
        """ReportCallback what became of the step that has begun last, and ended at this moment of the clock."""
        with self._lock:
            report = self._report(number, state, ended, **found)
            self._runs = None
            self._waiting.append(report)
        now = time.perf_counter_ns()
        if state != DONE or number + 1 == len(self._work.steps) or now - self._told > FLUSH_INTERVAL_NS:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            if self._waiting and not self._work.suppress_reports:
                self._send(self._waiting)
            self._waiting = []
            self._told = time.perf_counter_ns()

    def report_if_slow(self, number: int) -> None:
        """Send what waits, and that a step goes on, if it does: called some time after it has begun."""
        with self._lock:
            if self._runs is not None and self._runs[0] == number:
                self._waiting.append(self._report(number, BEGUN, time.perf_counter_ns()))
        self.flush()

    def _report(self, number: int, state: str, ended: int, **found: Any) -> StepReport:
        _, began, started = self._runs or (number, 0, ended)
        ran = ended - started
        return StepReport(
            self._work.key, number, self._worker, self._thread, began, ran, state, gil.is_enabled(), **found
        )


class _SlowStepMonitor:
    """Has a thread look at steps that take long: at what waits for their end, and at themselves."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[int, StepReporter, int]] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_running = False

    def watch(self, teller: StepReporter, number: int, moment: int) -> None:
        """Have a teller look at its step at a moment of the clock; those of later calls are never earlier by much."""
        if not self._is_running:  # once it is, it stays so: only the first ones take the lock
            self._start()
        self._queue.put((moment, teller, number))

    def _start(self) -> None:
        with self._lock:
            if not self._is_running:
                threading.Thread(target=self._run, name="taskrunner-late", daemon=True).start()
                self._is_running = True

    def _run(self) -> None:
        while True:
            moment, teller, number = self._queue.get()
            time.sleep(max(0, moment - time.perf_counter_ns()) / 1e9)
            with contextlib.suppress(Exception):  # nobody is there any more
                teller.report_if_slow(number)
            del teller


_late = _SlowStepMonitor()
