"""The sites of a run as its events tell of them: a worker's number for each thread, and times by this process's clock.

A site tells the time by its own clock. What it reports has begun after it was sent there, and has ended before the
report came: so its clock can be ahead or behind by no more than these two allow. As long as they allow none, none is
assumed; else the least that they do. (Marzullo, "Maintaining the time in a distributed system", 1984, intersects
such intervals.)
"""

import time

from taskrunner.engines.messages import StepReport
from taskrunner.events.types import EVENT_LOOP


class ClockOffset:
    """How far a clock is behind ours, in nanoseconds, as far as can be told."""

    def __init__(self) -> None:
        self._least = -(2**63)
        self._most = 2**63

    def update(self, sent: int, began: int, ended: int, received: int) -> None:
        """Take in that what began and ended by that clock was sent and received by ours."""
        self._least = max(self._least, sent - began)
        self._most = min(self._most, received - ended)

    @property
    def value(self) -> int:
        """What is to be added to that clock's time."""
        if self._least > self._most:  # it was set meanwhile
            return self._least
        return min(max(0, self._least), self._most)


class WorkerNumbers:
    """Numbers the threads of all sites, in the order in which they are heard of."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], int] = {}
        self._offsets: dict[str, ClockOffset] = {}
        self._epoch = time.time_ns() - time.perf_counter_ns()

    def number(self, report: StepReport) -> int:
        """Return the worker that a report comes from; what waited was nobody's."""
        if not report.thread:
            return EVENT_LOOP
        return self._numbers.setdefault((report.worker, report.thread), len(self._numbers))

    def times(self, report: StepReport, sent: int) -> tuple[int, int]:
        """Return when a step began and ended by the run's clock, in nanoseconds; ``sent``: when its work was."""
        began = report.began - self._epoch
        offset = self._offsets.setdefault(report.worker, ClockOffset())
        offset.update(sent, began, began + report.ran, time.perf_counter_ns())
        started = max(began + offset.value, sent)
        return started, started + report.ran
