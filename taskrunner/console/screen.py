"""The end of a terminal: lines that stay, and below them a frame that is drawn anew.

One thread draws, and one write makes a redraw: erase the frame, print the lines, print the frame. The cursor stays
visible at the frame's end, so that whatever ends the process leaves a sane terminal. rich knows what the terminal
can show (colours, ``NO_COLOR``, widths of characters); its ``Live`` is not used: it hides the cursor, and forgets
that lines wrap when a terminal becomes narrower.
"""

import io
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# A line is made of parts: a text on one line, and its style as rich names it.
type Line = Sequence[tuple[str, str]]
# A terminal of which nobody knows how large it is.
USUAL = (80, 24)
# Cells that are left free at the end of each line, for the ^C that a terminal writes where the cursor is.
FREE = 3


def size_of(file: TextIO) -> tuple[int, int]:
    """Return the columns and lines of a terminal as it is now."""
    try:
        columns, lines = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        return USUAL
    return (columns, lines) if columns and lines else USUAL


class Screen:
    """Draws on a terminal. One that is gone is written to no more: that ends no run."""

    def __init__(self, file: TextIO, size: Callable[[TextIO], tuple[int, int]] = size_of) -> None:
        self._file = file
        self._size = size
        self._widths: list[int] = []  # of the frame's lines
        self._console: Console | None = None
        self.is_gone = False

    @property
    def size(self) -> tuple[int, int]:
        """The columns that a line may fill, and the lines of the terminal, as they are now."""
        columns, lines = self._size(self._file)
        return max(columns - FREE, 1), lines

    @property
    def is_drawn(self) -> bool:
        """Whether there is a frame."""
        return bool(self._widths)

    @property
    def is_unicode(self) -> bool:
        """Whether more than ASCII can be written."""
        return (self._file.encoding or "").lower().startswith("utf")

    def write(self, text: str) -> None:
        """Write a text as it is. There must be no frame."""
        if self.is_gone:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except OSError:
            self.is_gone = True

    def prepare(self) -> "Console":
        """Import what draws, and return it; the first redraw need not import anything then."""
        if self._console is None:
            from rich.console import Console  # only what draws needs rich

            self._console = Console(file=self._file, force_terminal=True, highlight=False, markup=False, emoji=False)
        return self._console

    def draw(self, above: str, frame: Sequence[Line] = ()) -> None:
        """Write whole lines where the frame is, and another frame below them, or none."""
        from rich.cells import cell_len  # only what draws needs rich
        from rich.segment import Segment, Segments
        from rich.style import Style

        console = self.prepare()
        parts = [Segment(self._erasing() + above)]
        for number, line in enumerate(frame):
            parts += [Segment("\n")] if number else []
            parts += [Segment(text, Style.parse(style)) for text, style in line]
        self._widths = [sum([cell_len(text) for text, _ in line]) for line in frame]
        console.file = written = io.StringIO()  # what the terminal refuses is not rich's affair
        console.print(Segments(parts), end="", soft_wrap=True)
        self.write(written.getvalue())

    def leave(self) -> None:
        """Put the cursor below the frame: one plain write, for a signal's handler."""
        if self._widths:
            os.write(self._file.fileno(), b"\n")

    def _erasing(self) -> str:
        """Return what erases the frame, the cursor being at its end; lines have wrapped that are too wide by now."""
        if not self._widths:
            return ""
        columns, _ = self._size(self._file)
        rows = sum([max(1, -(-width // columns)) for width in self._widths])
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"
