"""A short hash of a value's content: equal values have equal ones, in whatever order a dict or a set was filled."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from taskrunner.storage.serialization import canonicalize

_SIZE = 16


def digest(value: Any) -> str:
    """Return the hash of a value made of built-in types, Structs, dataclasses, dates or arrays; "": it is none."""
    return _hash(_strict, value)


def content(value: Any) -> str:
    """Return the hash of any object's content as well: that of its attributes, where it has no other form."""
    return _hash(_deep, value)


def _hash(encode: Callable[[Any], bytes], value: Any) -> str:
    try:
        data = _encoded(encode, value)
    except Exception:  # noqa: BLE001  circles, hostile methods, and containers that others change meanwhile
        return ""
    return blake2b(data, digest_size=_SIZE).hexdigest()


def _encoded(encode: Callable[[Any], bytes], value: Any) -> bytes:
    try:
        return encode(value)
    except (OverflowError, TypeError):  # integers of more than 64 bits, keys and sets of several types
        return canonicalize(value)


def _array(value: Any) -> Any:
    """Return what an array of numbers is made of: anything that lends its memory."""
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    view = memoryview(value)
    return [view.format, view.shape, view.tobytes()]


def _attributes(value: Any) -> Any:
    try:
        return _array(value)
    except TypeError:
        return [type(value).__qualname__, getattr(value, "__dict__", None)]


_strict = msgspec.msgpack.Encoder(enc_hook=_array, order="deterministic").encode
_deep = msgspec.msgpack.Encoder(enc_hook=_attributes, order="deterministic").encode
