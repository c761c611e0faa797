"""A table of a page: columns of values, which ``page.js`` sorts and searches, and shows some hundreds of rows of."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

# text: strings. word: indexes into ``words``. time: whole microseconds. number: any. ratio, share: floats.
type Kind = Literal["text", "word", "time", "number", "ratio", "share"]


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column. ``values`` has one value a row, None where there is none; ``words`` what indexes stand for."""

    name: str
    kind: Kind
    values: Sequence[Any]
    words: Sequence[str] = ()


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table. ``sort``: the column by which it is sorted at first, -1: as it is.

    ``pick``: its rows can be picked, by a button in their first cell. The document gets the event ``pick`` then, with
    ``detail`` ``{table, row}``.
    """

    caption: str
    columns: Sequence[Column]
    sort: int = -1
    descending: bool = False
    pick: bool = False


def table_place(name: str) -> str:
    """Return the HTML of the place where the table of this name goes."""
    return f'<div class="table" data-table="{name}"></div><noscript><p>Tables need scripts.</p></noscript>'


def micros(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1e6)


def time_column(name: str, seconds: Sequence[float | None]) -> Column:
    """Return a column of times."""
    return Column(name, "time", [None if value is None else micros(value) for value in seconds])


def words_column(name: str, texts: Sequence[str]) -> Column:
    """Return a column of texts that recur: each text stands in it once."""
    words = list(dict.fromkeys(texts))
    index = {word: i for i, word in enumerate(words)}
    return Column(name, "word", [index[text] for text in texts], words)
