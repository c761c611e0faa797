"""Progress bar for terminals: one bar for all nodes, and a line for each worker."""

import time
from collections.abc import Callable, Sequence

from taskrunner.console.progress import Progress, format_counts, format_duration
from taskrunner.console.screen import Line, Screen
from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP, Event
from taskrunner.safe.printable import printable

# The delay of the first frame after the start of the run, the minimum interval of two frames, and the maximum interval
# without changes.
FIRST_FRAME_S = 0.5
MIN_INTERVAL_S = 0.1
MAX_INTERVAL_S = 1.0
# The maximum share of a processor for drawing; rich is slow on a slow machine.
MAX_CPU_SHARE = 0.01

_MAX_BAR_CELLS = 40
_MAX_ROWS = 24
_NARROW_COLUMNS = 60


class Bar:
    """An observer that draws the frame on the thread of the event recorder. Other lines appear above the frame.

    ``printed`` returns the output of nodes since its last call. ``last_line`` returns the last line of the output of a
    node's command. ``clock`` returns seconds of wall time, ``cpu`` seconds of CPU time of this thread.
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
        self._lines: list[str] = []
        self._shown: object = None
        self._drawn = self._next = clock()
        self.on_expected = progress.on_expected
        self.on_leave = screen.leave

    def write_line(self, line: str) -> None:
        """Write a line above the frame. A signal handler may call this method: ``list.append`` is atomic."""
        self._lines.append(line)

    def on_events(self, events: Sequence[Event]) -> None:
        """Count the finished nodes."""
        self._progress.on_events(events)

    def on_running(self, running: Sequence[Running], children: int) -> None:
        """Draw the frame if it has changed and the interval is over."""
        self._progress.on_running(running, children)
        now = self._clock()
        if now < self._next:
            return
        above = self._take_lines()
        if self._screen.is_gone:
            return
        if self._progress.elapsed < FIRST_FRAME_S:
            self._screen.write(above)
        elif above or now - self._drawn >= MAX_INTERVAL_S or self._shown != self._state():
            self._draw(above, now)

    def close(self) -> None:
        """Erase the frame, and write the remaining lines."""
        above = self._take_lines()
        if self._screen.is_drawn:
            self._screen.draw(above)
        elif above:
            self._screen.write(above)

    def _take_lines(self) -> str:
        """Return and remove the lines for above the frame. Lines that arrive during this call stay for the next one."""
        lines = self._lines[:]
        del self._lines[: len(lines)]
        return self._printed() + "".join([f"{line}\n" for line in lines])

    def _state(self) -> object:
        """Return the content of a frame without its times and the output of commands."""
        progress = self._progress
        running = [(node.node, node.worker, node.attempt) for node in progress.running]
        return (progress.ended, progress.total, progress.cached, running, self._screen.size)

    def _draw(self, above: str, now: float) -> None:
        self._screen.prepare()  # its imports must not count as drawing time
        began = self._cpu()
        rows = frame(self._progress, *self._screen.size, self._last_line, is_unicode=self._screen.is_unicode)
        self._screen.draw(above, rows)
        self._shown, self._drawn = self._state(), now
        self._next = now + min(max(MIN_INTERVAL_S, (self._cpu() - began) / MAX_CPU_SHARE), MAX_INTERVAL_S)


def frame(
    progress: Progress, width: int, height: int, last_line: Callable[[str], str], *, is_unicode: bool = True
) -> list[Line]:
    """Return the lines of a frame: at most ``width`` cells wide, and fewer than ``height``."""
    max_rows = min(height - 3, _MAX_ROWS)
    lines = [_head(progress, width, is_unicode=is_unicode), [(", ".join(format_counts(progress)), "dim")]]
    lines += _worker_rows(progress, width, max_rows, last_line)
    return [_fit(line, width) for line in lines[: max(height - 1, 1)]]


def _head(progress: Progress, width: int, *, is_unicode: bool) -> Line:
    """Return the line with the bar and the counts, without the bar if the terminal is too narrow."""
    remaining = progress.estimate_remaining()
    estimate = "" if remaining is None else f", about {format_duration(remaining)} left"
    text = f"{progress.done} of {progress.total} done, {format_duration(progress.elapsed)}{estimate}"
    cells = min(width - len(text) - 1, _MAX_BAR_CELLS)
    if cells < _MAX_BAR_CELLS // 4:
        return [(text, "bold")]
    full = cells * progress.ended // max(progress.total, 1)
    heavy, light = ("━", "─") if is_unicode else ("#", "-")
    style = "red" if progress.failed else "green"
    return [(heavy * full, style), (light * (cells - full), "bright_black"), (f" {text}", "bold")]


def _worker_rows(progress: Progress, width: int, max_rows: int, last_line: Callable[[str], str]) -> list[Line]:
    """Return a line for each worker and each node on the event loop.

    If they do not all fit, the longest-running nodes are shown.
    """
    running = sorted(progress.running, key=lambda node: -node.ran_s)
    busy = {node.worker: node for node in running if node.worker != EVENT_LOOP}
    shown: list[tuple[int, Running | None]] = [(worker, busy.get(worker)) for worker in range(progress.workers)]
    shown += [(EVENT_LOOP, node) for node in running if node.worker == EVENT_LOOP]
    hidden = 0
    if len(shown) > max_rows:
        hidden = max(len(running) - max(max_rows - 1, 0), 0)
        shown = [(node.worker, node) for node in running[: max(max_rows - 1, 0)]]
    name_cells = min(max([_cells(_name(node)) for _, node in shown if node], default=0), max(width // 3, 12))
    lines: list[Line] = [_worker_row(worker, node, width, name_cells, last_line) for worker, node in shown]
    return [*lines, [(f"and {hidden} more", "dim")]] if hidden and max_rows else lines


def _worker_row(
    worker: int, node: Running | None, width: int, name_cells: int, last_line: Callable[[str], str]
) -> Line:
    label = "loop" if worker == EVENT_LOOP else f"worker {worker}"
    if width < _NARROW_COLUMNS:
        label = label.replace("worker ", "w")
    label = f"{label:<{10 if width >= _NARROW_COLUMNS else 5}}"
    if node is None:
        return [(f"{label}{'-':>8}", "dim")]
    label += f"{format_duration(node.ran_s):>8}  "
    output = printable(last_line(node.node)) if worker == EVENT_LOOP else ""
    if not output:
        return [(label, "dim"), (_name(node), "")]
    return [(label, "dim"), (f"{_pad(_name(node), name_cells)}  ", ""), (output, "dim")]


def _name(node: Running) -> str:
    return printable(node.node) + (f" (attempt {node.attempt})" if node.attempt > 1 else "")


def _fit(line: Line, width: int) -> Line:
    """Truncate the last parts of a line so that it fits into ``width`` cells."""
    parts, remaining = [], width
    for text, style in line:
        truncated = _truncate(text, remaining)
        remaining -= _cells(truncated)
        parts.append((truncated, style))
    return parts


def _cells(text: str) -> int:
    from rich.cells import cell_len  # only for drawing

    return cell_len(text)


def _truncate(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    if width <= 0:
        return ""
    return text if _cells(text) <= width else set_cell_size(text, width - 1) + "~"


def _pad(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(_truncate(text, width), width)
