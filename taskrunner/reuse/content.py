"""Content of a value: everything by which two values of one type can be distinguished.

- Built-in containers: their items, in order; sets without order.
- Objects whose class is the user's own: all attributes and slots, and the content of the built-in or installed base.
- Other objects: the state that the pickle protocol of their class returns. Nothing is pickled.

Own methods of the value are not called: an own ``__iter__``, ``__eq__`` or ``__reduce__`` cannot hide content.
"""

import copyreg
import functools
import logging
import struct
import types
import typing
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from taskrunner.reuse.digest import digest, scalar, text, tokens
from taskrunner.reuse.origin import version_of

type Read = Callable[[Any], bytes]

_POINTER_BYTES = struct.calcsize("P")
_PROTOCOL = 4  # protocol 5 returns buffers beside the state
_MEMBERS = (
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType,
)  # fmt: skip
# Types of machine code whose public attributes are all that their instances hold.
_DEFINED_BY_ATTRIBUTES = (
    msgspec.json.Encoder, msgspec.json.Decoder, msgspec.msgpack.Encoder, msgspec.msgpack.Decoder, msgspec.Meta,
    msgspec.structs.StructConfig, struct.Struct,
)  # fmt: skip
_Factory = type(msgspec.defstruct("_", [("x", list, msgspec.field(default_factory=list))]).__struct_defaults__[0])


class UnreadableError(Exception):
    """A value whose content cannot be read."""


def content(value: Any, read: Read, *, is_own: bool) -> bytes:
    """Return the digest of the content of a value that is not code; ``read`` returns the digests of its parts.

    ``is_own``: its class is the user's own.

    Raises:
        UnreadableError: it has content that cannot be read.

    """
    if reader := _READERS.get(type(value)):
        return reader(value, read)
    if isinstance(value, logging.Logger) and not is_own:  # it takes records and does not determine a result
        return digest("logger", text(value.name))
    if is_own:
        return _own_object(value, read)
    return digest("object", read(type(value)), *_reduced(value, type(value), read))


def sequence(kind: str, parts: Iterable[Any], read: Read) -> bytes:
    """Return the digest of items in order."""
    return digest(kind, *tokens(parts, read))


def mapping(pairs: Iterable[tuple[Any, Any]], read: Read) -> bytes:
    """Return the digest of keys and values in order."""
    return digest("mapping", *tokens([part for pair in pairs for part in pair], read))


def raw_state(value: Any, read: Read) -> bytes:
    """Return the digest of the attributes and the slots of an object."""
    attributes = _instance_dict(value)
    slots = []
    for kind in type(value).__mro__:
        for name, member in vars(kind).items():
            if type(member) is types.MemberDescriptorType:
                try:
                    slots.append((f"{kind.__qualname__}.{name}", member.__get__(value)))
                except AttributeError:  # not set
                    continue
    return digest("state", mapping(attributes.items(), read), mapping(slots, read))


def _instance_dict(value: Any) -> dict[str, Any]:
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return attributes if isinstance(attributes, dict) else dict(attributes)


def _own_object(value: Any, read: Read) -> bytes:
    kind = type(value)
    base = _native_base(kind)
    if base is object and _hides_state(kind):
        raise UnreadableError(f"an object of type {kind.__qualname__}")
    state = raw_state(
        value, read
    )  # reading it creates the dict of an exception, which then is part of what it reduces to
    parts: Iterable[bytes] = ()
    if base is not object:
        parts = (read(_BASES[base](value)),) if base in _BASES else _reduced(value, base, read)
    return digest("own", read(kind), state, *parts)


def _native_base(kind: type) -> type:
    """Return the first base with content beside attributes and slots; ``object`` if there is none."""
    for base in kind.__mro__:
        is_reduced = base in copyreg.dispatch_table or not {"__reduce__", "__reduce_ex__"}.isdisjoint(vars(base))
        if base in _BASES or (is_reduced and version_of(base.__module__) is not None):
            return base
    return object


def _hides_state(kind: type) -> bool:
    """Return whether instances hold more bytes than their attributes and slots take: the data of C code."""
    slots = sum(type(member) is types.MemberDescriptorType for base in kind.__mro__ for member in vars(base).values())
    return kind.__basicsize__ > object.__basicsize__ + _POINTER_BYTES * (slots + 2)  # the dict and the weak references


def _reduced(value: Any, kind: type, read: Read) -> Iterable[bytes]:
    """Yield the digests of the parts that the pickle protocol of a class returns."""
    reduced = _reduce(value, kind)
    if isinstance(reduced, str):  # the name of a global; an object that Python code created has more than its name
        return text(reduced), raw_state(value, read)
    function, args, state, items, pairs, *setter = [*reduced, None, None, None][:6]
    if type(state) is dict and not state:
        state = None
    parts = (read(function), read(args), read(state), read(list(items or ())), read(list(pairs or ())))
    return (*parts, *map(read, setter))


def _reduce(value: Any, kind: type) -> Any:
    try:
        if kind in copyreg.dispatch_table:
            return copyreg.dispatch_table[kind](value)
        methods: Any = kind
        if methods.__reduce_ex__ is object.__reduce_ex__ and methods.__reduce__ is not object.__reduce__:
            return methods.__reduce__(value)
        return methods.__reduce_ex__(value, _PROTOCOL)
    except Exception:  # noqa: BLE001  it cannot be pickled, or its method raises anything
        raise UnreadableError(f"an object of type {type(value).__qualname__}") from None


def _unordered(value: Iterable[Any], read: Read) -> list[bytes]:
    # Parts of one cycle are numbered in the order of reading, which must not depend on the seed of string hashes.
    return sorted(tokens(sorted(value, key=_name), read))


def _name(value: Any) -> str:
    return f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}" if scalar(value) is None else ""


def _memoryview(value: memoryview, read: Read) -> bytes:
    return digest("memoryview", read((value.format, value.shape, value.readonly, value.tobytes())))


def _cell(value: types.CellType, read: Read) -> bytes:
    try:
        part = value.cell_contents
    except ValueError:  # not yet filled
        return digest("cell")
    return digest("cell", read(part))


def _type_variable(value: Any, read: Read) -> bytes:
    bound, constraints = getattr(value, "__bound__", None), getattr(value, "__constraints__", ())
    return digest("variable", text(value.__name__), read(bound), read(constraints))


def _member(value: Any, _: Read) -> bytes:
    owner = getattr(value, "__objclass__", type(None))
    return digest("descriptor", text(f"{owner.__module__}:{owner.__qualname__}.{value.__name__}"))


def _public(value: Any, read: Read) -> bytes:
    names = [name for name in dir(value) if not name.startswith("_")]
    return digest("public", read(type(value)), mapping([(name, getattr(value, name)) for name in names], read))


_READERS: dict[type, Callable[[Any, Read], bytes]] = {
    list: lambda value, read: sequence("list", value, read),
    tuple: lambda value, read: sequence("tuple", value, read),
    set: lambda value, read: digest("set", *_unordered(value, read)),
    frozenset: lambda value, read: digest("frozenset", *_unordered(value, read)),
    dict: lambda value, read: mapping(value.items(), read),
    types.MappingProxyType: lambda value, read: digest("proxy", mapping(value.items(), read)),
    OrderedDict: lambda value, read: digest("ordered", mapping(value.items(), read), raw_state(value, read)),
    bytearray: lambda value, _: digest("bytearray", bytes(value)),
    memoryview: _memoryview,
    types.CellType: _cell,
    staticmethod: lambda value, read: digest("static", read(value.__func__)),
    classmethod: lambda value, read: digest("class method", read(value.__func__)),
    property: lambda value, read: sequence("property", (value.fget, value.fset, value.fdel, value.__doc__), read),
    functools._lru_cache_wrapper: lambda value, read: sequence(  # noqa: SLF001
        "lru_cache", (value.__wrapped__, value.cache_parameters()), read
    ),
    typing.TypeAliasType: lambda value, read: digest("alias", text(value.__name__), read(value.__value__)),
    typing.TypeVar: _type_variable,
    typing.ParamSpec: _type_variable,
    typing.TypeVarTuple: _type_variable,
    _Factory: lambda value, read: digest("factory", read(value.factory)),
    **dict.fromkeys(_DEFINED_BY_ATTRIBUTES, _public),
    **dict.fromkeys(_MEMBERS, _member),
}
# The content of an instance of a subclass, as an instance of the base. The methods are those of the base.
_BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    OrderedDict: lambda value: list(OrderedDict.items(value)),
    dict: lambda value: dict(dict.items(value)),
    bytearray: lambda value: bytes(memoryview(value)),
}
