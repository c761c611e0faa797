import pytest

from taskrunner.analysis.formatting import first_line, format_count, format_seconds
from taskrunner.system.gil import culprit_suffix


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 us"),
        (12e-6, "12 us"),
        (0.9999e-3, "1.0 ms"),
        (0.0125, "12.5 ms"),
        (0.99999, "1.00 s"),
        (1.234, "1.23 s"),
        (123.4, "123 s"),
    ],
)
def test_a_time_has_a_unit_of_its_size(value, text):
    assert format_seconds(value) == text


def test_words_are_counted():
    assert [format_count(n, "node") for n in (0, 1, 2, 2000)] == ["0 nodes", "1 node", "2 nodes", "2,000 nodes"]


@pytest.mark.parametrize(("text", "line"), [("", ""), ("E: no", "E: no"), ("\n E: no \nmore", "E: no "), (" \n", "")])
def test_the_first_line_that_says_anything(text, line):
    assert first_line(text) == line


def test_who_switched_the_gil_on_is_named_where_it_is_known():
    assert culprit_suffix("old", "") == ' (importing "old" switched it on)'
    assert culprit_suffix("old", "n") == ' (importing "old" for node "n" switched it on)'
    assert [culprit_suffix("", ""), culprit_suffix(None, "")] == ["", ""]
