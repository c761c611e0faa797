"""What a callable computes, as far as its code tells: a text that changes when the code does.

It is taken from the compiled code and not from the file: that may have changed since it was imported, and two
lambdas on one line of it cannot be told apart. So comments and layout do not count. A function counts with its
defaults, with what it closes over, and with the functions, classes and values of its own module that it
names, and with what these name there in turn. Of other modules only the names count.

Of a value that is more than data, such as a logger or a lock, only the type counts where a name of the
module leads to it. Where a function closes over such a value its code does not tell what it computes:
there may be many such functions, and nothing else that tells one from the other.
"""

import dataclasses
import datetime as dt
import decimal
import dis
import enum
import fractions
import functools
import hashlib
import re
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import Any

import msgspec

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, EllipsisType})
# What is equal where its repr is.
_DEFINED_BY_REPR = (
    dt.date, dt.time, dt.timedelta, dt.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID, PurePath,
    range, slice, bytearray, GenericAlias, UnionType,
)  # fmt: skip
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
# Members of a class that say where it stands, not what it does. The static attributes follow from its methods.
_BOOKKEEPING = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__", "_abc_impl"}
)
_LruCache = type(functools.lru_cache(int))


class UnknownCodeError(Exception):
    """The code of a callable does not tell what it computes."""


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a text that is the same as long as a callable's code is.

    Raises:
        UnknownCodeError: it has no Python code, or belongs to an object whose state nobody knows.

    """
    try:
        return _Reader().root(function).hex()
    except UnknownCodeError:
        raise
    except Exception as error:  # noqa: BLE001  circles, and objects whose own methods raise anything
        raise UnknownCodeError(f"its code cannot be read: {type(error).__name__}") from None


class _Reader:
    """Reads the code of one callable and all that it leads to; what it has met already is told by a number.

    ``own`` is the name of the module that is looked into. ``strict``: what cannot be told is an error.
    """

    def __init__(self) -> None:
        self._met: dict[int, int] = {}

    def root(self, function: Any) -> bytes:
        """Return the digest of what a node calls."""
        version = sys.implementation.cache_tag or ""
        return _digest("root", version.encode(), self._root(function))

    def _root(self, function: Any) -> bytes:
        if isinstance(function, functools.partial):
            given = self._value((function.args, function.keywords), "", strict=True)
            return _digest("partial", self._root(function.func), given)
        if isinstance(function, MethodType):
            if not isinstance(function.__self__, type):
                raise UnknownCodeError("it belongs to an object")
            return _digest("method", self._class(function.__self__), self._root(function.__func__))
        if type(function) is _LruCache:
            return self._root(function.__wrapped__)
        if isinstance(function, FunctionType):
            return self._function(function, strict=True)
        if _is_class_of_python(function):
            return self._class(function)
        raise UnknownCodeError("it has no Python code")

    # -- code --------------------------------------------------------------------------------------

    def _function(self, function: FunctionType, *, strict: bool) -> bytes:
        if again := self._reference(function):
            return again
        own, known = str(function.__module__), function.__globals__
        # What is strict is read first: what has been met is not read again.
        given = self._value((function.__defaults__, function.__kwdefaults__), own, strict=strict)
        cells = [self._cell(cell, own, strict=strict) for cell in function.__closure__ or ()]
        names = [name for name in sorted(_global_names(function.__code__)) if name in known]
        values = [_digest("name", _bytes(name), self._value(known[name], own)) for name in names]
        code = self._value(function.__code__, own)
        return _digest("function", _name(function), code, given, *cells, *values)

    def _cell(self, cell: Any, own: str, *, strict: bool) -> bytes:
        try:
            content = cell.cell_contents
        except ValueError:  # not yet filled
            return b""
        if isinstance(content, FunctionType):  # what a decorator has got: it may be of any module
            return self._function(content, strict=strict)
        return self._value(content, own, strict=strict)

    def _code(self, code: CodeType) -> bytes:
        """Read what decides what compiled code does: not its name, nor its lines."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        facts = (code.co_code, code.co_exceptiontable, counts, names, code.co_consts)
        return _digest("code", self._value(facts, ""))

    def _class(self, kind: type) -> bytes:
        if again := self._reference(kind):
            return again
        own = kind.__module__
        above = [self._callable(base, own) for base in (type(kind), *kind.__bases__)]
        members = [(name, value) for name, value in sorted(vars(kind).items()) if name not in _BOOKKEEPING]
        found = [_digest("member", _bytes(name), self._member(value, own)) for name, value in members]
        return _digest("class", _name(kind), *above, *found)

    def _member(self, member: Any, own: str) -> bytes:
        if isinstance(member, staticmethod | classmethod):
            return _digest(type(member).__name__, self._value(member.__func__, own))
        if isinstance(member, property):
            return _digest("property", self._value((member.fget, member.fset, member.fdel), own))
        if isinstance(member, functools.cached_property):
            return _digest("cached", self._value(member.func, own))
        return self._value(member, own)

    def _callable(self, value: Any, own: str, *, strict: bool = False) -> bytes:
        """Read what is called, or could be: whole if it is of the module, else its name."""
        if isinstance(value, FunctionType):
            if strict or value.__module__ == own or value.__closure__:  # which may hold one that is of the module
                return self._function(value, strict=strict)
        elif _is_class_of_python(value) and value.__module__ == own:
            return self._class(value)
        parts = _parts_of(value)
        return _digest("named", _name(value), *[self._value(part, own, strict=strict) for part in parts])

    # -- values ------------------------------------------------------------------------------------

    def _value(self, value: Any, own: str, *, strict: bool = False) -> bytes:
        kind = type(value)
        if kind in _SCALARS:
            return _digest(kind.__name__, _scalar(value))
        if kind in (list, tuple, set, frozenset):
            parts = [self._value(part, own, strict=strict) for part in value]
            return _digest(kind.__name__, *(parts if kind in (list, tuple) else sorted(parts)))
        if kind in (dict, MappingProxyType):
            pairs = [self._value(pair, own, strict=strict) for pair in value.items()]
            return _digest("dict", *pairs)
        if kind is CodeType:
            return self._code(value)
        if isinstance(value, _CALLABLES):
            return self._callable(value, own, strict=strict)
        return self._object(value, own, strict=strict)

    def _object(self, value: Any, own: str, *, strict: bool) -> bytes:
        kind = type(value)
        name = _name(kind)
        if isinstance(value, re.Pattern):
            return _digest("pattern", self._value((value.pattern, value.flags), own))
        if isinstance(value, _DEFINED_BY_REPR):
            return _digest("repr", name, _bytes(repr(value)))
        if again := self._reference(value):
            return again
        fields = _fields_of(value)
        if fields is None and strict:
            raise UnknownCodeError(f"it holds an object of type {kind.__qualname__}")
        if fields is None and kind.__module__ == own:
            fields = getattr(value, "__dict__", None)
        parts = () if fields is None else (self._value(fields, own, strict=strict),)
        return _digest("object", name, self._callable(kind, own), *parts)

    def _reference(self, value: Any) -> bytes:
        """Return the number of what has been met; empty at the first time."""
        if id(value) in self._met:
            return _digest("again", str(self._met[id(value)]).encode())
        self._met[id(value)] = len(self._met)
        return b""


_CALLABLES = (FunctionType, MethodType, functools.partial, _LruCache, type, BuiltinFunctionType)


def _is_class_of_python(value: Any) -> bool:
    return isinstance(value, type) and "__firstlineno__" in vars(value)  # which the compiler sets


def _parts_of(value: Any) -> tuple[Any, ...]:
    """Return what a callable is put together from, where it is."""
    if isinstance(value, MethodType):
        return (value.__self__, value.__func__)
    if isinstance(value, functools.partial):
        return (value.func, value.args, value.keywords)
    if isinstance(value, BuiltinFunctionType) and not isinstance(value.__self__, ModuleType | None):
        return (value.__self__,)
    return (value.__wrapped__,) if type(value) is _LruCache else ()


def _fields_of(value: Any) -> dict[str, Any] | None:
    """Return the fields of an object that consists of nothing else; None: it is another one."""
    if isinstance(value, enum.Enum):
        return {"name": value.name, "value": value.value}
    if isinstance(value, ModuleType):
        return {"name": value.__name__}
    if type(value) is object:
        return {}
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _global_names(code: CodeType) -> set[str]:
    """Return the names that code, and what is defined in it, looks up in its module."""
    names = {found.argval for found in dis.get_instructions(code) if found.opname in _LOADS}
    for const in code.co_consts:
        if isinstance(const, CodeType):
            names |= _global_names(const)
    return names


def _name(value: Any) -> bytes:
    qualified = getattr(value, "__qualname__", None) or type(value).__qualname__
    return _bytes(f"{getattr(value, '__module__', None)}:{qualified}")


def _scalar(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return _bytes(f"{value:x}" if type(value) is int else repr(value))  # a repr has no more than 4300 digits


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _digest(kind: str, *parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(_framed((kind.encode(), *parts)))).digest()


def _framed(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Write each part with its length, so that no two lists of parts become the same bytes."""
    for part in parts:
        yield len(part).to_bytes(8, "little")
        yield part
