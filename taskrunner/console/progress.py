"""How far a run has come, in numbers: how many nodes are done, what runs now, how long it may still take.

The time left is the time gone, times the work that is left over the work that is done. Work is counted in the
seconds that the nodes took in an earlier run of the graph, if there is one, where what runs now counts as far as
it has come; so both the parallelism and the speed that this run has reached are in it. Without an earlier run each
node counts the same.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from taskrunner.events.observer import Running
from taskrunner.events.types import AttemptEvent, Event, NodeDone, NodeFailed, NodeSkipped, RunStart

# Seconds after which an estimate is worth something.
_SOON = 1.0


class Progress:
    """Counts the nodes of a run. ``clock`` gives seconds; it is read when the run begins and when it is asked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._nodes = self._children = 0
        self._expected: dict[str, float] = {}
        self._spent = self._unspent = 0.0  # of what was expected: that of the nodes that ran, and that of the others
        self.workers = 0
        self.done = self.cached = self.failed = self.skipped = 0
        self.running: Sequence[Running] = ()

    def on_expected(self, seconds: Mapping[str, float]) -> None:
        """Take the seconds that the nodes took in an earlier run."""
        self._expected = dict(seconds)
        self._unspent = sum(seconds.values())

    def on_events(self, events: Sequence[Event]) -> None:
        """Count what has ended."""
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
        """Take what runs now, and how many nodes there are besides those that the run began with."""
        self.running, self._children = running, children

    def close(self) -> None:
        """Do nothing: nothing is open."""

    @property
    def elapsed(self) -> float:
        """The seconds since the run began."""
        return self._clock() - self._began

    @property
    def ended(self) -> int:
        """How many nodes are done, failed or skipped."""
        return self.done + self.failed + self.skipped

    @property
    def total(self) -> int:
        """How many nodes there are, as far as mapped nodes have been expanded; never fewer than have ended."""
        return max(self._nodes + self._children, self.ended)

    def left(self) -> float | None:
        """Return the seconds that the run may still take; None: nobody knows, or it takes longer than it did."""
        elapsed = self.elapsed
        is_known = self._spent + self._unspent > 0
        done, left = (
            self._known_work() if is_known else (self.done - self.cached + self.failed, self.total - self.ended)
        )
        if elapsed < _SOON or done <= 0:
            return None
        seconds = max(elapsed * left / done, self._longest_left())
        return seconds if seconds > 0 or self.ended == self.total else None

    def _start(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, RunStart):
                self._began = self._clock()
                self._nodes, self.workers = event.nodes, event.workers

    def _drop_ended(self, events: Sequence[Event]) -> None:
        """Take what has ended out of what is expected; it was work done if it ran."""
        for event in events:
            if isinstance(event, NodeDone | NodeFailed | NodeSkipped):
                seconds = self._expected.pop(event.node, 0.0)
                self._unspent -= seconds
                if isinstance(event, AttemptEvent) and not getattr(event, "cached", False):
                    self._spent += seconds

    def _known_work(self) -> tuple[float, float]:
        """Return the seconds of an earlier run that are done, and those that are left."""
        now = sum([min(node.ran_s, self._expected.get(node.node, 0.0)) for node in self.running])
        return self._spent + now, max(self._unspent - now, 0.0)

    def _longest_left(self) -> float:
        """Return the seconds that what runs now needs at least, if it takes as long as it did."""
        return max([self._expected.get(node.node, 0.0) - node.ran_s for node in self.running], default=0.0)


_MINUTE = 60


_HOUR = 3600


_EXACT = 9.95


def duration(seconds: float) -> str:
    """Write a time as one looks at a clock: ``4.2 s``, ``42 s``, ``3:05 min``, ``2:03 h``."""
    if seconds < _EXACT:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds + 0.5)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02} h"


def counts(progress: Progress) -> list[str]:
    """Return the counts besides those that are done: how many run, and others that are not 0."""
    named = {"failed": progress.failed, "skipped": progress.skipped, "cached": progress.cached}
    return [f"{len(progress.running)} running", *(f"{number} {name}" for name, number in named.items() if number)]
