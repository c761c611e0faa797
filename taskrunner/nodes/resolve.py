"""Callable resolution: import ``package.module:name``, and check that the callable accepts its arguments.

All imports precede the run, on the main thread. An import during the run would make workers wait
for each other, and its errors would come late.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from taskrunner.errors import MAX_HINTS, MAX_PROBLEMS, GraphError, Problem, UsageError
from taskrunner.graph.dag import Dag, Vertex
from taskrunner.graph.hints import did_you_mean
from taskrunner.nodes.context import resolving

type Function = Callable[..., Any]


class Functions(msgspec.Struct, frozen=True):
    """The callables of a graph: by their names in the file, and the functions passed in Python by node."""

    by_call: Mapping[str, Function]
    by_node: Mapping[str, Function]


@contextlib.contextmanager
def import_paths(source: str) -> Iterator[None]:
    """Search modules in the working directory first, then in the directory of the graph file."""
    directories = [str(Path.cwd())]
    if source and not source.startswith("<"):
        directories.append(str(Path(source).resolve().parent))
    # Each user of this function removes as many entries as it inserted: two runs may overlap.
    sys.path[:0] = directories
    for directory in directories:  # the finder's listing may be older than a new module
        if finder := sys.path_importer_cache.get(directory):
            finder.invalidate_caches()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for directory in directories:
            with contextlib.suppress(ValueError):  # a module may have removed it
                sys.path.remove(directory)


def resolve_all(dag: Dag, local_functions: Mapping[str, Function], selected: set[int] | None = None) -> Functions:
    """Return the callables of a graph's vertices; ``local_functions`` are those passed in Python, by node.

    Most graphs call a few functions with a few signatures. Each combination is checked once.

    Raises:
        GraphError: modules that cannot be imported, names that do not exist, calls whose arguments
            do not fit.

    """
    vertices = dag.vertices if selected is None else [dag.vertices[index] for index in sorted(selected)]
    signatures = (
        dag.call_signatures
        if vertices is dag.vertices and not local_functions
        else {_call_signature(v, local_functions): v for v in vertices if v.call}
    )
    imported: dict[str, Function | Problem] = {}
    problems: dict[Any, Problem] = {}
    for signature, vertex in signatures.items():
        if len(problems) > MAX_PROBLEMS:
            break
        if vertex.id not in local_functions and vertex.call not in imported:
            with resolving(vertex.id):
                imported[vertex.call] = resolve(vertex.call, may_guess=len(problems) < MAX_HINTS)
        function = local_functions[vertex.id] if vertex.id in local_functions else imported[vertex.call]
        if problem := _find_problem(function, vertex):
            problems[signature] = problem
    if problems:
        calls = ((vertex, _call_signature(vertex, local_functions)) for vertex in vertices)
        raise GraphError(_locate(vertex, problems[signature]) for vertex, signature in calls if signature in problems)
    by_call = {name: function for name, function in imported.items() if not isinstance(function, Problem)}
    return Functions(by_call, local_functions)


def _call_signature(vertex: Vertex, local_functions: Mapping[str, Function]) -> tuple[Any, int, Any]:
    """Return the values that determine whether a callable accepts a vertex's arguments."""
    called = id(local_functions[vertex.id]) if vertex.id in local_functions else vertex.call
    return called, len(vertex.args), vertex.templates.keywords


def _find_problem(function: Function | Problem, vertex: Vertex) -> Problem | None:
    """Return the problem of a vertex's call, with its field, or None."""
    if isinstance(function, Problem):
        return Problem(("call",), function.message, function.hint)
    mismatch = _signature_mismatch(function, len(vertex.args), vertex.templates.keywords)
    return Problem(("args",), f"{vertex.call} {mismatch}") if mismatch else None


def _locate(vertex: Vertex, problem: Problem) -> Problem:
    return msgspec.structs.replace(problem, path=("nodes", vertex.index, *problem.path))


def resolve_attribute(name: str) -> Any:
    """Import the object with the name ``package.module:qualified.name``.

    Raises:
        UsageError: it cannot be imported, or does not exist.

    """
    value = _import(name)
    if isinstance(value, Problem):
        raise UsageError(f"{value.message}; {value.hint}" if value.hint else value.message)
    return value


def resolve(name: str, *, may_guess: bool = True) -> Function | Problem:
    """Import and return the named callable, or return a problem with its reason and a guess at the right name."""
    value = _import(name, may_guess=may_guess)
    return value if callable(value) or isinstance(value, Problem) else Problem((), f'"{name}" is not callable')


def _import(name: str, *, may_guess: bool = True) -> Any:
    module_name, _, qualified = name.partition(":")
    try:
        value = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            return Problem((), f'no module named "{error.name}"', _similar_module(error.name) if may_guess else "")
        return Problem((), f'importing "{module_name}" failed: {error}')
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a module may raise anything, SystemExit included
        return Problem((), f'importing "{module_name}" failed: {type(error).__name__}: {error}')
    for part in qualified.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            hint = did_you_mean(part, dir(value)) if may_guess else ""
            return Problem((), f'"{module_name}" has no "{qualified}"', hint)
        except Exception as error:  # noqa: BLE001  a module's own __getattr__ may raise anything
            return Problem((), f'reading "{qualified}" of "{module_name}" failed: {type(error).__name__}: {error}')
    return value


def is_async(function: Function) -> bool:
    """Return whether a call of ``function`` returns an awaitable; objects with an async ``__call__`` count."""
    inner = function
    while hasattr(inner, "func") and hasattr(inner, "args"):  # functools.partial
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)


def _signature_mismatch(function: Function, count: int, names: tuple[str, ...]) -> str:
    """Return why a function does not accept ``count`` arguments and these keyword names; empty if it does."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin without a signature
        return ""
    try:
        signature.bind(*range(count), **dict.fromkeys(names))
    except TypeError as error:
        return f"does not accept its arguments: {error}"
    return ""


def _similar_module(name: str) -> str:
    """Return a hint from the siblings of a missing module."""
    parent = name.rpartition(".")[0]
    search_path = None
    if parent:
        module = sys.modules.get(parent)
        search_path = list(getattr(module, "__path__", []))
    import pkgutil

    prefix = f"{parent}." if parent else ""
    return did_you_mean(name, [f"{prefix}{module.name}" for module in pkgutil.iter_modules(search_path)])
