"""Progress lines for output without a terminal: few lines, so that a log of some hours stays short."""

from collections.abc import Callable, Sequence

from taskrunner.console.progress import Progress, format_counts, format_duration
from taskrunner.events.observer import Running
from taskrunner.events.types import Event

# The bounds of the interval of two lines, which is a quarter of the elapsed time.
MIN_INTERVAL_S = 10.0
MAX_INTERVAL_S = 60.0


class ProgressLines:
    """An observer that writes a line after 10 seconds, and then at growing intervals of at most one minute.

    A short run has no lines.
    """

    def __init__(self, write_line: Callable[[str], None], progress: Progress) -> None:
        self._write_line = write_line
        self._progress = progress
        self._next = MIN_INTERVAL_S
        self.on_expected = progress.on_expected
        self.close = progress.close

    def on_events(self, events: Sequence[Event]) -> None:
        """Count the finished nodes."""
        self._progress.on_events(events)

    def on_running(self, running: Sequence[Running], children: int) -> None:
        """Write a progress line if the interval is over."""
        progress = self._progress
        progress.on_running(running, children)
        elapsed = progress.elapsed
        if elapsed < self._next:
            return
        self._next = elapsed + min(max(elapsed / 4, MIN_INTERVAL_S), MAX_INTERVAL_S)
        self._write_line(f"taskrunner: {', '.join(format_progress(progress))}")


def format_progress(progress: Progress) -> list[str]:
    """Return the parts of a progress line: the finished nodes, the other counts that are not 0, the times."""
    remaining = progress.estimate_remaining()
    estimate = [] if remaining is None else [f"about {format_duration(remaining)} left"]
    finished = f"{progress.done} of {progress.total} done"
    return [finished, *format_counts(progress), format_duration(progress.elapsed), *estimate]
