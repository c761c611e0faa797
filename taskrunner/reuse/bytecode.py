"""Bytecode: the names that compiled code loads, the modules that it imports, and a digest of its behavior.

The source file is not read. It may have changed since its import, and it does not distinguish two lambdas on one line.
So comments and layout do not count, nor do line numbers.
"""

import dis
import functools
from collections.abc import Iterator
from types import CodeType
from typing import Any

import msgspec

from taskrunner.reuse.digest import digest, scalar, text

# Instructions that load from a module. Their names differ between the versions of Python.
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_IGNORED = frozenset({"EXTENDED_ARG", "CACHE", "NOP", "PUSH_NULL"})
# Names with which code reaches modules, variables and classes that its instructions do not name.
DYNAMIC_NAMES = frozenset(
    {
        "__globals__", "__import__", "__subclasses__", "_getframe", "_getframemodulename", "currentframe",
        "exec_module", "f_back", "f_globals", "find_spec", "get_objects", "get_referrers", "getmodule", "import_module",
        "load_module", "module_from_spec", "resolve_name", "run_module", "run_path",
        "spec_from_file_location", "walk_packages",
    }
)  # fmt: skip
# Members of the body of a class that the compiler derives from its location and its methods.
_DERIVED_MEMBERS = ("__firstlineno__", "__static_attributes__")


class Import(msgspec.Struct, frozen=True):
    """An import statement: the module, its level if it is relative, and the imported names; None for the module."""

    module: str
    level: int
    names: tuple[str, ...] | None


class Names(msgspec.Struct, frozen=True):
    """The names in compiled code and in the code nested in it.

    - ``paths``: each name that it loads from its module, with the attributes that it loads from the value at once.
    - ``imports``: its import statements.
    - ``dynamic``: the name with which it reaches others that it does not name; empty if there is none.
    """

    paths: tuple[tuple[str, ...], ...]
    imports: tuple[Import, ...]
    dynamic: str


@functools.lru_cache(8192)
def names_in(code: CodeType) -> Names:
    """Return the names in compiled code."""
    paths: set[tuple[str, ...]] = set()
    imports: set[Import] = set()
    dynamic = set(DYNAMIC_NAMES.intersection(code.co_names))
    instructions = _instructions(code)
    for index, instruction in enumerate(instructions):
        if instruction.opname in _LOADS:
            paths.add((instruction.argval, *_attributes(instructions, index + 1)))
        elif instruction.opname == "IMPORT_NAME":
            level, names = (instructions[index - 2].argval, instructions[index - 1].argval)
            imports.add(Import(instruction.argval, level, names))
    if "modules" in code.co_names and "sys" in code.co_names:
        dynamic.add("sys.modules")
    for const in code.co_consts:
        if isinstance(const, CodeType):
            inner = names_in(const)
            paths.update(inner.paths)
            imports.update(inner.imports)
            dynamic.update([inner.dynamic] if inner.dynamic else [])
    order = sorted(imports, key=lambda item: (item.level, item.module, item.names or ()))
    return Names(tuple(sorted(paths)), tuple(order), min(dynamic, default=""))


@functools.lru_cache(8192)
def code_digest(code: CodeType) -> bytes:
    """Return the digest of the properties that determine the behavior of compiled code."""
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_name)
    if _DERIVED_MEMBERS[0] in code.co_names:
        body = digest("body", *_class_body(code))
    else:
        body = digest("body", code.co_code, _constant(code.co_consts))
    return digest("code", body, code.co_exceptiontable, _constant(counts), _constant(names))


def _instructions(code: CodeType) -> list[dis.Instruction]:
    return [item for item in dis.get_instructions(code) if item.opname not in _IGNORED]


def _attributes(instructions: list[dis.Instruction], index: int) -> Iterator[str]:
    while instructions[index].opname in _ATTRIBUTES:
        yield instructions[index].argval
        index += 1


def _class_body(code: CodeType) -> Iterator[bytes]:
    """Yield a token of each instruction in the body of a class, without the line number of the class."""
    instructions = _instructions(code)
    following = [*[item.argval for item in instructions[1:]], None]
    for instruction, name in zip(instructions, following, strict=True):
        if name not in _DERIVED_MEMBERS:
            is_jump = instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs
            value = instruction.arg if is_jump else instruction.argval
            yield text(instruction.opname) + _constant(value)


def _constant(value: Any) -> bytes:
    """Return the token of a constant of compiled code."""
    if (token := scalar(value)) is not None:
        return token
    if isinstance(value, CodeType):
        return code_digest(value)
    if isinstance(value, frozenset):
        return digest("frozenset", *sorted(map(_constant, value)))
    if isinstance(value, tuple):
        return digest("tuple", *map(_constant, value))
    if isinstance(value, slice):  # a constant since Python 3.14
        return digest("slice", *map(_constant, (value.start, value.stop, value.step)))
    return digest("other", text(repr(value)))  # an argument of an instruction, such as a comparison
