import builtins
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import math
import os
import subprocess
import uuid
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from taskrunner.storage import extensions
from taskrunner.storage.serialization import SerializationError, canonicalize, deserialize, serialize
from taskrunner.storage.serialization import _encode as encode


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: Any


class Record(msgspec.Struct):
    name: str
    parts: tuple[Any, ...] = ()
    gone: int | msgspec.UnsetType = msgspec.UNSET


@dataclasses.dataclass
class Data:
    value: Any
    made: int = dataclasses.field(init=False, default=7)


class Liar:
    def __eq__(self, _):
        return True

    def __hash__(self):
        return 0


NATIVE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers() | st.tuples(st.integers()), inner)
    ),
    max_leaves=10,
)


def same(one, other):
    """Say whether two values are equal and of the same types at every depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(v, w) for (a, v), (b, w) in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@given(NATIVE)
def test_built_in_values_come_back_equal_by_their_types(value):
    assert same(deserialize(serialize(value)), value)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        {1, (2,)},
        frozenset({1}),
        bytearray(b"x"),
        1 + 2j,
        {(1, 2): [3], None: 4, True: 5},
        dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 2),  # noqa: DTZ001
        dt.date(2026, 1, 2),
        dt.time(3, 4),
        dt.timedelta(days=-1, microseconds=3),
        decimal.Decimal("1.50"),
        uuid.UUID(int=7),
        Colour.RED,
        Point(1, (2, [3])),
        Record("a", (1, [Record("b", gone=3)])),
        Data({"k": (1,)}),
        [float("inf"), -0.0],
    ],
    ids=repr,
)
def test_other_values_come_back_equal_by_their_types(value):
    found = deserialize(serialize(value))
    assert same(found, value)
    assert repr(found) == repr(value)


def test_not_a_number_comes_back():
    assert math.isnan(deserialize(serialize(float("nan"))))


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 1, Liar(), type("Local", (), {})(), [object()], Liar, [1, {"a": (object(),)}]],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_equal_is_refused(value):
    with pytest.raises(SerializationError):
        serialize(value)


def test_a_type_that_is_no_more_is_told():
    data = serialize(Record("a"))
    gone = data.replace(b"Record", b"Recorx")
    assert gone != data
    with pytest.raises(SerializationError):
        deserialize(gone)


def forged(name):
    """Return the stored forms of objects of a named type, as nobody but a forger writes them."""
    shapes = [[name, "object", ""], [name, "object", "x", "y", ""], [name, "dict", ""], [name, "str", ""]]
    for shape in shapes:
        table = [[[shape, ["args"]]], [[6, [], ["true"]]], [0]]
        yield Ext(extensions.OBJECTS, encode(table))
    yield from (Ext(code, encode([name, None, b"\x01"])) for code in range(32, 80))
    yield from (Ext(code, encode(name)) for code in range(32, 80))
    yield from (Ext(code, encode([name, {"args": "true"}])) for code in range(12))  # of an earlier version


@pytest.mark.parametrize("name", ["os:system", "builtins:print", "builtins:object", "subprocess:Popen", "os:getcwd"])
def test_a_stored_name_calls_nothing(name, monkeypatch):
    """Some of these forms are good values, such as a set of strings; what matters is that nothing is called."""
    calls = []
    for owner, method in ((os, "system"), (os, "getcwd"), (subprocess.Popen, "__init__"), (builtins, "print")):
        monkeypatch.setattr(owner, method, lambda *args, **_: calls.append(args))
    for form in forged(name):
        with contextlib.suppress(SerializationError):
            deserialize(encode(form))
    assert calls == []


def test_a_named_type_that_has_no_stored_form_is_not_created():
    for name in ("subprocess:Popen", "builtins:object", f"{__name__}:Liar", "builtins:Exception"):
        table = [[[[name, "object", ""], []]], [[6, [], []]], [0]]
        with pytest.raises(SerializationError):
            deserialize(encode(Ext(extensions.OBJECTS, encode(table))))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(SerializationError):
        deserialize(data)


@pytest.mark.parametrize("kind", [set, frozenset])
def test_equal_sets_become_the_same_bytes(kind):
    numbers = [8 * number for number in range(8)]  # which lie in the order in which they were put
    assert list(kind(numbers)) != list(kind(numbers[::-1]))
    assert canonicalize(kind(numbers)) == canonicalize(kind(numbers[::-1]))
    assert canonicalize([{"a": kind({1, "a", (2,)})}]) == canonicalize([{"a": kind({(2,), "a", 1})}])
    assert canonicalize([Data(kind({1, "a", (2, (3,))}))]) == canonicalize([Data(kind({(2, (3,)), "a", 1}))])


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_comes_back_in_its_order(kind):
    numbers = [8 * number for number in range(8)]
    for one in (kind(numbers), kind(numbers[::-1])):
        assert list(deserialize(serialize(one))) == list(one)
        assert list(deserialize(serialize(Data(one))).value) == list(one)
