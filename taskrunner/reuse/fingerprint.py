"""Fingerprint of a callable: a string that changes when the code of the callable changes.

It is computed from the compiled code and not from the source file. The file may have changed since its import, and
two lambdas on one line of it cannot be distinguished. So comments and layout do not count. A function counts with

- its defaults,
- the variables that it closes over,
- and the functions, classes and values of its module that it names, and recursively those that they name there.

Of other modules only the names count.

Some values are more than data, such as a logger or a lock. If a name of the module refers to such a value, only its
type counts. If a function closes over such a value, the code does not determine the result of the function. Many
functions may share this code, and nothing else distinguishes them. So such a function has no fingerprint.
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
# Types whose values are equal if their reprs are.
_DEFINED_BY_REPR = (
    dt.date, dt.time, dt.timedelta, dt.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID, PurePath,
    range, slice, bytearray, GenericAlias, UnionType,
)  # fmt: skip
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
# Members of a class that describe its location and not its behavior. Its methods determine the static attributes.
_BOOKKEEPING = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__", "_abc_impl"}
)
_LruCache = type(functools.lru_cache(int))
_CALLABLES = (FunctionType, MethodType, functools.partial, _LruCache, type, BuiltinFunctionType)


class UnknownCodeError(Exception):
    """A callable whose code does not determine its result."""


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a string that is the same as long as the code of a callable is.

    Raises:
        UnknownCodeError: it has no Python code, or belongs to an object whose state is unknown.

    """
    try:
        return _Reader().root(function).hex()
    except UnknownCodeError:
        raise
    except Exception as error:  # noqa: BLE001  cyclic values, and objects whose own methods raise anything
        raise UnknownCodeError(f"its code cannot be read: {type(error).__name__}") from None


class _Reader:
    """A reader of the code of one callable and of everything that it refers to.

    A repeated object is replaced by the number of its first visit. ``module`` is the name of the module whose code is
    read. ``strict``: a value without a fingerprint is an error.
    """

    def __init__(self) -> None:
        self._visited: dict[int, int] = {}

    def root(self, function: Any) -> bytes:
        """Return the digest of the callable of a node."""
        version = sys.implementation.cache_tag or ""
        return _digest("root", version.encode(), self._root(function))

    def _root(self, function: Any) -> bytes:
        if isinstance(function, functools.partial):
            bound = self._value((function.args, function.keywords), "", strict=True)
            return _digest("partial", self._root(function.func), bound)
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
        if reference := self._reference(function):
            return reference
        module, variables = str(function.__module__), function.__globals__
        # The strict values are read first, because a visited object is not read again.
        defaults = self._value((function.__defaults__, function.__kwdefaults__), module, strict=strict)
        cells = [self._cell(cell, module, strict=strict) for cell in function.__closure__ or ()]
        names = [name for name in sorted(_global_names(function.__code__)) if name in variables]
        values = [_digest("name", _bytes(name), self._value(variables[name], module)) for name in names]
        code = self._value(function.__code__, module)
        return _digest("function", _name(function), code, defaults, *cells, *values)

    def _cell(self, cell: Any, module: str, *, strict: bool) -> bytes:
        try:
            content = cell.cell_contents
        except ValueError:  # not yet filled
            return b""
        if isinstance(content, FunctionType):  # the function that a decorator received: it may be from any module
            return self._function(content, strict=strict)
        return self._value(content, module, strict=strict)

    def _code(self, code: CodeType) -> bytes:
        """Read the properties that determine the behavior of compiled code: not its name, nor its lines."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        facts = (code.co_code, code.co_exceptiontable, counts, names, code.co_consts)
        return _digest("code", self._value(facts, ""))

    def _class(self, kind: type) -> bytes:
        if reference := self._reference(kind):
            return reference
        module = kind.__module__
        bases = [self._callable(base, module) for base in (type(kind), *kind.__bases__)]
        members = [(name, value) for name, value in sorted(vars(kind).items()) if name not in _BOOKKEEPING]
        digests = [_digest("member", _bytes(name), self._member(value, module)) for name, value in members]
        return _digest("class", _name(kind), *bases, *digests)

    def _member(self, member: Any, module: str) -> bytes:
        if isinstance(member, staticmethod | classmethod):
            return _digest(type(member).__name__, self._value(member.__func__, module))
        if isinstance(member, property):
            return _digest("property", self._value((member.fget, member.fset, member.fdel), module))
        if isinstance(member, functools.cached_property):
            return _digest("cached", self._value(member.func, module))
        return self._value(member, module)

    def _callable(self, value: Any, module: str, *, strict: bool = False) -> bytes:
        """Read a callable: all of its code if it belongs to the module, else its name."""
        if isinstance(value, FunctionType):
            if strict or value.__module__ == module or value.__closure__:  # it may contain a function of the module
                return self._function(value, strict=strict)
        elif _is_class_of_python(value) and value.__module__ == module:
            return self._class(value)
        parts = _parts_of(value)
        return _digest("named", _name(value), *[self._value(part, module, strict=strict) for part in parts])

    # -- values ------------------------------------------------------------------------------------

    def _value(self, value: Any, module: str, *, strict: bool = False) -> bytes:
        kind = type(value)
        if kind in _SCALARS:
            return _digest(kind.__name__, _scalar(value))
        if kind in (list, tuple, set, frozenset):
            parts = [self._value(part, module, strict=strict) for part in value]
            return _digest(kind.__name__, *(parts if kind in (list, tuple) else sorted(parts)))
        if kind in (dict, MappingProxyType):
            pairs = [self._value(pair, module, strict=strict) for pair in value.items()]
            return _digest("dict", *pairs)
        if kind is CodeType:
            return self._code(value)
        if isinstance(value, _CALLABLES):
            return self._callable(value, module, strict=strict)
        return self._object(value, module, strict=strict)

    def _object(self, value: Any, module: str, *, strict: bool) -> bytes:
        kind = type(value)
        name = _name(kind)
        if isinstance(value, re.Pattern):
            return _digest("pattern", self._value((value.pattern, value.flags), module))
        if isinstance(value, _DEFINED_BY_REPR):
            return _digest("repr", name, _bytes(repr(value)))
        if reference := self._reference(value):
            return reference
        fields = _fields_of(value)
        if fields is None and strict:
            raise UnknownCodeError(f"it holds an object of type {kind.__qualname__}")
        if fields is None and kind.__module__ == module:
            fields = getattr(value, "__dict__", None)
        parts = () if fields is None else (self._value(fields, module, strict=strict),)
        return _digest("object", name, self._callable(kind, module), *parts)

    def _reference(self, value: Any) -> bytes:
        """Return the number of a visited object; empty at the first visit."""
        if id(value) in self._visited:
            return _digest("again", str(self._visited[id(value)]).encode())
        self._visited[id(value)] = len(self._visited)
        return b""


def _is_class_of_python(value: Any) -> bool:
    return isinstance(value, type) and "__firstlineno__" in vars(value)  # the compiler sets it


def _parts_of(value: Any) -> tuple[Any, ...]:
    """Return the parts of a composed callable; empty for any other."""
    if isinstance(value, MethodType):
        return (value.__self__, value.__func__)
    if isinstance(value, functools.partial):
        return (value.func, value.args, value.keywords)
    if isinstance(value, BuiltinFunctionType) and not isinstance(value.__self__, ModuleType | None):
        return (value.__self__,)
    return (value.__wrapped__,) if type(value) is _LruCache else ()


def _fields_of(value: Any) -> dict[str, Any] | None:
    """Return the fields of an object that consists only of fields, else None."""
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
    """Return the names that code, and the code nested in it, loads from its module."""
    names = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname in _LOADS}
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
    return _bytes(f"{value:x}" if type(value) is int else repr(value))  # a repr is limited to 4300 digits


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _digest(kind: str, *parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(_framed((kind.encode(), *parts)))).digest()


def _framed(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Yield each part after its length, so that no two lists of parts give the same bytes."""
    for part in parts:
        yield len(part).to_bytes(8, "little")
        yield part
