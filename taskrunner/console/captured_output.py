"""Captured output of nodes: stored until the progress bar writes it above its frame, unchanged.

Thread safety: any thread may write, because ``deque.append`` and ``popleft`` are atomic. rich has a replacement for
standard error as well, but it draws on the printing thread, and its buffer is designed for one thread.
"""

import io
from collections import deque
from collections.abc import Buffer
from typing import TextIO


class CapturedOutput(io.RawIOBase):
    """A replacement for a terminal. It is not a terminal itself, so that other code does not draw on it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._parts: deque[bytes] = deque()
        self._rest = b""
        self._is_open = True

    def text(self) -> TextIO:
        """Return a replacement for the terminal, as a ``TextIO``."""
        buffer = io.BufferedWriter(self)
        return io.TextIOWrapper(buffer, self._file.encoding, "backslashreplace", line_buffering=True)

    def writable(self) -> bool:
        """Return True: the file is writable."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor of the terminal, for child processes."""
        return self._file.fileno()

    def write(self, data: Buffer, /) -> int:
        """Store the data. After ``stop_capturing``, write it to the terminal instead."""
        part = bytes(data)
        if self._is_open:
            self._parts.append(part)
        else:
            self._file.buffer.write(part)
            self._file.buffer.flush()
        return len(part)

    def take(self, *, is_over: bool = False) -> str:
        """Return the complete lines since the last call. Only one thread may call this method.

        ``is_over``: also return an incomplete last line.
        """
        text = self._rest + b"".join([self._parts.popleft() for _ in range(len(self._parts))])
        end = len(text) if is_over else text.rfind(b"\n") + 1
        self._rest = text[end:]
        return text[:end].decode(self._file.encoding, "replace")

    def stop_capturing(self) -> None:
        """Stop the capture. Later output goes to the terminal directly."""
        self._is_open = False
