"""From ``package.module:name`` to the callable, and whether it accepts its arguments.

Everything is imported before the run, on the main thread: an import during the run would make
workers wait for each other, and its errors would come late.
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


@contextlib.contextmanager
def import_paths(source: str) -> Iterator[None]:
    """Look modules up in the working directory first, then in the folder of the graph file."""
    folders = [str(Path.cwd())]
    if source and not source.startswith("<"):
        folders.append(str(Path(source).resolve().parent))
    # Each user of this function takes out as many entries as it put in: two runs may overlap.
    sys.path[:0] = folders
    for folder in folders:  # what was written since somebody looked
        if finder := sys.path_importer_cache.get(folder):
            finder.invalidate_caches()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for folder in folders:
            with contextlib.suppress(ValueError):  # a module may have taken it out
                sys.path.remove(folder)


class Functions(msgspec.Struct, frozen=True):
    """The callables of a graph: by the name that they have in the file, and those given in Python by node."""

    by_call: Mapping[str, Function]
    by_node: Mapping[str, Function]


def resolve_all(dag: Dag, local_functions: Mapping[str, Function], selected: set[int] | None = None) -> Functions:
    """Return the callables of a graph's vertices; ``local_functions`` are those given in Python, by node.

    Most graphs call a few functions in a few ways: each of these is looked at once.

    Raises:
        GraphError: modules that cannot be imported, names that are not there, calls whose arguments
            do not fit.

    """
    chosen = dag.vertices if selected is None else [dag.vertices[index] for index in sorted(selected)]
    ways = (
        dag.call_signatures
        if chosen is dag.vertices and not local_functions
        else {_call_signature(v, local_functions): v for v in chosen if v.call}
    )
    found: dict[str, Function | Problem] = {}
    wrong: dict[Any, Problem] = {}
    for way, vertex in ways.items():
        if len(wrong) > MAX_PROBLEMS:
            break
        if vertex.id not in local_functions and vertex.call not in found:
            with resolving(vertex.id):
                found[vertex.call] = resolve(vertex.call, may_guess=len(wrong) < MAX_HINTS)
        function = local_functions[vertex.id] if vertex.id in local_functions else found[vertex.call]
        if problem := _problem(function, vertex):
            wrong[way] = problem
    if wrong:
        calls = ((vertex, way) for vertex in chosen if (way := _call_signature(vertex, local_functions)) in wrong)
        raise GraphError(_at(vertex, wrong[way]) for vertex, way in calls)
    return Functions({name: f for name, f in found.items() if not isinstance(f, Problem)}, local_functions)


def _call_signature(vertex: Vertex, local_functions: Mapping[str, Function]) -> tuple[Any, int, Any]:
    """Return what decides whether a callable accepts a vertex's arguments."""
    called = id(local_functions[vertex.id]) if vertex.id in local_functions else vertex.call
    return called, len(vertex.args), vertex.templates.keywords


def _problem(function: Function | Problem, vertex: Vertex) -> Problem | None:
    """Say what is wrong with a vertex's call, if anything is, and in which field."""
    if isinstance(function, Problem):
        return Problem(("call",), function.message, function.hint)
    why = _signature_mismatch(function, len(vertex.args), vertex.templates.keywords)
    return Problem(("args",), f"{vertex.call} {why}") if why else None


def _at(vertex: Vertex, problem: Problem) -> Problem:
    return msgspec.structs.replace(problem, path=("nodes", vertex.index, *problem.path))


def resolve_attribute(name: str) -> Any:
    """Import whatever ``package.module:qualified.name`` names.

    Raises:
        UsageError: it cannot be imported, or is not there.

    """
    found = _import(name)
    if isinstance(found, Problem):
        raise UsageError(f"{found.message}; {found.hint}" if found.hint else found.message)
    return found


def resolve(name: str, *, may_guess: bool = True) -> Function | Problem:
    """Import the callable that a name stands for, or say why not, and what may have been meant."""
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
    """Say whether calling ``function`` gives something to await, also if it is an object's call."""
    inner = function
    while hasattr(inner, "func") and hasattr(inner, "args"):  # functools.partial
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)


def _signature_mismatch(function: Function, count: int, names: tuple[str, ...]) -> str:
    """Say why a function does not accept so many arguments and these names; empty if it does."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return ""
    try:
        signature.bind(*range(count), **dict.fromkeys(names))
    except TypeError as error:
        return f"does not accept its arguments: {error}"
    return ""


def _similar_module(name: str) -> str:
    """Look among the neighbours of a module that was not found."""
    parent = name.rpartition(".")[0]
    places = None
    if parent:
        module = sys.modules.get(parent)
        places = list(getattr(module, "__path__", []))
    import pkgutil

    prefix = f"{parent}." if parent else ""
    return did_you_mean(name, [f"{prefix}{found.name}" for found in pkgutil.iter_modules(places)])
