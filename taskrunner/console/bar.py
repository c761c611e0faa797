"""The progress of a run on a terminal: one bar over all nodes, and a line for each worker."""

import time
from collections.abc import Callable, Sequence

from taskrunner.console.progress import Progress, counts, duration
from taskrunner.console.screen import Line, Screen
from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP, Event
from taskrunner.safe.printable import printable

# Seconds from the run's begin to the first frame, between two frames at least, and at most where nothing happens.
FIRST = 0.5
SHORTEST = 0.1
LONGEST = 1.0
# Drawing may take this share of a processor; rich is slow on a slow machine.
SHARE = 0.01

_WIDEST_BAR = 40
_MOST_ROWS = 24
_NARROW = 60  # columns


class Bar:
    """Draws the frame, on the thread that tells of the run; what is said meanwhile stands above it.

    ``printed`` gives what nodes have printed since it was asked last, ``last_line`` what a node's command wrote last.
    ``clock`` and ``cpu`` give seconds, of the day and of this thread's own work.
    """

    def __init__(
        self,
        screen: Screen,
        progress: Progress,
        printed: Callable[[], str] = str,
        last_line: Callable[[str], str] = lambda _: "",
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._screen = screen
        self._progress = progress
        self._printed = printed
        self._last_line = last_line
        self._clock = clock
        self._cpu = cpu
        self._said: list[str] = []
        self._shown: object = None
        self._drawn = self._next = clock()
        self.on_expected = progress.on_expected
        self.on_leave = screen.leave

    def write_line(self, line: str) -> None:
        """Have a line stand above the frame; a signal's handler may call it: ``list.append`` is one step."""
        self._said.append(line)

    def on_events(self, events: Sequence[Event]) -> None:
        """Count what has ended."""
        self._progress.on_events(events)

    def on_running(self, running: Sequence[Running], children: int) -> None:
        """Draw, if there is something new and it is time."""
        self._progress.on_running(running, children)
        now = self._clock()
        if now < self._next:
            return
        above = self._above()
        if self._screen.is_gone:
            return
        if self._progress.elapsed < FIRST:
            self._screen.write(above)
        elif above or now - self._drawn >= LONGEST or self._shown != self._what():
            self._draw(above, now)

    def close(self) -> None:
        """Take the frame away, and say what is left to be said."""
        above = self._above()
        if self._screen.is_drawn:
            self._screen.draw(above)
        elif above:
            self._screen.write(above)

    def _above(self) -> str:
        """Take what is to stand above the frame. What is said meanwhile is appended, and stays for the next time."""
        said = self._said[:]
        del self._said[: len(said)]
        return self._printed() + "".join([f"{line}\n" for line in said])

    def _what(self) -> object:
        """Return what a frame tells, but for its times and what commands write."""
        progress = self._progress
        running = [(node.node, node.worker, node.attempt) for node in progress.running]
        return (progress.ended, progress.total, progress.cached, running, self._screen.size)

    def _draw(self, above: str, now: float) -> None:
        self._screen.prepare()  # its imports are no measure of a redraw
        began = self._cpu()
        rows = frame(self._progress, *self._screen.size, self._last_line, is_unicode=self._screen.is_unicode)
        self._screen.draw(above, rows)
        self._shown, self._drawn = self._what(), now
        self._next = now + min(max(SHORTEST, (self._cpu() - began) / SHARE), LONGEST)


def frame(
    progress: Progress, width: int, height: int, last_line: Callable[[str], str], *, is_unicode: bool = True
) -> list[Line]:
    """Return the lines that show a run, none wider than ``width`` cells and fewer than ``height``."""
    room = min(height - 3, _MOST_ROWS)
    lines = [_head(progress, width, is_unicode=is_unicode), [(", ".join(counts(progress)), "dim")]]
    lines += _rows(progress, width, room, last_line)
    return [_fitted(line, width) for line in lines[: max(height - 1, 1)]]


def _head(progress: Progress, width: int, *, is_unicode: bool) -> Line:
    """Return the line with the bar; where there is no room for one, without."""
    left = progress.left()
    more = "" if left is None else f", about {duration(left)} left"
    text = f"{progress.done} of {progress.total} done, {duration(progress.elapsed)}{more}"
    cells = min(width - len(text) - 1, _WIDEST_BAR)
    if cells < _WIDEST_BAR // 4:
        return [(text, "bold")]
    full = cells * progress.ended // max(progress.total, 1)
    heavy, light = ("━", "─") if is_unicode else ("#", "-")
    style = "red" if progress.failed else "green"
    return [(heavy * full, style), (light * (cells - full), "bright_black"), (f" {text}", "bold")]


def _rows(progress: Progress, width: int, room: int, last_line: Callable[[str], str]) -> list[Line]:
    """Return a line for each worker and each node on the event loop; if they are too many, what runs longest."""
    running = sorted(progress.running, key=lambda node: -node.ran_s)
    busy = {node.worker: node for node in running if node.worker != EVENT_LOOP}
    shown: list[tuple[int, Running | None]] = [(worker, busy.get(worker)) for worker in range(progress.workers)]
    shown += [(EVENT_LOOP, node) for node in running if node.worker == EVENT_LOOP]
    more = 0
    if len(shown) > room:
        more = max(len(running) - max(room - 1, 0), 0)
        shown = [(node.worker, node) for node in running[: max(room - 1, 0)]]
    names = min(max([_cells(_name(node)) for _, node in shown if node], default=0), max(width // 3, 12))
    lines: list[Line] = [_row(worker, node, width, names, last_line) for worker, node in shown]
    return [*lines, [(f"and {more} more", "dim")]] if more and room else lines


def _row(worker: int, node: Running | None, width: int, names: int, last_line: Callable[[str], str]) -> Line:
    label = "loop" if worker == EVENT_LOOP else f"worker {worker}"
    if width < _NARROW:
        label = label.replace("worker ", "w")
    label = f"{label:<{10 if width >= _NARROW else 5}}"
    if node is None:
        return [(f"{label}{'-':>8}", "dim")]
    label += f"{duration(node.ran_s):>8}  "
    written = printable(last_line(node.node)) if worker == EVENT_LOOP else ""
    if not written:
        return [(label, "dim"), (_name(node), "")]
    return [(label, "dim"), (f"{_padded(_name(node), names)}  ", ""), (written, "dim")]


def _name(node: Running) -> str:
    return printable(node.node) + (f" (attempt {node.attempt})" if node.attempt > 1 else "")


def _fitted(line: Line, width: int) -> Line:
    """Cut a line's last parts so that it fits."""
    parts, left = [], width
    for text, style in line:
        cut = _cut(text, left)
        left -= _cells(cut)
        parts.append((cut, style))
    return parts


def _cells(text: str) -> int:
    from rich.cells import cell_len  # only what draws needs rich

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    if width <= 0:
        return ""
    return text if _cells(text) <= width else set_cell_size(text, width - 1) + "~"


def _padded(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(_cut(text, width), width)
