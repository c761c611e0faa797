"""Fingerprint of a callable: a string that changes when its code changes, or the data that the code reads.

Guarantee: two processes compute equal fingerprints only if the user's own code and data that a call can reach are equal.
They count transitively, across the modules of the project:

- A function counts with its defaults, the variables that it closes over, its attributes and annotations, and with each
  function, class and value that it names, in its own module or as an attribute of another one.
- A module counts as a whole if code uses it in another way than for an attribute, or imports it when it runs.
- A class counts with its bases and all of its members. An instance counts with its class and its content.
- An installed module counts by the version of its distribution, and the standard library by the version of Python.

A value whose content cannot be read, such as a lock or an open file, is an error that names the value. So is code that
reaches modules by computed names.

Cost: linear in the number of objects that a call can reach. The analysis of compiled code is cached.
"""

import _abc
import builtins
import functools
import importlib.machinery
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

import msgspec

from taskrunner.reuse.bytecode import Import, Names, code_digest, names_in
from taskrunner.reuse.content import UnreadableError, content, mapping
from taskrunner.reuse.digest import digest, scalar, text
from taskrunner.reuse.object_graph import ObjectGraph
from taskrunner.reuse.origin import PYTHON, file_digest, is_extension, version_of

# Names of a module that describe its location or its import.
_MODULE_BOOKKEEPING = frozenset(
    {"__builtins__", "__cached__", "__file__", "__loader__", "__package__", "__path__", "__spec__", "__warningregistry__"}
)
# Members of a class that describe its location, that its methods determine, or that its use changes.
_CLASS_BOOKKEEPING = frozenset(
    {
        "__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__", "__annotations_cache__",
        "__msgspec_cache__", "_abc_impl", "_value2member_map_", "_hashable_values_", "_unhashable_values_",
    }
)  # fmt: skip
_STRUCT_MEMBERS = ("__struct_fields__", "__struct_encode_fields__", "__struct_defaults__", "__struct_config__")
# Functions that read the variables of the module that calls them.
_NAMESPACE_READERS = frozenset({"globals", "eval", "exec"})
_LruCache = type(functools.lru_cache(int))
_SINGLE_DISPATCH = functools.singledispatch(lambda _: None).__code__  # type: ignore[attr-defined]
_ABSENT = b"absent"
# The digests of installed functions and classes, by address; the value keeps its address in use.
_INSTALLED: dict[int, tuple[Any, bytes]] = {}
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8  # flags of a class


class UnknownCodeError(Exception):
    """A callable or a value whose code and data cannot be read."""


class Snapshot:
    """The code and data of one callable at one time.

    - ``fingerprint``: the digest of all of it.

    Raises:
        UnknownCodeError: it has no Python code, or it reaches a value whose content cannot be read.

    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._reader = _read_root(function, _Reader())
        self.fingerprint = self._reader.root.hex()

    def find_change(self) -> str:
        """Return which value has changed since, as a sentence; empty if none has."""
        try:
            current = _read_root(self._function, _Reader(self._reader.unimported))
        except UnknownCodeError as error:
            return str(error)
        if current.root == self._reader.root:
            return ""
        before = self._reader.named
        changed = [name for name, value in current.named.items() if before.get(name) != value]
        return f"{changed[0] if changed else 'its code'} has changed since the run began"


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a string that is the same as long as the code and the data of a callable are.

    Raises:
        UnknownCodeError: it has no Python code, or it reaches a value whose content cannot be read.

    """
    return Snapshot(function).fingerprint


def value_digest(value: Any) -> str:
    """Return a string that is the same for values with the same types and the same content.

    The code of own classes is part of the content, because a call may run their methods.

    Raises:
        UnknownCodeError: it contains a value whose content cannot be read.

    """
    reader = _Reader()
    with _Errors(reader):
        return digest("value", reader.read(value)).hex()


class _Errors:
    """A context that turns every error of a reader into an ``UnknownCodeError`` that names the value."""

    def __init__(self, reader: "_Reader") -> None:
        self._reader = reader

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        subject = self._reader.subject
        if isinstance(error, UnreadableError):
            raise UnknownCodeError(f"{subject} holds {error}, whose content cannot be read") from None
        if isinstance(error, Exception) and not isinstance(error, UnknownCodeError):
            raise UnknownCodeError(f"{subject} cannot be read: {type(error).__name__}") from None


def _read_root(function: Any, reader: "_Reader") -> "_Reader":
    with _Errors(reader):
        _check_root(function)
        reader.root = digest("root", text(PYTHON), reader.read(function))
    return reader


def _check_root(function: Any) -> None:
    """Raise UnknownCodeError unless Python code and its bound data determine a callable."""
    if isinstance(function, functools.partial):
        return _check_root(function.func)
    if isinstance(function, MethodType):
        if not isinstance(function.__self__, type):
            raise UnknownCodeError("it belongs to an object")
        return _check_root(function.__func__)
    if type(function) is _LruCache:
        return _check_root(function.__wrapped__)
    if not isinstance(function, FunctionType) and not _is_python_class(function):
        raise UnknownCodeError("it has no Python code")
    return None


class _Reader:
    """A reader of code and of everything that it reaches.

    - ``named``: the digest of each variable of a module that was read, by its qualified name.
    - ``unimported``: the own modules that a call would import. They are read from their files.
    - ``subject``: the name of the variable that is being read.
    """

    def __init__(self, unimported: Iterable[str] = ()) -> None:
        self.named: dict[str, bytes] = {}
        self.unimported = set(unimported)
        self.subject = "it"
        self.root = b""
        self._graph = ObjectGraph(self._describe)
        self._files: set[str] = set()

    def read(self, value: Any) -> bytes:
        """Return the digest of a value."""
        if (token := scalar(value)) is not None:
            return token
        if (known := _INSTALLED.get(id(value))) is not None:
            return known[1]
        if isinstance(value, Enum):  # not a vertex of its own: a cycle is always entered by the class
            return digest("enum", self.read(type(value)), self._enum_state(value))
        return self._graph.read(value)

    def _describe(self, value: Any) -> bytes:
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, CodeType):
            return code_digest(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, MethodType | BuiltinFunctionType | MethodWrapperType):
            return self._method(value)
        if type(value) is dict and "__builtins__" in value:
            return self._variables(value)
        if value is sys.modules:
            raise UnknownCodeError(f"{self.subject} is sys.modules, which can reach any code")
        if extension := _extension_of(value):
            return digest("extension value", file_digest(extension), _name(value))
        if version := _installed_version(value):
            return digest("named", text(version), _name(value))
        return content(value, self.read, is_own=_is_own(type(value)))

    def _enum_state(self, value: Enum) -> bytes:
        state = {name: part for name, part in vars(value).items() if name != "_inverted_"}
        return mapping(state.items(), self.read)

    # -- functions -----------------------------------------------------------------------------------

    def _function(self, function: FunctionType) -> bytes:
        variables = function.__globals__
        module = str(variables.get("__name__", ""))
        version = version_of(module, variables.get("__file__"))
        if version is not None:
            return self._installed_function(function, version)
        code = self._code(function.__code__, variables, module)
        annotations = getattr(function, "__annotate__", None) or function.__annotations__
        parts = (function.__defaults__, function.__kwdefaults__, function.__closure__, annotations)
        return digest("function", _name(function), code, *map(self.read, parts), mapping(vars(function).items(), self.read))

    def _installed_function(self, function: FunctionType, version: str) -> bytes:
        """Read a function that is not the user's own, but may refer to own ones."""
        name = digest("installed", text(version), _name(function), text(function.__code__.co_qualname))
        if _is_attribute(function, str(function.__globals__.get("__name__")), function.__code__.co_qualname):
            return _remember(function, name)
        if function.__code__ is _SINGLE_DISPATCH:
            return digest("dispatch", name, self.read(dict(function.registry)))  # type: ignore[attr-defined]
        parts = (function.__defaults__, function.__kwdefaults__, function.__closure__)
        return digest("closure", name, *map(self.read, parts), mapping(vars(function).items(), self.read))

    def _method(self, method: Any) -> bytes:
        owner, name = method.__self__, _name(method)
        version = version_of(str(getattr(method, "__module__", None) or type(owner).__module__))
        if version is not None and _is_importable(method):
            return _remember(method, digest("named", text(version), name))
        if isinstance(owner, ModuleType):
            return digest("of module", name, self._module_version(owner))
        function = getattr(method, "__func__", None)
        return digest("method", name, self.read(owner), self.read(function))

    def _code(self, code: CodeType, variables: dict[str, Any], module: str) -> bytes:
        """Read code and the variables of its module that it names."""
        names = _checked_names(code, f"{module}:{code.co_qualname}")
        parts = [digest("path", *map(text, path), self._path(path, variables, module)) for path in names.paths]
        parts += [self._import(item, variables) for item in names.imports]
        return digest("code", code_digest(code), *parts)

    # -- names ---------------------------------------------------------------------------------------

    def _path(self, path: tuple[str, ...], variables: dict[str, Any], module: str) -> bytes:
        name, *attributes = path
        if name not in variables:
            if "__getattr__" in variables and not hasattr(builtins, name):
                return _ABSENT
            if name in _NAMESPACE_READERS:
                return self.read(variables)
            return self.read(getattr(builtins, name)) if hasattr(builtins, name) else _ABSENT
        return self._chain(f"{module}.{name}", variables[name], attributes)

    def _chain(self, name: str, value: Any, attributes: list[str]) -> bytes:
        """Read the attributes of an own module one after the other, and the first value that is not one."""
        if not isinstance(value, ModuleType) or not attributes:
            return self._named(name, value)
        if not _is_own_module(value):
            if (value, attributes[0]) == (sys, "modules"):
                raise UnknownCodeError(f"{name}.modules is used, which can reach any code")
            return self._module(value)
        return self._attribute(value, attributes[0], attributes[1:])

    def _attribute(self, module: ModuleType, attribute: str, attributes: list[str]) -> bytes:
        variables = vars(module)
        if f"{module.__name__}.{attribute}" in self.unimported:
            return self._imported(f"{module.__name__}.{attribute}")
        if type(module) is not ModuleType or attribute.startswith("__"):
            return self._module(module)
        if attribute in variables:
            return self._chain(f"{module.__name__}.{attribute}", variables[attribute], attributes)
        if "__getattr__" in variables:
            return digest("computed", self._named(f"{module.__name__}.__getattr__", variables["__getattr__"]))
        return self._imported(f"{module.__name__}.{attribute}")

    def _named(self, name: str, value: Any) -> bytes:
        """Read the value of a variable, and record its digest."""
        outer, self.subject = self.subject, name
        result = self.named[name] = self.read(value)
        self.subject = outer
        return result

    # -- modules -------------------------------------------------------------------------------------

    def _module(self, module: ModuleType) -> bytes:
        version = self._module_version(module)
        if not _is_own_module(module):
            return digest("module", text(module.__name__), version)
        kind = b"" if type(module) is ModuleType else self.read(type(module))
        return digest("own module", kind, version, self.read(vars(module)))

    def _module_version(self, module: ModuleType) -> bytes:
        file = getattr(module, "__file__", None)
        if file and is_extension(file) and _is_own_module(module):
            return file_digest(file)
        return text(version_of(module.__name__, file) or "")

    def _variables(self, variables: dict[str, Any]) -> bytes:
        """Read all variables of a module."""
        module, parts = str(variables.get("__name__", "")), []
        for name in sorted(variables.keys() - _MODULE_BOOKKEEPING):
            value = variables[name]
            if not isinstance(value, ModuleType) or value.__name__ not in self.unimported:
                parts += [text(name), self._named(f"{module}.{name}", value)]
        return digest("variables", *parts)

    def _import(self, item: Import, variables: dict[str, Any]) -> bytes:
        """Read the modules or the names that an import statement in a function imports."""
        package = variables.get("__package__") or str(variables.get("__name__", "")).rpartition(".")[0]
        name = importlib.util.resolve_name("." * item.level + item.module, package) if item.level else item.module
        return digest("import", *map(text, (name, *(item.names or ()))), self._imported_names(name, item.names))

    def _imported_names(self, name: str, names: tuple[str, ...] | None) -> bytes:
        module = self._imported_module(name)
        if module is not None and not _is_own_module(module):
            return self._module(module)
        if module is not None and names and "*" not in names:
            return digest("names", *[self._attribute(module, attribute, []) for attribute in names])
        submodules = [f"{name}.{attribute}" for attribute in names or () if _find_spec(f"{name}.{attribute}")]
        return digest("modules", *[self._imported(item) for item in (name, *submodules)])

    def _imported_module(self, name: str) -> ModuleType | None:
        return None if name in self.unimported else sys.modules.get(name)

    def _imported(self, name: str) -> bytes:
        """Read a module as a whole, with the packages that contain it."""
        parts = name.split(".")
        names = [".".join(parts[: count + 1]) for count in range(len(parts))]
        modules = [(item, self._imported_module(item)) for item in names]
        return digest("imported", *[self._file(item) if module is None else self.read(module) for item, module in modules])

    def _file(self, name: str) -> bytes:
        """Read a module that a call would import: its file, and the modules that its code would import.

        The module is not imported, because its import may depend on what precedes it in the call.
        """
        again = digest("file", text(name))
        if name in self._files:
            return again
        self._files.add(name)
        self.unimported.add(name)
        spec = _find_spec(name)
        file = spec.origin if spec is not None and spec.has_location else None
        version = None if spec is None else version_of(name, file)
        if spec is None or version is not None:
            return digest("file", text(name), text(version or "missing"))
        if file is not None and is_extension(file):
            return digest("file", text(name), file_digest(file))
        code = None if spec.loader is None else spec.loader.get_code(name)  # type: ignore[attr-defined]
        return again if code is None else digest("file", text(name), self._file_code(code, name, spec))

    def _file_code(self, code: CodeType, name: str, spec: importlib.machinery.ModuleSpec) -> bytes:
        names = _checked_names(code, name)
        variables = {"__name__": name, "__package__": spec.parent}
        return digest("code", code_digest(code), *[self._import(item, variables) for item in names.imports])

    # -- classes -------------------------------------------------------------------------------------

    def _class(self, kind: type) -> bytes:
        version = version_of(str(kind.__module__))
        if version is not None and (_is_importable(kind) or not _is_created_by_python(kind)):
            return _remember(kind, digest("named", text(version), _name(kind)))
        if extension := _extension_of(kind):
            return digest("extension", file_digest(extension), _name(kind))
        members = [(name, value) for name, value in sorted(vars(kind).items()) if name not in _CLASS_BOOKKEEPING]
        if isinstance(kind, type(msgspec.Struct)):
            members += [(name, getattr(kind, name)) for name in _STRUCT_MEMBERS]
        bases = [self.read(base) for base in (type(kind), *kind.__bases__)]
        return digest("class", _name(kind), *bases, mapping(members, self.read), self._virtual_subclasses(kind))

    def _virtual_subclasses(self, kind: type) -> bytes:
        if "_abc_impl" not in vars(kind):
            return b""
        references, *_ = _abc._get_dump(kind)  # noqa: SLF001  the only access
        classes = [subclass for reference in references if (subclass := reference()) is not None]
        return digest("registry", *map(self.read, sorted(classes, key=_name)))


def _remember(value: Any, token: bytes) -> bytes:
    """Store the digest of an installed function or class for all later fingerprints of this process."""
    _INSTALLED[id(value)] = value, token
    return token


def _checked_names(code: CodeType, owner: str) -> Names:
    """Return the names in code.

    Raises:
        UnknownCodeError: it reaches modules or variables by names that it computes.

    """
    names = names_in(code)
    if names.dynamic:
        raise UnknownCodeError(f"{owner} uses {names.dynamic}, which can reach any code")
    return names


def _find_spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Return the spec of a module without an import of the packages that contain it."""
    path: Any = None
    spec = None
    for prefix in itertools.accumulate(name.split("."), "{}.{}".format):
        finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
        spec = next((spec for finder in finders if (spec := finder.find_spec(prefix, path, None))), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations or ()
    return spec


def _is_own(kind: type) -> bool:
    return version_of(str(kind.__module__)) is None


def _is_own_module(module: ModuleType) -> bool:
    return version_of(module.__name__, getattr(module, "__file__", None)) is None


def _is_python_class(value: Any) -> bool:
    return isinstance(value, type) and "__firstlineno__" in vars(value)  # the compiler sets it


def _is_created_by_python(kind: type) -> bool:
    return bool(kind.__flags__ & _HEAP_TYPE) and not kind.__flags__ & _IMMUTABLE_TYPE


def _is_importable(value: Any) -> bool:
    """Return whether a module has a class, function or method under its name."""
    owner = getattr(value, "__self__", None)
    module = str(getattr(value, "__module__", None) or type(owner).__module__)
    return any(_is_attribute(value, module, name) for name in (value.__qualname__, value.__name__))


def _is_attribute(value: Any, module: str, name: str) -> bool:
    """Return whether a module has this value, or an equal bound method, under a qualified name."""
    target: Any = sys.modules.get(module)
    for part in name.split("."):
        target = getattr(target, part, None)
    return target is value or (hasattr(value, "__self__") and type(target) is type(value) and bool(target == value))


def _extension_of(value: Any) -> str | None:
    """Return the file of the user's own machine code that defines a class or a function, or None."""
    if not _has_name(value):
        return None
    file = getattr(sys.modules.get(value.__module__), "__file__", None)
    return file if is_extension(file) and version_of(value.__module__, file) is None else None


def _installed_version(value: Any) -> str | None:
    """Return the version of a function that machine code defines in an installed module, else None."""
    return version_of(value.__module__) if _has_name(value) and _is_importable(value) else None


def _has_name(value: Any) -> bool:
    """Return whether a value is a function or a class with the name of its module; the user's methods are not called."""
    names = ("__module__", "__qualname__", "__name__")
    if not callable(value) or hasattr(type(value), "__getattr__"):
        return False
    return all(isinstance(getattr(value, name, None), str) for name in names)


def _name(value: Any) -> bytes:
    return text(f"{getattr(value, '__module__', None)}:{value.__qualname__}")
