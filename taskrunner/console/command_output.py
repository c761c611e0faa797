"""Live output of commands: each line with the name of its node as a prefix."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from taskrunner.console.command_files import CommandFiles, decode_line
from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP, AttemptEvent, Event, NodeSkipped
from taskrunner.safe.printable import printable

# The maximum number of bytes that one poll reads from a file. Earlier bytes are omitted.
MAX_READ_BYTES = 1 << 18
# The maximum length of a line. A longer line is split.
MAX_LINE_BYTES = 1 << 13


class CommandOutput:
    """An observer that writes the output of commands in complete lines, so two commands never share a line.

    It writes an incomplete last line when the node ends.
    """

    def __init__(self, write_line: Callable[[str], None], files: CommandFiles) -> None:
        self._write_line = write_line
        self._files = files
        self._tails: dict[str, dict[Path, Tail]] = {}

    def on_running(self, running: Sequence[Running], children: int) -> None:  # noqa: ARG002  the observer's interface
        """Write the new complete lines of running commands."""
        for node in running:
            if node.worker == EVENT_LOOP:
                self._read(node.node, is_over=False)

    def on_events(self, events: Sequence[Event]) -> None:
        """Write the remaining output of finished commands."""
        for event in events:
            if isinstance(event, NodeSkipped):
                is_command = event.node in self._tails
            else:
                is_command = isinstance(event, AttemptEvent) and event.worker == EVENT_LOOP
            if is_command:
                self._read(event.node, is_over=True)  # type: ignore[attr-defined]
                self._tails.pop(event.node, None)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Do nothing: the output of all finished commands is written."""

    def _read(self, node: str, *, is_over: bool) -> None:
        for path in self._files.find(node):
            tail = self._tails.setdefault(node, {}).setdefault(path, Tail(path))
            with contextlib.suppress(OSError):  # the directory is gone
                for line in tail.read_lines(is_over=is_over):
                    self._write_line(f"[{printable(node)}] {printable(line)}")


class Tail:
    """A reader of a growing file. It returns the data since the last call, in complete lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read_lines(self, *, is_over: bool) -> list[str]:
        """Return the new lines. ``is_over``: also return an incomplete last line, because no more data follows.

        Raises:
            OSError: the file cannot be read.

        """
        data, omitted = self._read_new()
        notice = [f"({omitted} bytes omitted; see {self._path})"] if omitted else []
        *lines, self._rest = (self._rest + data).split(b"\n")
        if is_over or len(self._rest) > MAX_LINE_BYTES:
            lines, self._rest = [*lines, *([self._rest] if self._rest else [])], b""
        return [*notice, *(decode_line(piece) for line in lines for piece in _split(line))]

    def _read_new(self) -> tuple[bytes, int]:
        """Return the new data, at most ``MAX_READ_BYTES``, and the number of omitted bytes before it."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < self._offset:  # another attempt has truncated the file
                self._offset, self._rest = 0, b""
            omitted = max(size - self._offset - MAX_READ_BYTES, 0)
            if omitted:
                self._rest = b""
            file.seek(self._offset + omitted)
            data = file.read(size - self._offset - omitted)
        self._offset = size
        return data, omitted


def _split(line: bytes) -> list[bytes]:
    return [line[start : start + MAX_LINE_BYTES] for start in range(0, len(line), MAX_LINE_BYTES)] or [b""]
