"""What nodes print while something is drawn on the terminal: kept until it can go above that, unchanged.

Any thread may write: ``deque.append`` and ``popleft`` are atomic. rich has a stand-in for standard error as well;
it draws on the thread that prints, and its buffer is made for one thread.
"""

import io
from collections import deque
from collections.abc import Buffer
from typing import TextIO


class CapturedOutput(io.RawIOBase):
    """Stands for a text file that is a terminal; it is none itself, for nobody else is to draw there meanwhile."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._parts: deque[bytes] = deque()
        self._rest = b""
        self._is_open = True

    def text(self) -> TextIO:
        """Return the text file that is to stand in the place of the terminal."""
        buffer = io.BufferedWriter(self)
        return io.TextIOWrapper(buffer, self._file.encoding, "backslashreplace", line_buffering=True)

    def writable(self) -> bool:
        """Say that one may write."""
        return True

    def fileno(self) -> int:
        """Return that of the terminal: for programs that are started with it."""
        return self._file.fileno()

    def write(self, data: Buffer, /) -> int:
        """Keep what is printed; after ``let_through`` it goes where it would have gone."""
        part = bytes(data)
        if self._is_open:
            self._parts.append(part)
        else:
            self._file.buffer.write(part)
            self._file.buffer.flush()
        return len(part)

    def take(self, *, is_over: bool = False) -> str:
        """Return the whole lines since the last time; at the end also one that is not whole. One thread calls this."""
        text = self._rest + b"".join([self._parts.popleft() for _ in range(len(self._parts))])
        end = len(text) if is_over else text.rfind(b"\n") + 1
        self._rest = text[end:]
        return text[:end].decode(self._file.encoding, "replace")

    def stop_capturing(self) -> None:
        """Keep nothing from now on."""
        self._is_open = False
