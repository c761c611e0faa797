"""What commands write, line by line while they run, each line behind the name of its node."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from taskrunner.console.command_files import CommandFiles, shown_line
from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP, AttemptEvent, Event, NodeSkipped
from taskrunner.safe.printable import printable

# Bytes that are read of a file at one look: what lies before them is not shown.
MOST = 1 << 18
# Bytes of one line; a longer one is shown in pieces.
LONGEST = 1 << 13


class CommandOutput:
    """Says what commands write, in whole lines: two commands never share one. The rest is said when a node ends."""

    def __init__(self, write_line: Callable[[str], None], files: CommandFiles) -> None:
        self._write_line = write_line
        self._files = files
        self._tails: dict[str, dict[Path, Tail]] = {}

    def on_running(self, running: Sequence[Running], children: int) -> None:  # noqa: ARG002  the observer's form
        """Say the whole lines that are new."""
        for node in running:
            if node.worker == EVENT_LOOP:
                self._read(node.node, is_over=False)

    def on_events(self, events: Sequence[Event]) -> None:
        """Say the rest of what those have written that have ended."""
        for event in events:
            if isinstance(event, NodeSkipped):
                is_command = event.node in self._tails
            else:
                is_command = isinstance(event, AttemptEvent) and event.worker == EVENT_LOOP
            if is_command:
                self._read(event.node, is_over=True)  # type: ignore[attr-defined]
                self._tails.pop(event.node, None)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Do nothing: what has ended has been told."""

    def _read(self, node: str, *, is_over: bool) -> None:
        for path in self._files.of(node):
            tail = self._tails.setdefault(node, {}).setdefault(path, Tail(path))
            with contextlib.suppress(OSError):  # the folder is gone
                for line in tail.lines(is_over=is_over):
                    self._write_line(f"[{printable(node)}] {printable(line)}")


class Tail:
    """A file that grows: gives what was added since it was read last, in whole lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self, *, is_over: bool) -> list[str]:
        """Return the lines that are new; if nothing more comes, also one that has no end.

        Raises:
            OSError: the file cannot be read.

        """
        data, left_out = self._new()
        told = [f"({left_out} bytes are left out: they are in {self._path})"] if left_out else []
        *whole, self._rest = (self._rest + data).split(b"\n")
        if is_over or len(self._rest) > LONGEST:
            whole, self._rest = [*whole, *([self._rest] if self._rest else [])], b""
        return [*told, *(shown_line(piece) for line in whole for piece in _pieces(line))]

    def _new(self) -> tuple[bytes, int]:
        """Return what is new, and how many bytes before it there is no time for."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < self._offset:  # another attempt writes it anew
                self._offset, self._rest = 0, b""
            left_out = max(size - self._offset - MOST, 0)
            if left_out:
                self._rest = b""
            file.seek(self._offset + left_out)
            data = file.read(size - self._offset - left_out)
        self._offset = size
        return data, left_out


def _pieces(line: bytes) -> list[bytes]:
    return [line[start : start + LONGEST] for start in range(0, len(line), LONGEST)] or [b""]
