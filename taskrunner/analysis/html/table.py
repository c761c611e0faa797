"""Table of a page: columns of values. ``page.js`` sorts and searches them, and shows at most 500 rows at a time."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

# text: strings; word: indexes into ``words``; time: whole microseconds; number: int or float; ratio, share: floats
type Kind = Literal["text", "word", "time", "number", "ratio", "share"]


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column. ``values``: a value for each row, or None; ``words``: the strings of a "word" column by index."""

    name: str
    kind: Kind
    values: Sequence[Any]
    words: Sequence[str] = ()


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table.

    ``sort``: the index of the initial sort column; -1 leaves the rows in their order.
    ``pick``: whether the first cell of a row is a button that selects the row. The button dispatches the event
    ``pick`` on the document, with ``detail`` ``{table, row}``.
    """

    caption: str
    columns: Sequence[Column]
    sort: int = -1
    descending: bool = False
    pick: bool = False


def table_container(name: str) -> str:
    """Return the HTML element that ``page.js`` fills with the table of this name."""
    return f'<div class="table" data-table="{name}"></div><noscript><p>Tables require JavaScript.</p></noscript>'


def micros(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1e6)


def time_column(name: str, seconds: Sequence[float | None]) -> Column:
    """Return a column of times."""
    return Column(name, "time", [None if value is None else micros(value) for value in seconds])


def words_column(name: str, values: Sequence[str]) -> Column:
    """Return a column of recurring strings; it stores each distinct string once."""
    words = list(dict.fromkeys(values))
    index = {word: i for i, word in enumerate(words)}
    return Column(name, "word", [index[value] for value in values], words)
