"""A run's warnings, as plain lines on a terminal."""

from collections.abc import Sequence
from typing import IO

from taskrunner.run.events import Event, GilSwitchedOn, RunWarning


class WarningLines:
    """Writes a line for what a user ought to know, and for nothing else."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def on_events(self, events: Sequence[Event]) -> None:
        """Write the warnings of a batch."""
        for event in events:
            if isinstance(event, RunWarning):
                self._write(event.message)
            elif isinstance(event, GilSwitchedOn):
                self._write(f"the GIL is on: {_reason(event)}; nodes will not run in parallel")

    def close(self) -> None:
        """Do nothing: the file is somebody else's."""

    def _write(self, message: str) -> None:
        self._file.write(f"taskrunner: warning: {message}\n")
        self._file.flush()


def _reason(event: GilSwitchedOn) -> str:
    if event.module:
        return f'importing "{event.module}" switched it on'
    return "by PYTHON_GIL, -X gil, or an import before this run"
