"""Progress where there is no terminal: a line now and then, so that a log of some hours stays short."""

from collections.abc import Callable, Sequence

from taskrunner.console.progress import Progress, counts, duration
from taskrunner.events.observer import Running
from taskrunner.events.types import Event

# Seconds between two lines: a quarter of the time gone, within these bounds.
SHORTEST = 10.0
LONGEST = 60.0


class ProgressLines:
    """Says a line after 10 seconds and then ever more seldom, down to one a minute; a short run has none."""

    def __init__(self, write_line: Callable[[str], None], progress: Progress) -> None:
        self._write_line = write_line
        self._progress = progress
        self._next = SHORTEST
        self.on_expected = progress.on_expected
        self.close = progress.close

    def on_events(self, events: Sequence[Event]) -> None:
        """Count what has ended."""
        self._progress.on_events(events)

    def on_running(self, running: Sequence[Running], children: int) -> None:
        """Say how far the run has come, if it is time."""
        progress = self._progress
        progress.on_running(running, children)
        elapsed = progress.elapsed
        if elapsed < self._next:
            return
        self._next = elapsed + min(max(elapsed / 4, SHORTEST), LONGEST)
        self._write_line(f"taskrunner: {', '.join(progress_parts(progress))}")


def progress_parts(progress: Progress) -> list[str]:
    """Return what there is to say: how many of how many, other counts that are not 0, times."""
    left = progress.left()
    more = [] if left is None else [f"about {duration(left)} left"]
    first = f"{progress.done} of {progress.total} done"
    return [first, *counts(progress), duration(progress.elapsed), *more]
