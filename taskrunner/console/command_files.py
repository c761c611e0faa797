"""What the commands of a run have written so far, read from their files while they run."""

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from taskrunner.events.types import Event, RunStart
from taskrunner.storage.run_directory import commands_of, output_files

# Bytes that are read of a file's end to find its last line.
_END = 1000
_BETWEEN_LINES = re.compile(rb"[\r\n]+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class CommandFiles:
    """Finds the files of a run's commands. Those that an earlier part of a resumed run has left do not count."""

    level = "warning"

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self.folder = runs
        self._old: dict[str, int] = {}

    def on_events(self, events: Sequence[Event]) -> None:
        """See which run it is, and what is there before any command runs."""
        for event in events:
            if isinstance(event, RunStart):
                self.folder = commands_of(self._runs, event.run)
                with contextlib.suppress(OSError):
                    self._old = {entry.path: entry.stat().st_mtime_ns for entry in os.scandir(self.folder)}

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def of(self, node: str) -> list[Path]:
        """Return the files that a node's command has written to: none, one or both."""
        found = []
        for path in output_files(self.folder, node):
            with contextlib.suppress(OSError):  # no command, or not yet
                status = path.stat()
                if status.st_size and status.st_mtime_ns != self._old.get(str(path)):
                    found.append((status.st_mtime_ns, path))
        return [path for _, path in sorted(found)]

    def last_line(self, node: str) -> str:
        """Return the last line that a node's command has written, whole or not."""
        for path in reversed(self.of(node)):
            with contextlib.suppress(OSError), path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
                for line in reversed(_BETWEEN_LINES.split(file.read())):
                    if shown := shown_line(line).strip():
                        return shown
        return ""


def shown_line(line: bytes) -> str:
    """Return a line as text: without colours, and of what was written over itself the last."""
    text = _COLOURS.sub("", line.decode(errors="replace"))
    return text.rstrip("\r").rpartition("\r")[2].expandtabs()
