"""Screen: permanent lines at the end of a terminal, and a frame below them that is redrawn.

One thread draws. A redraw is a single write: erase the frame, print the lines, print the frame. The cursor stays
visible at the end of the frame, so that the terminal stays usable however the process ends.

rich detects the abilities of the terminal (colors, ``NO_COLOR``, widths of characters). This module does not use its
``Live``: it hides the cursor, and it ignores that lines wrap when a terminal becomes narrower.
"""

import io
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# The columns and lines of a terminal with an unknown size.
DEFAULT_SIZE = (80, 24)
# The number of free cells at the end of each line, for the ^C that a terminal writes at the cursor.
FREE_CELLS = 3

# The parts of a line: a string without newlines, and its style in the notation of rich.
type Line = Sequence[tuple[str, str]]


def size_of(file: TextIO) -> tuple[int, int]:
    """Return the current columns and lines of a terminal."""
    try:
        columns, lines = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        return DEFAULT_SIZE
    return (columns, lines) if columns and lines else DEFAULT_SIZE


class Screen:
    """A terminal to draw on. If the terminal is gone, nothing more is written, and the run continues."""

    def __init__(self, file: TextIO, size: Callable[[TextIO], tuple[int, int]] = size_of) -> None:
        self._file = file
        self._size = size
        self._widths: list[int] = []  # of the lines of the frame
        self._console: Console | None = None
        self.is_gone = False

    @property
    def size(self) -> tuple[int, int]:
        """The current number of columns that a line may fill, and of lines of the terminal."""
        columns, lines = self._size(self._file)
        return max(columns - FREE_CELLS, 1), lines

    @property
    def is_drawn(self) -> bool:
        """Whether a frame is on the screen."""
        return bool(self._widths)

    @property
    def is_unicode(self) -> bool:
        """Whether the terminal accepts characters beyond ASCII."""
        return (self._file.encoding or "").lower().startswith("utf")

    def write(self, text: str) -> None:
        """Write a string unchanged. There must be no frame on the screen."""
        if self.is_gone:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError:
            self.is_gone = True

    def prepare(self) -> "Console":
        """Import and return the console of rich, so that the first redraw needs no imports."""
        if self._console is None:
            from rich.console import Console  # only for drawing

            self._console = Console(file=self._file, force_terminal=True, highlight=False, markup=False, emoji=False)
        return self._console

    def draw(self, above: str, frame: Sequence[Line] = ()) -> None:
        """Replace the frame by complete lines, and draw another frame below them, or none."""
        from rich.cells import cell_len  # only for drawing
        from rich.segment import Segment, Segments
        from rich.style import Style

        console = self.prepare()
        parts = [Segment(self._erase_sequence() + above)]
        for number, line in enumerate(frame):
            parts += [Segment("\n")] if number else []
            parts += [Segment(text, Style.parse(style)) for text, style in line]
        self._widths = [sum([cell_len(text) for text, _ in line]) for line in frame]
        console.file = output = io.StringIO()  # this class handles the write errors of the terminal
        console.print(Segments(parts), end="", soft_wrap=True)
        self.write(output.getvalue())

    def leave(self) -> None:
        """Move the cursor below the frame. This is a single unbuffered write, safe in a signal handler."""
        if self._widths:
            os.write(self._file.fileno(), b"\n")

    def _erase_sequence(self) -> str:
        """Return the control sequence that erases the frame from its end. Wide lines may have wrapped."""
        if not self._widths:
            return ""
        columns, _ = self._size(self._file)
        rows = sum([max(1, -(-width // columns)) for width in self._widths])
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"
