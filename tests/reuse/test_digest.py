"""The digest of an argument: different for values that a call can distinguish, equal for equal ones (case 42)."""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import struct
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.reuse.code_reader import UnknownCodeError
from taskrunner.reuse.digest import digest
from taskrunner.reuse.fingerprint import value_digest

Pair = namedtuple("Pair", "a b")  # noqa: PYI024  its fields have no types
Other = namedtuple("Other", "a b")  # noqa: PYI024


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.IntEnum):
    RED = 1


class Names(list):
    pass


class Number(int):
    pass


@dataclasses.dataclass
class Point:
    x: int
    hidden: int = dataclasses.field(default=0, compare=False, repr=False)


class Row(msgspec.Struct):
    x: int


def extended(value, **attributes):
    vars(value).update(attributes)
    return value


# No two of these are the same argument. Many of them are equal.
DIFFERENT = [
    *(0, 0.0, -0.0, False, 0j, -0j, "", b"", bytearray(), None, (), [], {}, set(), frozenset(), ...),
    *(
        1,
        1.0,
        True,
        1 + 0j,
        "1",
        b"1",
        bytearray(b"1"),
        Number(1),
        decimal.Decimal(1),
        Shade.RED,
        Color.RED,
        Color.BLUE,
    ),
    *(math.inf, -math.inf, math.nan, struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0], 2**64, 10**5000),
    *((1, 2), [1, 2], {1, 2}, frozenset({1, 2}), Names([1, 2]), Pair(1, 2), Other(1, 2), deque([1, 2]), range(1, 3)),
    *("abc", b"abc", "YWJj", "\udc80", memoryview(b"abc"), [[1], 2], [1, [2]], [(1, 2)], [[1, 2]], ["12"], ["1", "2"]),
    *({"a": 1, "b": 2}, {"b": 2, "a": 1}, OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), Counter(a=1, b=2)),
    *(defaultdict(int, a=1, b=2), defaultdict(list, a=1, b=2), {1: 2}, {1.0: 2}, {True: 2}, {"1": 2}, [1, 2, None]),
    *(Point(1), Point(1, 1), Row(1), extended(Point(1), added=1), extended(Names([1, 2]), added=1), deque([1, 2], 2)),
    *(
        dt.datetime.fromisoformat("2026-10-25"),
        dt.datetime.fromisoformat("2026-10-25").replace(fold=1),
        dt.date(2026, 10, 25),
    ),
    *(dt.datetime(2026, 10, 25, 2, tzinfo=ZoneInfo("Europe/Berlin")), dt.datetime(2026, 10, 25, 2, tzinfo=dt.UTC)),
    *(dt.datetime(2026, 10, 25, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), decimal.Decimal("1.0")),
    *(int, float, Point, len, max, lambda: 1, lambda: 2),
]


def test_values_that_a_call_can_distinguish_have_different_digests():
    found = {}
    for value in DIFFERENT:
        assert found.setdefault(value_digest(value), value) is value


def test_arrays_differ_in_elements_types_and_shapes():
    numpy = pytest.importorskip("numpy")
    arrays = [numpy.arange(6), numpy.arange(6.0), numpy.arange(6).reshape(2, 3), numpy.arange(6).reshape(3, 2)]
    arrays += [numpy.array([0, 1, 2, 3, 4, 6]), numpy.float64(1), numpy.float32(1), numpy.array([1], dtype=object)]
    arrays += [numpy.array([0.0]), numpy.array([-0.0]), numpy.zeros(2000), numpy.eye(1, 2000, 1000)[0], list(range(6))]
    assert len({value_digest(array) for array in arrays}) == len(arrays)
    assert value_digest(numpy.arange(12)[::2]) == value_digest(numpy.array([0, 2, 4, 6, 8, 10]))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from(list(Color)),
    lambda parts: (
        st.lists(parts)
        | st.lists(parts).map(tuple)
        | st.dictionaries(st.text() | st.integers(), parts)
        | st.frozensets(st.integers() | st.text() | st.sampled_from(list(Color)))
        | st.builds(Point, parts, parts)
        | st.builds(Row, parts)
    ),
    max_leaves=10,
)


def form(value):
    """Return the types and the content of a value as a string."""
    if isinstance(value, Point):
        return f"Point({form(value.x)}, {form(value.hidden)})"
    if isinstance(value, Row):
        return f"Row({form(value.x)})"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(form, value))})"
    if isinstance(value, frozenset):
        return f"frozenset({', '.join(sorted(map(form, value)))})"
    if isinstance(value, dict):
        return f"dict({', '.join(form(part) for pair in value.items() for part in pair)})"
    return struct.pack("<d", value).hex() if isinstance(value, float) else repr(value)


@given(VALUES, VALUES)
def test_digests_are_equal_if_and_only_if_types_and_content_are(first, second):
    assert (value_digest(first) == value_digest(second)) == (form(first) == form(second))


def test_shared_parts_count_as_equal_ones():
    part = [1]
    assert value_digest([part, part]) == value_digest([[1], [1]])


def test_cycles_have_digests():
    def cycle(length):
        parts = [[] for _ in range(length)]
        for part, following in zip(parts, [*parts[1:], parts[0]], strict=True):
            part.append(following)
        return parts[0]

    assert value_digest(cycle(3)) == value_digest(cycle(3))
    assert len({value_digest(cycle(length)) for length in (1, 2, 3)}) == 3


def test_value_that_cannot_be_read_has_no_digest():
    with pytest.raises(UnknownCodeError, match="it holds an object of type lock, whose content cannot be read"):
        value_digest([{"a": threading.Lock()}])


def test_deep_value_is_an_error():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnknownCodeError, match="it cannot be read: RecursionError"):
        value_digest(deep)


def test_parts_are_framed():
    parts = [(), (b"",), (b"", b""), (b"a", b"b"), (b"ab",), (b"", b"ab"), (b"ab", b"")]
    assert len({digest("kind", *items) for items in parts} | {digest("kind:1", b"ab")}) == len(parts) + 1
