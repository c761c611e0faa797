"""Serialization of results: bytes that restore an equal value of the same type. No code is stored or run.

Built-in values and containers are encoded as MessagePack. Types without a MessagePack form become extension types:
tuples, sets, dates, Structs, dataclasses and enumerations. Nothing is pickled. Any other value cannot be stored.

Guarantee: a serialized value can be read back. To ensure this, ``serialize`` looks the type up by its name, rebuilds
the value once from its parts, and compares the two.
"""

import dataclasses
import enum
import importlib
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.msgpack import Ext

# Immutable types; one thread may pass such a value to another without a copy.
ATOMS = frozenset({type(None), bool, int, float, str, bytes})

# Codes of the MessagePack extension types.
_TUPLE, _SET, _FROZENSET, _PAIRS, _INTEGER, _BYTEARRAY = range(6)
_COMPLEX, _BUILTIN, _STRUCT, _DATACLASS, _ENUM, _NAMED_TUPLE = range(6, 12)

_SEQUENCES: dict[type, int] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}
_CONSTRUCTORS: dict[int, Callable[[Any], Any]] = {code: kind for kind, code in _SEQUENCES.items()}
_BUILTIN_MODULES = frozenset({"datetime", "decimal", "uuid"})
# MessagePack integers are at least -_INT64_LIMIT and less than _INT64_LIMIT.
_INT64_LIMIT = 2**63


class SerializationError(Exception):
    """Error for a value without a stored form that restores an equal value."""


def serialize(value: Any) -> bytes:
    """Return a value as bytes.

    Raises:
        SerializationError: the value cannot be stored.

    """
    try:
        return _encode(_to_builtins(value))
    except SerializationError:
        raise
    except BaseException as error:  # noqa: BLE001  reference cycles, hostile methods, lone surrogates
        raise SerializationError(f"{type(value).__name__}: {type(error).__name__}") from None


def deserialize(data: bytes) -> Any:
    """Return the value that ``serialize`` encoded.

    Raises:
        SerializationError: the type of the value has changed, or the bytes do not come from ``serialize``.

    """
    try:
        return _decode(data)
    except Exception as error:  # noqa: BLE001  the bytes are arbitrary, and so are the methods of the types
        raise SerializationError(f"cannot read a stored result: {type(error).__name__}") from None


def _to_builtins(value: Any) -> Any:  # noqa: PLR0911  one return for each kind of value
    """Return a value in a form that MessagePack can express."""
    kind = type(value)
    if kind is int:
        return value if -_INT64_LIMIT <= value < _INT64_LIMIT else Ext(_INTEGER, str(value).encode())
    if kind in ATOMS:
        return value
    if kind is list:
        return [_to_builtins(part) for part in value]
    if kind is dict:
        if all(type(key) is str for key in value):
            return {key: _to_builtins(part) for key, part in value.items()}
        return _encode_extension(_PAIRS, [[_to_builtins(key), _to_builtins(part)] for key, part in value.items()])
    if kind in _SEQUENCES:
        parts = [_to_builtins(part) for part in value]
        if kind is not tuple:  # equal sets become the same bytes, whatever their iteration order
            parts.sort(key=_encode)
        return _encode_extension(_SEQUENCES[kind], parts)
    if kind is bytearray:
        return Ext(_BYTEARRAY, bytes(value))
    if kind is complex:
        return _encode_extension(_COMPLEX, [value.real, value.imag])
    return _encode_named(value, kind)


def _encode_named(value: Any, kind: type) -> Ext:
    """Encode a value together with the name of its type; a lookup of the name must return the type."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _find_type(name) is not kind:
        raise SerializationError(f"{name} cannot be found by its name")
    if issubclass(kind, enum.Enum):
        return _encode_checked(_ENUM, name, value.name, value)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _encode_checked(_NAMED_TUPLE, name, [_to_builtins(part) for part in value], value)
    if issubclass(kind, msgspec.Struct):
        return _encode_checked(_STRUCT, name, _struct_fields(value), value)
    if dataclasses.is_dataclass(kind):
        fields = {f.name: _to_builtins(getattr(value, f.name)) for f in dataclasses.fields(kind) if f.init}
        return _encode_checked(_DATACLASS, name, fields, value)
    if kind.__module__ in _BUILTIN_MODULES:
        return _encode_checked(_BUILTIN, name, msgspec.to_builtins(value), value)
    raise SerializationError(f"{name} has no stored form")


def _struct_fields(value: msgspec.Struct) -> dict[str, Any]:
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: _to_builtins(part) for name, part in fields.items() if part is not msgspec.UNSET}


def _encode_checked(code: int, name: str, parts: Any, value: Any) -> Ext:
    """Encode the parts of a value, and check that they restore an equal value of the same type."""
    extension = _encode_extension(code, [name, parts])
    restored = _decode_extension(code, bytes(extension.data))
    if type(restored) is not type(value) or restored != value:
        raise SerializationError(f"{name} does not come back equal")
    return extension


def _encode_extension(code: int, parts: Any) -> Ext:
    return Ext(code, _encode(parts))


def _decode_extension(code: int, data: bytes | memoryview) -> Any:
    if code in (_INTEGER, _BYTEARRAY):
        return int(bytes(data)) if code == _INTEGER else bytearray(data)
    parts = _decode(data)
    if code == _PAIRS:
        return dict(parts)
    if code == _COMPLEX:
        return complex(*parts)
    if code in _CONSTRUCTORS:
        return _CONSTRUCTORS[code](parts)
    name, content = parts
    return _construct(code, _find_type(name), content)


def _construct(code: int, kind: Any, content: Any) -> Any:
    if code == _ENUM and issubclass(kind, enum.Enum):
        return kind[content]
    if code == _NAMED_TUPLE and issubclass(kind, tuple):
        return kind._make(content)
    if code == _BUILTIN and kind.__module__ in _BUILTIN_MODULES:
        return msgspec.convert(content, kind)
    if (code == _STRUCT and issubclass(kind, msgspec.Struct)) or (
        code == _DATACLASS and dataclasses.is_dataclass(kind)
    ):
        return kind(**content)
    raise SerializationError(f"{kind!r} is not of the stored kind")


def _find_type(name: str) -> Any:
    """Return the type with a given name, ``module:qualified.name``; import its module if necessary."""
    module_name, _, qualified = name.partition(":")
    value: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    for part in qualified.split("."):
        value = getattr(value, part)
    if not isinstance(value, type):
        raise SerializationError(f"{name} is not a type")
    return value


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ext_hook=_decode_extension).decode
