"""Output files of the running commands of a run."""

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from taskrunner.events.types import Event, RunStart
from taskrunner.storage.run_directory import commands_of, output_files

# The number of bytes at the end of a file in which its last line is searched.
_TAIL_BYTES = 1000
_LINE_BREAKS = re.compile(rb"[\r\n]+")
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


class CommandFiles:
    """An observer that finds the output files of a run's commands. It ignores files from before a resume."""

    level = "warning"

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self.directory = runs
        self._old: dict[str, int] = {}

    def on_events(self, events: Sequence[Event]) -> None:
        """Record the directory of the run, and its existing files before any command runs."""
        for event in events:
            if isinstance(event, RunStart):
                self.directory = commands_of(self._runs, event.run)
                with contextlib.suppress(OSError):
                    self._old = {entry.path: entry.stat().st_mtime_ns for entry in os.scandir(self.directory)}

    def close(self) -> None:
        """Do nothing: no file is open."""

    def find(self, node: str) -> list[Path]:
        """Return the nonempty output files of a node's command: none, one or both."""
        files = []
        for path in output_files(self.directory, node):
            with contextlib.suppress(OSError):  # not a command, or not started
                status = path.stat()
                if status.st_size and status.st_mtime_ns != self._old.get(str(path)):
                    files.append((status.st_mtime_ns, path))
        return [path for _, path in sorted(files)]

    def last_line(self, node: str) -> str:
        """Return the last line of the output of a node's command, which may be incomplete."""
        for path in reversed(self.find(node)):
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                for line in reversed(_LINE_BREAKS.split(file.read())):
                    if text := decode_line(line).strip():
                        return text
        return ""


def decode_line(line: bytes) -> str:
    """Decode a line without colors. If carriage returns overwrite it, return the last version."""
    text = _COLORS.sub("", line.decode(errors="replace"))
    return text.rstrip("\r").rpartition("\r")[2].expandtabs()
