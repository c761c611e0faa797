"""Type forms: how to read the state of an object of a type, and how to create an object with this state.

The state of an object consists of

- its content: the number, string or items if its type extends a built-in type, the fields of a Struct;
- the values of its slots;
- its attribute dictionary.

An object is created without the methods of its class: ``__new__``, ``__init__``, ``__post_init__`` and ``__setattr__``
do not run. So its whole state comes back, computed attributes included, and no code with effects runs. A type has no
form if a part of the state may be outside of these three, or if an object cannot equal its copy.
"""

import dataclasses
import functools
import inspect
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from struct import calcsize
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import force_setattr

from taskrunner.storage.extensions import ABSENT, SerializationError, find_type, name_of_type, pairs

_POINTER_BYTES = calcsize("P")
_STRUCT_META: Any = type(msgspec.Struct)
_MAX_CACHED_FORMS = 1024
# Methods of the standard library that copy the whole state, as this module does.
_KNOWN_COPIERS: tuple[Any, ...] = (Counter.__reduce__, defaultdict.__reduce__)
_NO_ATTRIBUTES: dict[str, Any] = {}


class _Base(NamedTuple):
    """Built-in base of a type: how to read the content of an object, and how to create one.

    Without ``fill`` the objects are immutable, and ``create`` receives the type and the content. With ``fill``, it
    receives the type and returns an empty object, to which ``fill`` adds the content.
    """

    content: Callable[[Any], list[Any]]
    create: Callable[..., Any]
    fill: Callable[[Any, list[Any]], object] | None = None


class TypeForm:
    """Form of one type.

    - ``is_exact``: the type is a built-in one, whose objects have neither slots nor attributes.
    - ``is_hashed``: the objects find their items by hash; ``is_unordered``: the items have no order.
    - ``is_checked``: objects of the type came back equal before. Any thread may set it.
    - ``content``, ``create`` and ``fill`` are those of the built-in base.

    Raises:
        SerializationError: the type has no form.

    """

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.base = next(base for base in kind.__mro__ if base in _BASES)
        self.content, self.create, self.fill = _BASES[self.base]
        self.is_exact = kind in EXACT_TYPES
        self.is_checked = False
        self.is_unordered = self.base in (set, frozenset)
        self.is_hashed = issubclass(self.base, (dict, set, frozenset))
        slots = {} if self.is_exact else _slots(kind, self.base)
        reason = "" if self.is_exact else next(_refusals(kind, self.base, len(slots)), "")
        if reason:
            raise SerializationError(f"{kind.__module__}:{kind.__qualname__} {reason}")
        self.names = [self.base.__qualname__, *_fields(kind), "", *slots]
        self._slots = tuple(slots.values())
        self._dictionary: Any = None if self.is_exact else _dictionary(kind)

    def shape(self) -> list[str]:
        """Return the names that determine the meaning of a stored state; if one differs, the type has changed."""
        return [name_of_type(self.kind), *self.names]

    def slots(self, value: Any) -> list[Any]:
        """Return the values of the slots, ABSENT for each one that is not set."""
        return [_read_slot(slot, value) for slot in self._slots]

    def attributes(self, value: Any) -> dict[str, Any]:
        """Return the attribute dictionary of an object; one dictionary for all objects that have none."""
        return _NO_ATTRIBUTES if self._dictionary is None else self._dictionary.__get__(value)

    def set_state(self, value: Any, names: Sequence[str], state: list[Any]) -> None:
        """Set the slots of a new object, and its attributes of these names."""
        count = len(self._slots)
        if names:
            self._dictionary.__set__(value, dict(zip(names, state[count:] if count else state, strict=True)))
        for slot, part in zip(self._slots, state, strict=False) if count else ():
            if part is not ABSENT:
                slot.__set__(value, part)

    def finds_items(self, value: Any) -> bool:
        """Return whether a dict or set finds each of its items by its hash."""
        base: Any = self.base
        return all(map(base.__contains__, repeat(value), base.__iter__(value)))


# Returns the form of a type; raises SerializationError if it has none.
form_of: Callable[[Any], TypeForm] = functools.lru_cache(_MAX_CACHED_FORMS)(TypeForm)


def form_of_shape(shape: list[str]) -> TypeForm:
    """Return the form of the type with a given shape.

    Raises:
        Exception: there is no such type, it has no form, or it has changed.

    """
    name, *names = shape
    form = form_of(find_type(name))
    if form.names != names:
        raise SerializationError(f"{name} has changed")
    return form


def _refusals(kind: Any, base: type, slots: int) -> Iterator[str]:
    """Yield the reasons why a type that is not built in has no form."""
    is_struct, is_plain = base is msgspec.Struct, base is object
    if is_plain and not dataclasses.is_dataclass(kind):
        yield "has no stored form"
    if not is_struct and kind.__basicsize__ != base.__basicsize__ + slots * _POINTER_BYTES:
        yield "has state outside of its attributes"
    if hasattr(kind, "__del__"):
        yield "has a finalizer, __del__"
    if kind.__eq__ is object.__eq__ or (kind.__eq__ is msgspec.Struct.__eq__ and not kind.__struct_config__.eq):
        yield "compares objects by identity"
    if is_plain and kind.__new__ is not object.__new__:
        yield "creates its objects in its own __new__"
    if kind.__reduce_ex__ is not base.__reduce_ex__ or kind.__reduce__ not in (base.__reduce__, *_KNOWN_COPIERS):
        yield "defines how it is copied, in __reduce__"
    if type(kind).__call__ not in (type.__call__, _STRUCT_META.__call__):
        yield "creates its objects in its metaclass"
    if is_struct and hasattr(kind, "__post_init__"):  # msgspec creates a Struct in no other way
        yield "runs code in __post_init__"
    if is_plain:
        yield from (f"has a descriptor for its field {name}" for name in _fields(kind) if _is_computed(kind, name))


def _fields(kind: Any) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass, Struct or named tuple."""
    if dataclasses.is_dataclass(kind):
        return tuple([field.name for field in dataclasses.fields(kind)])
    fields: tuple[str, ...] = getattr(kind, "__struct_fields__", getattr(kind, "_fields", ()))
    return fields if issubclass(kind, (msgspec.Struct, tuple)) else ()


def _is_computed(kind: type, name: str) -> bool:
    """Return whether a descriptor stores a field, in a location of its choice."""
    descriptor = inspect.getattr_static(kind, name, None)
    return hasattr(type(descriptor), "__set__") and not isinstance(descriptor, MemberDescriptorType)


def _slots(kind: type, base: type) -> dict[str, Any]:
    """Return the descriptors of the slots that a type adds to its base; two classes may have slots of the same name."""
    if base is msgspec.Struct:
        return {}
    return {
        f"{owner.__qualname__}.{name}": slot
        for owner in kind.__mro__
        if owner not in base.__mro__
        for name, slot in vars(owner).items()
        if isinstance(slot, MemberDescriptorType)
    }


def _read_slot(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value)
    except AttributeError:
        return ABSENT


def _dictionary(kind: type) -> Any:
    """Return the descriptor of the attribute dictionary; None if there is none."""
    descriptor = next((vars(owner)["__dict__"] for owner in kind.__mro__ if "__dict__" in vars(owner)), None)
    if descriptor is not None and not isinstance(descriptor, GetSetDescriptorType):
        raise SerializationError(f"{kind.__module__}:{kind.__qualname__} defines __dict__")
    return descriptor


def _flatten(items: Iterable[tuple[Any, Any]]) -> list[Any]:
    return list(chain.from_iterable(items))


def _fill_ordered(value: Any, parts: list[Any]) -> None:
    for key, part in pairs(parts):
        OrderedDict.__setitem__(value, key, part)


def _fill_struct(value: Any, parts: list[Any]) -> None:
    for name, part in zip(value.__struct_fields__, parts, strict=True):
        force_setattr(value, name, part)


def _create_struct(kind: Any) -> Any:
    """Return a Struct without its values; the list in their stead has the garbage collector track the Struct."""
    return kind(**{name: [] for name in kind.__struct_fields__})


# All functions are those of the built-in types, which read and write the content itself, whatever a subclass overrides.
_BASES: dict[type, _Base] = {
    object: _Base(lambda _: [], object.__new__, lambda *_: None),
    msgspec.Struct: _Base(
        lambda value: [getattr(value, name) for name in value.__struct_fields__], _create_struct, _fill_struct
    ),
    int: _Base(lambda value: [int.__int__(value)], lambda kind, parts: int.__new__(kind, *parts)),
    float: _Base(lambda value: [float.__float__(value)], lambda kind, parts: float.__new__(kind, *parts)),
    complex: _Base(lambda value: [complex.__complex__(value)], lambda kind, parts: complex.__new__(kind, *parts)),
    str: _Base(lambda value: [str.__str__(value)], lambda kind, parts: str.__new__(kind, *parts)),
    bytes: _Base(lambda value: [bytes.__bytes__(value)], lambda kind, parts: bytes.__new__(kind, *parts)),
    bytearray: _Base(
        lambda value: [bytes(bytearray.__getitem__(value, slice(None)))],
        bytearray.__new__,
        lambda value, parts: bytearray.__init__(value, *parts),
    ),
    tuple: _Base(lambda value: list(tuple.__iter__(value)), tuple.__new__),
    list: _Base(list.copy, list.__new__, list.extend),
    dict: _Base(
        lambda value: _flatten(dict.items(value)),
        dict.__new__,
        lambda value, parts: dict.update(value, pairs(parts)),
    ),
    OrderedDict: _Base(lambda value: _flatten(OrderedDict.items(value)), OrderedDict.__new__, _fill_ordered),
    set: _Base(lambda value: list(set.__iter__(value)), set.__new__, set.update),
    frozenset: _Base(lambda value: list(frozenset.__iter__(value)), frozenset.__new__),
}
# Built-in types whose objects consist of their content alone.
EXACT_TYPES = (list, dict, tuple, set, frozenset, bytearray)
