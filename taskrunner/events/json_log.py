"""JSON log: an observer that writes events to a file as JSON lines."""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

import msgspec

from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import LEVELS, Event
from taskrunner.safe.private_files import open_private
from taskrunner.safe.reprs import safe_repr, to_json


class JsonLog:
    """Observer that writes each event as one JSON object on a separate line."""

    def __init__(self, file: BinaryIO, level: str = "info") -> None:
        self.level = level
        self._file = file
        self._encoder = msgspec.json.Encoder(enc_hook=safe_repr)

    def on_events(self, events: Sequence[Event]) -> None:
        """Write a batch with one write, so that no other writer can tear a line."""
        events = filter_by_level(events, self.level)
        if not events:
            return
        try:
            lines = self._encoder.encode_lines(events)
        except Exception:  # noqa: BLE001  lone surrogates, hostile methods
            lines = b"".join([to_json(event) + b"\n" for event in events])
        self._file.write(lines)
        self._file.flush()

    def close(self) -> None:
        """Close the file, unless it is a standard stream of the process."""
        close_file(self._file)


def open_log(path: str | Path) -> BinaryIO:
    """Open a log file in append mode. A new file is accessible to the user only.

    Raises:
        TaskrunnerError: the file cannot be opened.

    """
    try:
        return open(path, "ab", opener=open_private)
    except OSError as error:
        raise TaskrunnerError(f"cannot write the log {path}: {error.strerror}") from None


def check_log(path: str | Path) -> None:
    """Refuse a path that ``open_log`` would refuse; create nothing.

    Raises:
        TaskrunnerError: a file cannot be written there.

    """
    parent = f"{Path(path).parent}/."  # no such path if the parent is a file
    try:
        os.stat(parent)  # noqa: PTH116  Path would drop the dot
        if not os.access(path if Path(path).exists() else parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise TaskrunnerError(f"cannot write the log {path}: {error.strerror}") from None


def filter_by_level(events: Sequence[Event], min_level: str) -> list[Event]:
    """Return the events at or above a level."""
    return [event for event in events if LEVELS[event.level] >= LEVELS[min_level]]


def close_file(file: IO[Any]) -> None:
    """Close a file, unless it is a standard stream of the process."""
    if file not in (sys.stdout, sys.stderr, sys.stderr.buffer):
        file.close()
