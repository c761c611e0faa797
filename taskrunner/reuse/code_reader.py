"""Code reader: digests of functions, classes and modules, with everything that they reach.

- A function counts with its defaults, the variables that it closes over, its attributes and annotations, and with each
  function, class and value that it names, in its own module or as an attribute of another one.
- A module counts as a whole if code uses it in another way than for an attribute, or imports it when it runs.
- A class counts with its bases and all of its members. An instance counts with its class and its content.
- A function, a class or a module that is not the user's own counts by its name and the version of its distribution. The
  parts of a closure or an instance that installed code created count as well, because they may be the user's own.

Thread safety: each thread uses a separate reader. ``_INSTALLED`` is only filled, with equal values.
"""

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
from taskrunner.reuse.content import content, mapping
from taskrunner.reuse.digest import digest, scalar, text
from taskrunner.reuse.object_graph import ObjectGraph
from taskrunner.reuse.origin import (
    extension_of,
    file_digest,
    installed_version,
    is_attribute,
    is_extension,
    is_importable,
    is_own,
    is_own_module,
    version_of,
)

# Names of a module that describe its location or its import.
_MODULE_BOOKKEEPING = frozenset(
    {
        "__builtins__", "__cached__", "__file__", "__loader__", "__package__", "__path__", "__spec__",
        "__warningregistry__",
    }
)  # fmt: skip
# Members of a class that describe its location, that its methods determine, or that its use changes.
_CLASS_BOOKKEEPING = frozenset(
    {
        "__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__", "__annotations_cache__",
        "__msgspec_cache__", "_abc_impl", "_value2member_map_", "_hashable_values_", "_unhashable_values_",
    }
)  # fmt: skip
_STRUCT_MEMBERS = ("__struct_fields__", "__struct_encode_fields__", "__struct_defaults__", "__struct_config__")
_SINGLE_DISPATCH = functools.singledispatch(lambda _: None).__code__  # type: ignore[attr-defined]
_abc_dump: Callable[[type], tuple[Any, ...]] = importlib.import_module("_abc")._get_dump  # noqa: SLF001
_ABSENT = b"absent"
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8  # flags of a class
# The digests of installed functions and classes, by address; the value keeps its address in use.
_INSTALLED: dict[int, tuple[Any, bytes]] = {}


class UnknownCodeError(Exception):
    """A callable or a value whose code and data cannot be read."""


class Reader:
    """A reader of code and of everything that it reaches.

    - ``named``: the digest of each variable of a module that was read, by its qualified name.
    - ``unimported``: the own modules that a call would import. They are read from their files.
    - ``subject``: the name of the variable that is being read.
    """

    def __init__(self, unimported: Iterable[str] = ()) -> None:
        self.named: dict[str, bytes] = {}
        self.unimported = set(unimported)
        self.subject = "it"
        self._graph = ObjectGraph()
        self._files: set[str] = set()

    def read(self, value: Any) -> bytes:
        """Return the digest of a value."""
        if (token := scalar(value)) is not None:
            return token
        if (known := _INSTALLED.get(id(value))) is not None:
            return known[1]
        if isinstance(value, Enum):  # not a vertex, so that a cycle is always entered by the class
            return digest("enum", self.read(type(value)), self._enum_state(value))
        return self._graph.read(value, self._describe)

    def _describe(self, value: Any) -> bytes:
        for kinds, describe in _CODE:
            if isinstance(value, kinds):
                return describe(self, value)
        return self._value(value)

    def _value(self, value: Any) -> bytes:
        if type(value) is dict and "__builtins__" in value:
            return self._variables(value)
        if value is sys.modules:
            raise UnknownCodeError(f"{self.subject} is sys.modules, which can reach any code")
        if extension := extension_of(value):
            return digest("extension value", file_digest(extension), _name(value))
        if version := installed_version(value):
            return digest("named", text(version), _name(value))
        return content(value, self.read, is_own=is_own(type(value)))

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
        return digest(
            "function", _name(function), code, *map(self.read, parts), mapping(vars(function).items(), self.read)
        )

    def _installed_function(self, function: FunctionType, version: str) -> bytes:
        """Read a function that is not the user's own, but may refer to own ones."""
        name = digest("installed", text(version), _name(function), text(function.__code__.co_qualname))
        if is_attribute(function, str(function.__globals__.get("__name__")), function.__code__.co_qualname):
            return _remember(function, name)
        if function.__code__ is _SINGLE_DISPATCH:
            return digest("dispatch", name, self.read(dict(function.registry)))  # type: ignore[attr-defined]
        parts = (function.__defaults__, function.__kwdefaults__, function.__closure__)
        return digest("closure", name, *map(self.read, parts), mapping(vars(function).items(), self.read))

    def _method(self, method: Any) -> bytes:
        owner, name = method.__self__, _name(method)
        version = version_of(str(getattr(method, "__module__", None) or type(owner).__module__))
        if version is not None and is_importable(method):
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
        value = variables.get(name, getattr(builtins, name, _ABSENT))
        target = getattr(builtins, attributes[0], None) if value is builtins and attributes else value
        if target is eval or target is exec:
            raise UnknownCodeError(f"{module} uses {target.__name__}, which can reach any code")
        if target is globals:
            return self.read(variables)
        return self._chain(f"{module}.{name}", value, attributes)

    def _chain(self, name: str, value: Any, attributes: list[str]) -> bytes:
        """Read the attributes of a module one after the other, and the first value that is not a module."""
        if not isinstance(value, ModuleType) or not attributes:
            return self._named(name, value)
        if is_own_module(value):
            return self._attribute(value, attributes[0], attributes[1:])
        if (value, attributes[0]) == (sys, "modules"):
            raise UnknownCodeError(f"{name}.modules is used, which can reach any code")
        # Own code may have replaced a function or a constant of an installed module.
        part = vars(value).get(attributes[0])
        if scalar(part) is not None or isinstance(part, FunctionType | type | ModuleType):
            return digest(
                "of module", self._module(value), self._chain(f"{name}.{attributes[0]}", part, attributes[1:])
            )
        return self._module(value)

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
        if not is_own_module(module):
            return digest("module", text(module.__name__), version)
        kind = b"" if type(module) is ModuleType else self.read(type(module))
        return digest("own module", kind, version, self.read(vars(module)))

    def _module_version(self, module: ModuleType) -> bytes:
        file = getattr(module, "__file__", None)
        if file and is_extension(file) and is_own_module(module):
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
        if module is not None and not is_own_module(module):
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
        return digest(
            "imported", *[self._file(item) if module is None else self.read(module) for item, module in modules]
        )

    def _file(self, name: str) -> bytes:
        """Read a module that a call would import: its file, and the modules that its code would import.

        The module is not imported, because its import may depend on earlier steps of the call.
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
        if version is not None and (is_importable(kind) or not _is_created_by_python(kind)):
            return _remember(kind, digest("named", text(version), _name(kind)))
        if extension := extension_of(kind):
            return digest("extension", file_digest(extension), _name(kind))
        members = [(name, value) for name, value in sorted(vars(kind).items()) if name not in _CLASS_BOOKKEEPING]
        if isinstance(kind, type(msgspec.Struct)):
            members += [(name, getattr(kind, name)) for name in _STRUCT_MEMBERS]
        bases = [self.read(base) for base in (type(kind), *kind.__bases__)]
        return digest("class", _name(kind), *bases, mapping(members, self.read), self._virtual_subclasses(kind))

    def _virtual_subclasses(self, kind: type) -> bytes:
        if "_abc_impl" not in vars(kind):
            return b""
        references, *_ = _abc_dump(kind)  # there is no public access
        classes = [subclass for reference in references if (subclass := reference()) is not None]
        return digest("registry", *map(self.read, sorted(classes, key=_name)))


_CODE: tuple[tuple[Any, Callable[[Reader, Any], bytes]], ...] = (
    (type, Reader._class),  # noqa: SLF001
    (FunctionType, Reader._function),  # noqa: SLF001
    (CodeType, lambda _, code: code_digest(code)),
    (ModuleType, Reader._module),  # noqa: SLF001
    ((MethodType, BuiltinFunctionType, MethodWrapperType), Reader._method),  # noqa: SLF001
)


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


def _is_created_by_python(kind: type) -> bool:
    return bool(kind.__flags__ & _HEAP_TYPE) and not kind.__flags__ & _IMMUTABLE_TYPE


def _name(value: Any) -> bytes:
    return text(f"{getattr(value, '__module__', None)}:{value.__qualname__}")
