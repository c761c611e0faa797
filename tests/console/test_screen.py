"""The end of a terminal: what stands on it after each redraw, as a small terminal of our own reads it."""

import io
import re

import pytest

from taskrunner.console.screen import DEFAULT_SIZE, FREE_CELLS, Screen, size_of

STEP = re.compile(r"\x1b\[(\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])")


class Terminal(io.StringIO):
    """Shows what was written to it on lines of ``columns`` cells; ``colours`` are the styles that it was told."""

    encoding = "utf-8"

    def __init__(self, columns=80):
        super().__init__()
        self.columns = columns
        self.rows, self.row, self.column = [""], 0, 0
        self.colours, self.writes = set(), 0

    def size(self, _file):
        return self.columns, 24

    def write(self, text):
        self.writes += 1
        assert STEP.sub("", text) == ""
        for number, letter, back, down, character in STEP.findall(text):
            if character:
                self._put(character)
            elif letter == "m":
                self.colours.add(number)
            elif letter == "A":
                self.row -= int(number)
                assert self.row >= 0
            elif letter == "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                del self.rows[self.row + 1 :]
            else:
                assert back or down, letter
                self.column = 0
                self._down(is_down=bool(down))
        return len(text)

    def narrow(self, columns):
        """Have the lines wrap anew; no line was wrapped before."""
        rows = [row[i : i + columns] for row in self.rows for i in range(0, max(len(row), 1), columns)]
        self.columns, self.rows, self.row = columns, rows, len(rows) - 1
        self.column = len(rows[-1])

    def _put(self, character):
        if self.column == self.columns:
            self.column = 0
            self._down(is_down=True)
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
        self.column += 1

    def _down(self, *, is_down):
        self.row += is_down
        self.rows += [""] * (self.row + 1 - len(self.rows))


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def screen(terminal):
    return Screen(terminal, terminal.size)


def lines(*texts):
    return [[(text, "")] for text in texts]


def test_a_frame_is_drawn_in_the_place_of_the_one_before(terminal, screen):
    screen.draw("", lines("one", "two", "three"))
    assert terminal.rows == ["one", "two", "three"]
    screen.draw("", lines("1", "2"))
    assert terminal.rows == ["1", "2"]
    assert terminal.writes == 2


def test_what_is_said_stays_above_the_frame(terminal, screen):
    screen.write("first\n")
    screen.draw("second\n", lines("a", "b"))
    screen.draw("third\nfourth\n", lines("c", "d", "e"))
    assert terminal.rows == ["first", "second", "third", "fourth", "c", "d", "e"]
    screen.draw("last\n")
    assert terminal.rows == ["first", "second", "third", "fourth", "last", ""]
    assert not screen.is_drawn
    assert (terminal.row, terminal.column) == (5, 0)


@pytest.mark.parametrize("columns", [79, 40, 7, 1])
def test_a_terminal_that_became_narrower_has_wrapped_the_frame(terminal, screen, columns):
    screen.draw("stays\n", lines("x" * 77, "", "y" * 40, "z"))
    terminal.narrow(columns)
    above = ["stays"[i : i + columns] for i in range(0, 5, columns)]
    screen.draw("", lines("a", "b"))
    assert terminal.rows == [*above, "a", "b"]


def test_wide_characters_count_for_two_cells():
    assert "\r\x1b[1A\x1b[J" in Recorded.of(lines("\u8d85" * 30), 40)
    assert "\r\x1b[J" in Recorded.of(lines("\u8d85" * 30), 60)


class Recorded(io.StringIO):
    encoding = "utf-8"

    @classmethod
    def of(cls, frame, columns):
        """Return what is written to redraw a frame when the terminal has so many columns."""
        file = cls()
        screen = Screen(file, lambda _: (columns, 24))
        screen.draw("", frame)
        screen.draw("", lines("a"))
        return file.getvalue()


def test_the_cursor_is_never_hidden_nor_the_screen_switched():
    assert "?" not in Recorded.of(lines("a", "b"), 80)


def test_colours_are_those_that_the_terminal_has(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    frame = [[("a", "green"), ("b", "bold")]]
    Screen(terminal, terminal.size).draw("", frame)
    assert terminal.colours == {"32", "0", "1"}
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Screen(plain, plain.size).draw("", frame)
    assert plain.colours == {"0", "1"}


def test_cells_are_left_free_for_what_the_terminal_echoes(terminal, screen):
    assert screen.size == (80 - FREE_CELLS, 24)
    terminal.columns = 2
    assert screen.size == (1, 24)


def test_a_terminal_that_is_gone_is_written_to_no_more():
    class Gone(io.StringIO):
        encoding = "utf-8"
        tried = 0

        def flush(self):
            self.tried += 1
            raise OSError(5, "Input/output error")

    file = Gone()
    screen = Screen(file, lambda _: (80, 24))
    for _ in range(3):
        screen.draw("said\n", lines("a"))
    assert screen.is_gone
    assert file.tried == 1


def test_a_file_that_is_no_terminal_is_as_large_as_most(tmp_path):
    with (tmp_path / "file").open("w") as file:
        assert size_of(file) == DEFAULT_SIZE
    assert size_of(io.StringIO()) == DEFAULT_SIZE
