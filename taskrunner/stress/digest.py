"""Digest: a short hash of a value's content, independent of the insertion order of dicts and sets."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from taskrunner.storage.serialization import canonicalize

_SIZE_BYTES = 16


def digest(value: Any) -> str:
    """Return the hash of a value, or an empty string if the value has no comparable form.

    Built-in types, Structs, dataclasses, dates and arrays have one.
    """
    return _hash(_encode_value, value)


def digest_object(value: Any) -> str:
    """Return the hash of any object; an object without a comparable form is hashed by its attributes."""
    return _hash(_encode_object, value)


def _hash(encode: Callable[[Any], bytes], value: Any) -> str:
    try:
        data = _encode_or_serialize(encode, value)
    except Exception:  # noqa: BLE001  cycles, hostile methods, and containers that other threads change meanwhile
        return ""
    return blake2b(data, digest_size=_SIZE_BYTES).hexdigest()


def _encode_or_serialize(encode: Callable[[Any], bytes], value: Any) -> bytes:
    try:
        return encode(value)
    except (OverflowError, TypeError):  # integers of more than 64 bits, keys and sets of several types
        return canonicalize(value)


def _convert_array(value: Any) -> Any:
    """Return the parts of a complex number, or the format, shape and bytes of an object with the buffer protocol."""
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    view = memoryview(value)
    return [view.format, view.shape, view.tobytes()]


def _convert_object(value: Any) -> Any:
    try:
        return _convert_array(value)
    except TypeError:
        return [type(value).__qualname__, getattr(value, "__dict__", None)]


_encode_value = msgspec.msgpack.Encoder(enc_hook=_convert_array, order="deterministic").encode
_encode_object = msgspec.msgpack.Encoder(enc_hook=_convert_object, order="deterministic").encode
