"""Step reporter: sends the reports of a work item, in batches for short steps and promptly for slow ones.

Thread safety: ``StepReporter._lock`` is held while reports are sent, so their order is preserved. One thread of the
process monitors all reporters: it flushes waiting reports and reports slow steps.
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

# The reports of a chain wait at most this number of nanoseconds for the next ones.
FLUSH_INTERVAL_NS = 50_000_000
# A step that still runs after this number of nanoseconds is reported as begun.
SLOW_STEP_NS = 50_000_000


class StepReporter:
    """Reporter for the steps of one work item. ``_lock`` protects the waiting reports and the running step."""

    def __init__(self, item: WorkItem, worker: str, thread: int, send: Send) -> None:
        self._item, self._worker, self._thread, self._send = item, worker, thread, send
        self._waiting: list[StepReport] = []
        self._flushed = time.perf_counter_ns()
        self._running: tuple[int, int, int] | None = None  # the step's number, and its start time by both clocks
        self._lock = threading.Lock()

    def begin(self, number: int, began: int, started: int) -> None:
        """Record the start of a step; ``began`` is the time of day, ``started`` that of the performance counter."""
        with self._lock:
            self._running = number, began, started
        _monitor.watch(self, number, started + SLOW_STEP_NS)

    def report(self, number: int, state: str, ended: int, **fields: Any) -> None:
        """Report the outcome of the running step, which ended at ``ended`` by the performance counter."""
        with self._lock:
            report = self._report(number, state, ended, **fields)
            self._running = None
            self._waiting.append(report)
        now = time.perf_counter_ns()
        if state != DONE or number + 1 == len(self._item.steps) or now - self._flushed > FLUSH_INTERVAL_NS:
            self.flush()

    def flush(self) -> None:
        """Send the waiting reports."""
        with self._lock:
            if self._waiting and not self._item.suppress_reports:
                self._send(self._waiting)
            self._waiting = []
            self._flushed = time.perf_counter_ns()

    def report_if_slow(self, number: int) -> None:
        """Send the waiting reports, and report a running step as begun; called SLOW_STEP_NS after its start."""
        with self._lock:
            if self._running is not None and self._running[0] == number:
                self._waiting.append(self._report(number, BEGUN, time.perf_counter_ns()))
        self.flush()

    def _report(self, number: int, state: str, ended: int, **fields: Any) -> StepReport:
        _, began, started = self._running or (number, 0, ended)
        ran = ended - started
        return StepReport(
            self._item.key, number, self._worker, self._thread, began, ran, state, gil.is_enabled(), **fields
        )


class _SlowStepMonitor:
    """Monitor thread for slow steps: it flushes the reports that wait for their end, and reports the steps."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[int, StepReporter, int]] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_running = False

    def watch(self, reporter: StepReporter, number: int, deadline: int) -> None:
        """Check a step of a reporter at a deadline; a later call's deadline is never earlier by a relevant amount."""
        if not self._is_running:  # never reset: only the first calls acquire the lock
            self._start()
        self._queue.put((deadline, reporter, number))

    def _start(self) -> None:
        with self._lock:
            if not self._is_running:
                threading.Thread(target=self._run, name="taskrunner-slow-steps", daemon=True).start()
                self._is_running = True

    def _run(self) -> None:
        while True:
            deadline, reporter, number = self._queue.get()
            time.sleep(max(0, deadline - time.perf_counter_ns()) / 1e9)
            with contextlib.suppress(Exception):  # the client has disconnected
                reporter.report_if_slow(number)
            del reporter


_monitor = _SlowStepMonitor()
