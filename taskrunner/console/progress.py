"""Progress of a run in numbers: finished nodes, running nodes, estimated remaining time.

The remaining time is the elapsed time, multiplied by the ratio of remaining to finished effort. The unit of effort is
the seconds that the nodes took in an earlier run of the graph; a running node counts in part. So the estimate includes
both the parallelism and the speed of this run. Without an earlier run, each node counts the same.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from taskrunner.events.observer import Running
from taskrunner.events.types import AttemptEvent, Event, NodeDone, NodeFailed, NodeSkipped, RunStart

# The minimum number of seconds before an estimate is useful.
_MIN_ESTIMATE_S = 1.0
_MINUTE = 60
_HOUR = 3600
# Shorter durations are shown in tenths; longer ones would be rounded to 10.0.
_MAX_DECIMAL_S = 9.95


class Progress:
    """A counter of the nodes of a run. ``clock`` returns seconds; it is read at the start and for each request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._nodes = self._children = 0
        self._expected: dict[str, float] = {}
        self._spent = self._unspent = (
            0.0  # expected seconds: of the finished nodes that ran, and of the unfinished nodes
        )
        self.workers = 0
        self.done = self.cached = self.failed = self.skipped = 0
        self.running: Sequence[Running] = ()

    def on_expected(self, seconds: Mapping[str, float]) -> None:
        """Store the seconds that the nodes took in an earlier run."""
        self._expected = dict(seconds)
        self._unspent = sum(seconds.values())

    def on_events(self, events: Sequence[Event]) -> None:
        """Count the finished nodes."""
        count = Counter(map(type, events))
        self.done += count[NodeDone]
        self.failed += count[NodeFailed]
        self.skipped += count[NodeSkipped]
        self.cached += sum([event.cached for event in events if type(event) is NodeDone])
        if count[RunStart]:
            self._start(events)
        if self._expected:
            self._drop_ended(events)

    def on_running(self, running: Sequence[Running], children: int) -> None:
        """Store the running nodes, and the number of nodes that were added since the start of the run."""
        self.running, self._children = running, children

    def close(self) -> None:
        """Do nothing: no file is open."""

    @property
    def elapsed(self) -> float:
        """The seconds since the start of the run."""
        return self._clock() - self._began

    @property
    def ended(self) -> int:
        """The number of nodes that are done, failed or skipped."""
        return self.done + self.failed + self.skipped

    @property
    def total(self) -> int:
        """The number of nodes, with the children of expanded mapped nodes; at least ``ended``."""
        return max(self._nodes + self._children, self.ended)

    def estimate_remaining(self) -> float | None:
        """Return the estimated remaining seconds of the run.

        The result is None without an estimate, or if the run takes longer than the earlier run.
        """
        elapsed = self.elapsed
        is_known = self._spent + self._unspent > 0
        done, remaining = (
            self._known_effort() if is_known else (self.done - self.cached + self.failed, self.total - self.ended)
        )
        if elapsed < _MIN_ESTIMATE_S or done <= 0:
            return None
        seconds = max(elapsed * remaining / done, self._max_remaining())
        return seconds if seconds > 0 or self.ended == self.total else None

    def _start(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, RunStart):
                self._began = self._clock()
                self._nodes, self.workers = event.nodes, event.workers

    def _drop_ended(self, events: Sequence[Event]) -> None:
        """Remove the finished nodes from the expected seconds. If a node ran, its seconds are finished effort."""
        for event in events:
            if isinstance(event, NodeDone | NodeFailed | NodeSkipped):
                seconds = self._expected.pop(event.node, 0.0)
                self._unspent -= seconds
                if isinstance(event, AttemptEvent) and not getattr(event, "cached", False):
                    self._spent += seconds

    def _known_effort(self) -> tuple[float, float]:
        """Return the finished and the remaining seconds, in terms of the earlier run."""
        current = sum([min(node.ran_s, self._expected.get(node.node, 0.0)) for node in self.running])
        return self._spent + current, max(self._unspent - current, 0.0)

    def _max_remaining(self) -> float:
        """Return the maximum remaining seconds of the running nodes, if they take as long as in the earlier run."""
        return max([self._expected.get(node.node, 0.0) - node.ran_s for node in self.running], default=0.0)


def format_duration(seconds: float) -> str:
    """Format a duration like a clock: ``4.2 s``, ``42 s``, ``3:05 min``, ``2:03 h``."""
    if seconds < _MAX_DECIMAL_S:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds + 0.5)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02} h"


def format_counts(progress: Progress) -> list[str]:
    """Format the number of running nodes, and the other counts that are not 0, without the finished nodes."""
    others = {"failed": progress.failed, "skipped": progress.skipped, "cached": progress.cached}
    return [f"{len(progress.running)} running", *(f"{number} {name}" for name, number in others.items() if number)]
