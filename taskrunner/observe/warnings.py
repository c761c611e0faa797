"""What a user ought to know of a run while it begins and goes on, as plain lines on a terminal."""

from collections.abc import Sequence
from typing import IO

from taskrunner.run.events import Event, GilSwitchedOn, RunResumed, RunWarning

_NAMED = 10


class WarningLines:
    """Writes a line for what a user ought to know, and for nothing else."""

    level = "warning"

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def on_events(self, events: Sequence[Event]) -> None:
        """Write the warnings of a batch."""
        for event in events:
            if isinstance(event, RunWarning):
                self._write(event.message)
            elif isinstance(event, RunResumed):
                self._file.write(f"taskrunner: {_resumed(event)}\n")
                self._file.flush()
            elif isinstance(event, GilSwitchedOn):
                self._write(f"the GIL is on: {_reason(event)}; nodes will not run in parallel")

    def close(self) -> None:
        """Do nothing: the file is somebody else's."""

    def _write(self, message: str) -> None:
        self._file.write(f"taskrunner: warning: {message}\n")
        self._file.flush()


def _resumed(event: RunResumed) -> str:
    """Say what a resumed run keeps and what of it runs again, and why."""
    again = [f'"{node}" (changed)' for node in event.changed]
    again += [f'"{node}" (its result could not be stored)' for node in event.unstored]
    more = f" and {len(again) - _NAMED} more" if len(again) > _NAMED else ""
    told = f"; run again: {', '.join(again[:_NAMED])}{more}" if again else ""
    return f"{event.kept} nodes have finished before{told}"


def _reason(event: GilSwitchedOn) -> str:
    if event.module:
        return f'importing "{event.module}" switched it on'
    return "by PYTHON_GIL, -X gil, or an import before this run"
