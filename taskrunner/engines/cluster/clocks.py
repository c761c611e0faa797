"""Clock correction and worker numbers for the step reports of a run.

Each worker process reports times by its own clock. A step starts after its work item was sent, and ends before its
report is received. So these two times bound the offset of the worker's clock. As long as the bounds permit an offset
of zero, zero is assumed; otherwise the smallest offset that they permit. (Marzullo, "Maintaining the time in a
distributed system", 1984, intersects such intervals.)
"""

import time

from taskrunner.engines.messages import StepReport
from taskrunner.events.types import EVENT_LOOP


class ClockOffset:
    """Estimated offset of another clock behind the local one, in nanoseconds."""

    def __init__(self) -> None:
        self._lower = -(2**63)
        self._upper = 2**63

    def update(self, sent: int, began: int, ended: int, received: int) -> None:
        """Narrow the bounds by a step, which began and ended by the other clock, between two times of the local one."""
        self._lower = max(self._lower, sent - began)
        self._upper = min(self._upper, received - ended)

    @property
    def value(self) -> int:
        """Number of nanoseconds to add to a time of the other clock."""
        if self._lower > self._upper:  # the other clock was set meanwhile
            return self._lower
        return min(max(0, self._lower), self._upper)


class WorkerNumbers:
    """Numbers of the threads of all worker processes, assigned in the order of their first reports."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], int] = {}
        self._offsets: dict[str, ClockOffset] = {}
        self._epoch = time.time_ns() - time.perf_counter_ns()

    def number(self, report: StepReport) -> int:
        """Return the worker number of a report; EVENT_LOOP for an asynchronous step, which has no thread."""
        if not report.thread:
            return EVENT_LOOP
        return self._numbers.setdefault((report.worker, report.thread), len(self._numbers))

    def times(self, report: StepReport, sent: int) -> tuple[int, int]:
        """Return the start and end of a step by the run's clock, in nanoseconds.

        ``sent`` is the time at which its work item was sent.
        """
        began = report.began - self._epoch
        offset = self._offsets.setdefault(report.worker, ClockOffset())
        offset.update(sent, began, began + report.ran, time.perf_counter_ns())
        started = max(began + offset.value, sent)
        return started, started + report.ran
