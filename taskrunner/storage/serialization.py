"""Serialization of results: bytes that restore the same value. No code is stored or run.

Guarantee: a value comes back equal in every way that a program can observe, or it is not stored. This includes exact
types, the whole state of objects, shared objects, and the order of dicts. Two things do not come back: the order of a
set whose hashes differ between processes, and the identity of immutable values such as strings.

There are two forms:

- A *tree* consists of built-in containers that each occur once. It is encoded as MessagePack; types that MessagePack
  lacks are extension types. Every detail is in the form, so no check is necessary.
- Any other value is an *object table*; see ``object_table``.

Nothing is pickled. The bytes name types, which are imported, and no functions. Of the code of these types, only
``__eq__`` and ``__hash__`` run.
"""

import contextlib
from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from taskrunner.storage.extensions import (
    ALWAYS_NATIVE_ATOMS,
    ATOMS,
    BYTEARRAY,
    FROZENSET,
    OBJECTS,
    PAIRS,
    SET,
    TUPLE,
    SerializationError,
    decode_extension,
    encode_extension,
)
from taskrunner.storage.object_table import MIN_BULK_PARTS, SortItems, encode_checked, encode_objects, restore_objects

__all__ = ["ATOMS", "SerializationError", "canonicalize", "deserialize", "serialize"]

# Returns the object table of a value as bytes; receives the value, the native atoms, and the order of sets.
type EncodeTable = Callable[[Any, frozenset[type], SortItems], bytes]

# Trees with more levels are stored as object tables: the decoder of a tree is recursive.
MAX_TREE_DEPTH = 100
# The errors of MessagePack for integers beyond 64 bits, and for strings with lone surrogates.
_NOT_NATIVE_ERRORS = (OverflowError, UnicodeEncodeError)
# The containers of a tree with the codes of their extensions; a list is not an extension.
_CONTAINERS: dict[type, int] = {
    list: 0,
    dict: PAIRS,
    tuple: TUPLE,
    set: SET,
    frozenset: FROZENSET,
    bytearray: BYTEARRAY,
}


def serialize(value: Any) -> bytes:
    """Return a value as bytes that restore it.

    Raises:
        SerializationError: the value cannot be stored.

    """
    try:
        return _encode(_to_tree(value, ATOMS, list, {}, MAX_TREE_DEPTH))
    except Exception as error:  # noqa: BLE001  see _encode_otherwise
        return _encode_otherwise(value, error, list, encode_checked)


def canonicalize(value: Any) -> bytes:
    """Return the same bytes for the same value in each process; the order of the items in a set does not count.

    Raises:
        SerializationError: the value cannot be stored.

    """
    try:
        return _encode(_to_tree(value, ATOMS, _sort_items, {}, MAX_TREE_DEPTH))
    except Exception as error:  # noqa: BLE001  see _encode_otherwise
        return _encode_otherwise(value, error, _sort_items, encode_objects)


def deserialize(data: bytes) -> Any:
    """Return the value that ``serialize`` encoded.

    Raises:
        SerializationError: the type of an object has changed, or the bytes do not come from ``serialize``.

    """
    try:
        return _decode(data)
    except Exception as error:  # noqa: BLE001  the bytes are arbitrary, and so are the methods of the types
        raise SerializationError(f"cannot read a stored result: {type(error).__name__}") from None


def _encode_otherwise(value: Any, error: Exception, sort: SortItems, encode_table: EncodeTable) -> bytes:
    """Return a value as bytes if it is not a tree, or if MessagePack cannot express one of its atoms.

    Raises:
        SerializationError: the value cannot be stored.

    """
    is_tree = not isinstance(error, _NoTreeError)
    try:
        try:
            if is_tree:
                return _encode(_to_tree(value, ALWAYS_NATIVE_ATOMS, sort, {}, MAX_TREE_DEPTH))
            return _encode(Ext(OBJECTS, encode_table(value, ATOMS, sort)))
        except (_NoTreeError, *_NOT_NATIVE_ERRORS):
            return _encode(Ext(OBJECTS, encode_table(value, ALWAYS_NATIVE_ATOMS, sort)))
    except SerializationError:
        raise
    except BaseException as last:  # noqa: BLE001  hostile methods, and containers that another thread changes
        raise SerializationError(f"{type(value).__name__}: {type(last).__name__}") from None


class _NoTreeError(Exception):
    """A container occurs twice or is below too many levels, or an object is of a named type."""


def _to_tree(value: Any, native: frozenset[type], sort: SortItems, seen: dict[int, Any], levels: int) -> Any:
    """Return a value in a form that MessagePack can express.

    - ``native``: the atoms that are passed to MessagePack unchanged.
    - ``seen``: the values that occur before, by their ids.
    - ``levels``: the number of levels that the value may have.

    Raises:
        _NoTreeError: the value is not a tree.
        SerializationError: the value cannot be stored.

    """
    key, kind = id(value), type(value)
    if key in seen or not levels:
        _check_repetition(value, levels)
    seen[key] = value  # alive, so that no other container gets its id
    if kind is list and len(value) < MIN_BULK_PARTS:
        return [part if type(part) in native else _to_tree(part, native, sort, seen, levels - 1) for part in value]
    if kind is dict and str in native and all([type(key) is str for key in value]):  # noqa: C419  a generator is slow
        return {
            key: part if type(part) in native else _to_tree(part, native, sort, seen, levels - 1)
            for key, part in value.items()
        }
    if kind not in _CONTAINERS:
        return _to_native(value, native)
    if kind is bytearray:
        return Ext(BYTEARRAY, bytes(value))
    if kind is dict:
        parts = list(chain.from_iterable(value.items()))
    else:
        parts = sort(list(value)) if kind is set or kind is frozenset else value
    if len(parts) < MIN_BULK_PARTS or not native.issuperset(map(type, parts)):
        parts = [part if type(part) in native else _to_tree(part, native, sort, seen, levels - 1) for part in parts]
    elif kind is list:
        return value.copy()  # another thread may change the value
    return parts if kind is list else Ext(_CONTAINERS[kind], _encode(parts))


def _to_native(value: Any, native: frozenset[type]) -> Any:
    if type(value) in native:
        return value
    extension = encode_extension(value)
    if extension is None:
        raise _NoTreeError
    return extension


def _check_repetition(value: Any, levels: int) -> None:
    """Check that a value may occur again, because its identity has no meaning: it has no parts, or only atoms."""
    kind = type(value)
    is_flat = kind in (tuple, frozenset) and ATOMS.issuperset(map(type, value))
    if not levels or (kind in _CONTAINERS and not is_flat):
        raise _NoTreeError


def _sort_items(items: list[Any]) -> list[Any]:
    """Return the items of a set in an order that depends on their content alone."""
    if ATOMS.issuperset(map(type, items)):
        with contextlib.suppress(*_NOT_NATIVE_ERRORS):
            return sorted(items, key=_encode)
    return sorted(items, key=canonicalize)


def _decode_extension(code: int, data: memoryview) -> Any:
    return restore_objects(data)[0] if code == OBJECTS else decode_extension(code, data)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ext_hook=_decode_extension).decode
