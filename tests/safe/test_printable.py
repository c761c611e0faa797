import pytest

from taskrunner.safe.printable import printable, printable_lines, printable_name

ESCAPES = [
    ("\x1b[31m", r"\x1b[31m"),
    ("\x07\x00\x7f", r"\x07\x00\x7f"),
    ("\x9b2J", r"\x9b2J"),
    ("\r", r"\r"),
    ("\u202eabc", r"\u202eabc"),
    ("\u2028", r"\u2028"),
    ("\udcff", r"\udcff"),
    ("\U000e0001", r"\U000e0001"),
]


@pytest.mark.parametrize(("text", "shown"), [*ESCAPES, ("a\nb\tc", r"a\nb\tc")], ids=ascii)
def test_what_is_not_printable_is_an_escape(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize(("text", "shown"), [*ESCAPES, ("a\nb\tc\r\n", "a\nb\tc\\r\n")], ids=ascii)
def test_of_a_text_lines_and_tabs_stay(text, shown):
    assert printable_lines(text) == shown


@pytest.mark.parametrize("text", ["", "a b", 'é → 日本 😀 \\n "x"'])
def test_what_is_printable_stays(text):
    assert printable(text) is text
    assert printable_lines(text) is text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("0123456789ab", "0123456789ab"),
        ("0123456789abc", "0123...9abc"),
        ("\x1b" * 9, r"\x1b...\x1b"),
    ],
)
def test_of_a_long_name_both_ends_stay(text, shown):
    assert printable_name(text, 12) == shown
