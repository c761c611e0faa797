"""Display of ``exec`` during a run: a bar on a terminal, plain lines on other outputs, or nothing."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from taskrunner.console.bar import Bar
from taskrunner.console.captured_output import CapturedOutput
from taskrunner.console.command_files import CommandFiles
from taskrunner.console.command_output import CommandOutput
from taskrunner.console.progress import Progress
from taskrunner.console.progress_lines import ProgressLines
from taskrunner.console.screen import Screen
from taskrunner.console.warnings import WarningLines
from taskrunner.events.observer import Observer

_INTERRUPTED = "taskrunner: interrupted: waiting for running nodes; interrupt again to exit at once"


class Live(NamedTuple):
    """The observers of a run, and the callback for an interrupt, which runs in the signal handler."""

    observers: Sequence[Observer]
    on_interrupt: Callable[[], None]


@contextlib.contextmanager
def show_progress(options: dict[str, Any], *, is_logged: bool) -> Iterator[Live]:
    """Display the run inside the context on standard error; redirect the output of nodes there, too.

    The output of nodes is not a result, so it must not be in standard output. ``is_logged``: the log uses standard
    error.
    """
    file: TextIO | None = sys.stderr  # None: it was closed before this process started
    if file is None or is_logged or options["quiet"]:
        with contextlib.redirect_stdout(file):
            yield Live([], _write_interrupted)
    elif options["progress"] and _can_draw(file):
        with _show_bar(file, options) as live:
            yield live
    else:
        with contextlib.redirect_stdout(file):
            yield _show_lines(file, options)


def _can_draw(file: TextIO) -> bool:
    return file.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _show_lines(file: TextIO, options: dict[str, Any]) -> Live:
    def write_line(line: str) -> None:
        file.write(f"{line}\n")
        file.flush()

    files = CommandFiles(Path(options["run_dir"]))
    observers: list[Observer] = [files, *_command_output(write_line, files, options), WarningLines(write_line)]
    if options["progress"]:
        observers.append(ProgressLines(write_line, Progress()))
    return Live(observers, _write_interrupted)


@contextlib.contextmanager
def _show_bar(file: TextIO, options: dict[str, Any]) -> Iterator[Live]:
    """Show a bar below all other output; it is the last observer, and draws when it receives the events."""
    captured, files = CapturedOutput(file), CommandFiles(Path(options["run_dir"]))
    bar = Bar(Screen(file), Progress(), captured.take, files.last_line)
    stand_in = captured.text()
    output = _command_output(bar.write_line, files, options)
    try:
        with contextlib.redirect_stdout(stand_in), contextlib.redirect_stderr(stand_in):
            yield Live(
                [files, *output, WarningLines(bar.write_line, failures=True), bar], lambda: bar.write_line(_INTERRUPTED)
            )
    finally:
        stand_in.flush()
        captured.stop_capturing()  # log handlers may hold a reference, and use it at exit
        bar.close()
        file.write(captured.take(is_over=True))


def _command_output(write_line: Callable[[str], None], files: CommandFiles, options: dict[str, Any]) -> list[Observer]:
    return [CommandOutput(write_line, files)] if options["verbose"] else []


def _write_interrupted() -> None:
    """Write the line from the signal handler: unbuffered, because it may have interrupted a buffered write."""
    os.write(2, f"{_INTERRUPTED}\n".encode())
