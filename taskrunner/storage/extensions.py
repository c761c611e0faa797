"""Extension types of MessagePack: the stored forms of immutable values such as dates, decimals and enumeration members.

Such a value has no identity that a program relies on, and no part that can change. Its whole state is in its stored
form. A value of any other type, a subclass included, has no stored form in this module.
"""

import contextlib
import datetime as dt
import decimal
import enum
import fractions
import importlib
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.msgpack import Ext

# Immutable types; one thread may pass such a value to another without a copy.
ATOMS = frozenset({type(None), bool, int, float, str, bytes})
# Atoms that MessagePack can always express. It has neither integers beyond 64 bits nor strings with lone surrogates.
ALWAYS_NATIVE_ATOMS = ATOMS - {int, str}

# Codes of the extension types. The codes up to 11 belong to an earlier version, whose forms lost details.
TUPLE, SET, FROZENSET, PAIRS, BYTEARRAY, OBJECTS = range(32, 38)
_INTEGER, _STRING, _ENUM, _TYPE, _ABSENT, _UNSET, _ZONE_INFO = range(48, 55)
_COMPLEX, _DATE, _TIME, _DATETIME, _TIMEDELTA, _TIMEZONE, _DECIMAL, _FRACTION, _UUID = range(64, 73)

# MessagePack can express integers of this number of bits, and a sign.
_NATIVE_BITS = 63
# Classes that are stored as values, such as the factory of a defaultdict. A call of them has no effects.
_TYPES = {
    f"{kind.__module__}:{kind.__qualname__}": kind
    for kind in (
        *(bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
        *(Counter, OrderedDict, defaultdict, deque),
    )
}


class SerializationError(Exception):
    """Error for a value without a stored form that restores an equal value."""


class Absent:
    """Type of ABSENT, the placeholder for the value of a slot that is not set."""


ABSENT: Final = Absent()


class _Form(NamedTuple):
    """Stored form of a type: the code of its extension, its parts, and the function that restores it from them.

    MessagePack can express the parts.
    """

    code: int
    parts: Callable[[Any], tuple[Any, ...]]
    restore: Callable[..., Any]


def encode_extension(value: Any) -> Any:
    """Return an immutable value as an extension, or itself if MessagePack can express it; None if its type has none.

    Raises:
        SerializationError: the type has an extension, but not every detail of this value is in it.

    """
    kind = type(value)
    encode = _ENCODERS.get(kind)
    if encode is not None:
        return encode(value)
    if isinstance(kind, enum.EnumType):
        return _encode_member(value, kind)
    if kind is type:
        return _encode_type(value)
    return _encode_zone_info(value) if kind.__module__ == "zoneinfo" else None


def decode_extension(code: int, data: memoryview) -> Any:
    """Return the value of an extension.

    Raises:
        Exception: the extension does not come from ``encode_extension``, or the type of the value has changed.

    """
    return _DECODERS[code](data)


def find_type(name: str) -> Any:
    """Return the type with a given name, ``module:qualified.name``; import its module if necessary.

    Raises:
        Exception: there is no such type.

    """
    module_name, _, qualified = name.partition(":")
    value: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    for part in qualified.split("."):
        value = getattr(value, part)
    if not isinstance(value, type):
        raise SerializationError(f"{name} is not a type")
    return value


def name_of_type(kind: type) -> str:
    """Return the name of a type.

    Raises:
        SerializationError: a lookup of the name does not return the type.

    """
    name = f"{kind.__module__}:{kind.__qualname__}"
    try:
        is_found = find_type(name) is kind
    except Exception:  # noqa: BLE001  a module may raise anything
        is_found = False
    if not is_found:
        raise SerializationError(f"{name} cannot be found by its name")
    return name


def to_native(value: Any) -> Any:
    """Return an immutable value in a form that MessagePack can express.

    Raises:
        SerializationError: its type has no such form.

    """
    if type(value) in ALWAYS_NATIVE_ATOMS:
        return value
    native = encode_extension(value)
    if native is None:
        raise SerializationError(f"{type(value).__module__}:{type(value).__qualname__} has no stored form")
    return native


def _encode_integer(value: int) -> Any:
    """Return an integer itself if MessagePack can express it, else its extension."""
    bits = value.bit_length()
    return value if bits <= _NATIVE_BITS else Ext(_INTEGER, value.to_bytes(bits // 8 + 1, "little", signed=True))


def _encode_string(value: str) -> Any:
    """Return a string itself if MessagePack can express it, else its extension."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return Ext(_STRING, value.encode("utf-8", "surrogatepass"))
    return value


def _encode_member(member: Any, kind: Any) -> Ext:
    """Return the extension of an enumeration member: its name and its value, or the value of a combination of flags.

    The value shows that the class has changed since. A value that is not an atom belongs to the class alone.
    """
    type_name, value = name_of_type(kind), _member_value(member)
    for name in (member._name_, None):
        with contextlib.suppress(Exception):
            if _find_member(kind, name, value) is member:
                return Ext(_ENUM, _encode([type_name, name, value]))
    raise SerializationError(f"a member of {type_name} cannot be found by its name")


def _decode_member(type_name: str, name: str | None, value: bytes) -> Any:
    member = _find_member(find_type(type_name), name, value)
    if _member_value(member) != value:
        raise SerializationError(f"a member of {type_name} has another value")
    return member


def _find_member(kind: Any, name: str | None, value: bytes) -> Any:
    if isinstance(kind, enum.EnumType):
        if name is not None:
            return kind.__members__[name]
        if issubclass(kind, enum.Flag):
            return kind(decode(value))
    raise SerializationError(f"{kind!r} has no such member")


def _member_value(member: Any) -> bytes:
    return _encode(to_native(member._value_) if type(member._value_) in ATOMS else None)


def _encode_type(kind: type) -> Ext | None:
    name = f"{kind.__module__}:{kind.__qualname__}"
    return Ext(_TYPE, _encode(name)) if _TYPES.get(name) is kind else None


def _encode_zone_info(zone: Any) -> Ext | None:
    """Return the extension of a time zone of the database: its key.

    Arithmetic between two dates depends on the identity of their zones. So a zone that its key does not return, such
    as one without a cache, has no stored form.
    """
    from zoneinfo import ZoneInfo  # imported on demand: most runs have no time zones

    if type(zone) is not ZoneInfo:
        return None
    if not zone.key or ZoneInfo(zone.key) is not zone:
        raise SerializationError(f"the time zone {zone.key} cannot be found by its key")
    return Ext(_ZONE_INFO, _encode(zone.key))


def _decode_zone_info(key: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _encoder(code: int, parts: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], Ext]:
    return lambda value: Ext(code, _encode(parts(value)))


def _decoder(restore: Callable[..., Any]) -> Callable[[memoryview], Any]:
    return lambda data: restore(*decode(data))


def pairs(parts: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    """Return the keys with their values, given in turn."""
    iterator = iter(parts)
    return zip(iterator, iterator, strict=True)


def _time_parts(time: Any) -> tuple[Any, ...]:
    zone = None if time.tzinfo is None else to_native(time.tzinfo)
    return time.hour, time.minute, time.second, time.microsecond, zone, time.fold


def _date_parts(date: Any) -> tuple[int, ...]:
    return date.year, date.month, date.day


_FORMS: dict[type, _Form] = {
    complex: _Form(_COMPLEX, lambda value: (value.real, value.imag), complex),
    dt.date: _Form(_DATE, _date_parts, dt.date),
    dt.time: _Form(_TIME, _time_parts, lambda *parts: dt.time(*parts[:5], fold=parts[5])),
    dt.datetime: _Form(
        _DATETIME,
        lambda value: (*_date_parts(value), *_time_parts(value)),
        lambda *parts: dt.datetime(*parts[:8], fold=parts[8]),  # noqa: DTZ001  a time without a zone has none
    ),
    dt.timedelta: _Form(_TIMEDELTA, lambda value: (value.days, value.seconds, value.microseconds), dt.timedelta),
    dt.timezone: _Form(_TIMEZONE, lambda value: tuple(map(to_native, value.__getinitargs__())), dt.timezone),
    decimal.Decimal: _Form(_DECIMAL, lambda value: (str(value),), decimal.Decimal),
    fractions.Fraction: _Form(
        _FRACTION, lambda value: (to_native(value.numerator), to_native(value.denominator)), fractions.Fraction
    ),
    uuid.UUID: _Form(
        _UUID,
        lambda value: (value.bytes, value.is_safe.name),
        lambda data, safety: uuid.UUID(bytes=data, is_safe=uuid.SafeUUID[safety]),
    ),
    msgspec.UnsetType: _Form(_UNSET, lambda _: (), lambda: msgspec.UNSET),
    Absent: _Form(_ABSENT, lambda _: (), lambda: ABSENT),
}
_ENCODERS: dict[type, Callable[[Any], Any]] = {
    int: _encode_integer,
    str: _encode_string,
    **{kind: _encoder(form.code, form.parts) for kind, form in _FORMS.items()},
}
_DECODERS: dict[int, Callable[[memoryview], Any]] = {
    TUPLE: lambda data: tuple(decode(data)),
    SET: lambda data: set(decode(data)),
    FROZENSET: lambda data: frozenset(decode(data)),
    PAIRS: lambda data: dict(pairs(decode(data))),
    BYTEARRAY: bytearray,
    _INTEGER: lambda data: int.from_bytes(data, "little", signed=True),
    _STRING: lambda data: bytes(data).decode("utf-8", "surrogatepass"),
    _ENUM: lambda data: _decode_member(*decode(data)),
    _TYPE: lambda data: _TYPES[decode(data)],
    _ZONE_INFO: lambda data: _decode_zone_info(decode(data)),
    **{form.code: _decoder(form.restore) for form in _FORMS.values()},
}

_encode = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes | memoryview], Any] = msgspec.msgpack.Decoder(ext_hook=decode_extension).decode
