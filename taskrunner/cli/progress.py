"""What ``exec`` shows while a run goes on: a bar on a terminal, plain lines elsewhere, or nothing."""

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

_INTERRUPTED = "taskrunner: interrupted: waiting for the nodes that run; once more leaves at once"


class Live(NamedTuple):
    """Who is told of the run, and who of an interrupt, in the signal's handler."""

    observers: Sequence[Observer]
    on_interrupt: Callable[[], None]


@contextlib.contextmanager
def shown(options: dict[str, Any], *, is_logged: bool) -> Iterator[Live]:
    """Show the run inside, on standard error; what nodes print goes there too, because it is no result.

    ``is_logged``: standard error is the log's.
    """
    file: TextIO | None = sys.stderr  # None: it was closed before we were started
    if file is None or is_logged or options["quiet"]:
        with contextlib.redirect_stdout(file):
            yield Live([], _write_interrupted)
    elif options["progress"] and _can_draw(file):
        with _drawn(file, options) as live:
            yield live
    else:
        with contextlib.redirect_stdout(file):
            yield _plain(file, options)


def _can_draw(file: TextIO) -> bool:
    return file.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _plain(file: TextIO, options: dict[str, Any]) -> Live:
    def say(line: str) -> None:
        file.write(f"{line}\n")
        file.flush()

    files = CommandFiles(Path(options["run_dir"]))
    observers: list[Observer] = [files, *_command_output(say, files, options), WarningLines(say)]
    if options["progress"]:
        observers.append(ProgressLines(say, Progress()))
    return Live(observers, _write_interrupted)


@contextlib.contextmanager
def _drawn(file: TextIO, options: dict[str, Any]) -> Iterator[Live]:
    """Show a bar, with what else is said and printed above it; the bar is told last, and draws then."""
    printed, files = CapturedOutput(file), CommandFiles(Path(options["run_dir"]))
    bar = Bar(Screen(file), Progress(), printed.take, files.last_line)
    stand_in = printed.text()
    output = _command_output(bar.write_line, files, options)
    try:
        with contextlib.redirect_stdout(stand_in), contextlib.redirect_stderr(stand_in):
            yield Live(
                [files, *output, WarningLines(bar.write_line, failures=True), bar], lambda: bar.write_line(_INTERRUPTED)
            )
    finally:
        stand_in.flush()
        printed.stop_capturing()  # handlers of logs may hold it, and use it at exit
        bar.close()
        file.write(printed.take(is_over=True))


def _command_output(say: Callable[[str], None], files: CommandFiles, options: dict[str, Any]) -> list[Observer]:
    return [CommandOutput(say, files)] if options["verbose"] else []


def _write_interrupted() -> None:
    """Called in a signal's handler: a plain write, since a buffered one may be under way already."""
    os.write(2, f"{_INTERRUPTED}\n".encode())
