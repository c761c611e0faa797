"""Results as bytes that give equal results back, of the same types. Nothing is pickled: no code is stored or run.

Built-in values and containers are written as MessagePack, what that has no form for as an extension of
it: tuples, sets, dates, Structs, dataclasses, enumerations. What is written could be read back: the type
is looked up by its name when it is written, and the value is made once from its parts and compared. Anything else
cannot be stored.
"""

import dataclasses
import enum
import importlib
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.msgpack import Ext

# What a thread may hand to another as it is: nobody can change it.
ATOMS = frozenset({type(None), bool, int, float, str, bytes})

_TUPLE, _SET, _FROZENSET, _PAIRS, _INTEGER, _BYTEARRAY, _COMPLEX, _BUILTIN, _STRUCT, _DATACLASS, _ENUM, _NAMED = range(
    12
)

_WORD = 2**63


class SerializationError(Exception):
    """A value cannot be stored so that it comes back equal."""


def serialize(value: Any) -> bytes:
    """Return the bytes that stand for a value.

    Raises:
        NotStorableError: it cannot be stored.

    """
    try:
        return _encode(_to_builtins(value))
    except SerializationError:
        raise
    except BaseException as error:  # noqa: BLE001  circles, hostile methods, lone surrogates
        raise SerializationError(f"{type(value).__name__}: {type(error).__name__}") from None


def deserialize(data: bytes) -> Any:
    """Return the value that bytes stand for.

    Raises:
        NotStorableError: its type is no longer what it was, or the bytes are none of ``pack``'s.

    """
    try:
        return _decode(data)
    except Exception as error:  # noqa: BLE001  the bytes are anything, and so are the types' own methods
        raise SerializationError(f"cannot read a stored result: {type(error).__name__}") from None


def _to_builtins(value: Any) -> Any:  # noqa: PLR0911  one return for each kind of value
    """Return what MessagePack can express."""
    kind = type(value)
    if kind is int:
        return value if -_WORD <= value < _WORD else Ext(_INTEGER, str(value).encode())
    if kind in ATOMS:
        return value
    if kind is list:
        return [_to_builtins(part) for part in value]
    if kind is dict:
        if all(type(key) is str for key in value):
            return {key: _to_builtins(part) for key, part in value.items()}
        return _ext(_PAIRS, [[_to_builtins(key), _to_builtins(part)] for key, part in value.items()])
    if kind in _SEQUENCES:
        parts = [_to_builtins(part) for part in value]
        if kind is not tuple:  # equal sets become the same bytes, in whatever order they yield their items
            parts.sort(key=_encode)
        return _ext(_SEQUENCES[kind], parts)
    if kind is bytearray:
        return Ext(_BYTEARRAY, bytes(value))
    if kind is complex:
        return _ext(_COMPLEX, [value.real, value.imag])
    return _named(value, kind)


_SEQUENCES: dict[type, int] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}


def _named(value: Any, kind: type) -> Ext:
    """Write a value whose type has a name that leads back to it."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _find(name) is not kind:
        raise SerializationError(f"{name} cannot be found by its name")
    if issubclass(kind, enum.Enum):
        return _checked(_ENUM, name, value.name, value)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _checked(_NAMED, name, [_to_builtins(part) for part in value], value)
    if issubclass(kind, msgspec.Struct):
        return _checked(_STRUCT, name, _fields_of(value), value)
    if dataclasses.is_dataclass(kind):
        fields = {f.name: _to_builtins(getattr(value, f.name)) for f in dataclasses.fields(kind) if f.init}
        return _checked(_DATACLASS, name, fields, value)
    if kind.__module__ in _BUILTIN_MODULES:
        return _checked(_BUILTIN, name, msgspec.to_builtins(value), value)
    raise SerializationError(f"{name} has no stored form")


_BUILTIN_MODULES = frozenset({"datetime", "decimal", "uuid"})


def _checked(code: int, name: str, parts: Any, value: Any) -> Ext:
    found = _ext(code, [name, parts])
    again = _read_ext(code, bytes(found.data))
    if type(again) is not type(value) or again != value:
        raise SerializationError(f"{name} does not come back equal")
    return found


def _ext(code: int, parts: Any) -> Ext:
    return Ext(code, _encode(parts))


def _read_ext(code: int, data: bytes | memoryview) -> Any:
    if code in (_INTEGER, _BYTEARRAY):
        return int(bytes(data)) if code == _INTEGER else bytearray(data)
    parts = _decode(data)
    if code == _PAIRS:
        return dict(parts)
    if code == _COMPLEX:
        return complex(*parts)
    if code in _MAKE:
        return _MAKE[code](parts)
    name, content = parts
    return _make(code, _find(name), content)


_MAKE: dict[int, Callable[[Any], Any]] = {code: kind for kind, code in _SEQUENCES.items()}


def _make(code: int, kind: Any, content: Any) -> Any:
    if code == _ENUM and issubclass(kind, enum.Enum):
        return kind[content]
    if code == _NAMED and issubclass(kind, tuple):
        return kind._make(content)
    if code == _BUILTIN and kind.__module__ in _BUILTIN_MODULES:
        return msgspec.convert(content, kind)
    if (code == _STRUCT and issubclass(kind, msgspec.Struct)) or (
        code == _DATACLASS and dataclasses.is_dataclass(kind)
    ):
        return kind(**content)
    raise SerializationError(f"{kind!r} is not of the kind that was stored")


def _find(name: str) -> Any:
    """Return the type that a name stands for."""
    module_name, _, qualified = name.partition(":")
    value: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    for part in qualified.split("."):
        value = getattr(value, part)
    if not isinstance(value, type):
        raise SerializationError(f"{name} is no type")
    return value


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ext_hook=_read_ext).decode


def _fields_of(value: msgspec.Struct) -> dict[str, Any]:
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: _to_builtins(part) for name, part in fields.items() if part is not msgspec.UNSET}
