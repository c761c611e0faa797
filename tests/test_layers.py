"""The rooms of the package: which may import which, and that no module waits for itself."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "taskrunner"
# from below to above
ROOMS = (
    "safe",
    "errors",
    "collector",
    "graph",
    "pool",
    "tasks",
    "run",
    "engines",
    "observe",
    "doctor",
    "api",
    "stress",
    "cli",
)
TOP = ("taskrunner", "taskrunner.__main__")  # the package's face and its door: above every room


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(statements):
    """Yield (imported module, statement), functions' bodies included."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide what is imported"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if name in MODULES else node.module, node) for name in inner)


def at_import_time(tree):
    """Yield the statements that run while a module is imported."""
    waiting = list(ast.iter_child_nodes(tree))
    for node in waiting:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def tree_of(module):
    return ast.parse(MODULES[module].read_text())


def room_of(module):
    return module.split(".")[1]


IN_ROOMS = sorted(set(MODULES) - set(TOP))


def test_every_module_is_in_a_room():
    assert [module for module in IN_ROOMS if room_of(module) not in ROOMS] == []


@pytest.mark.parametrize("module", IN_ROOMS)
def test_a_room_imports_only_rooms_below_it(module):
    own = ROOMS.index(room_of(module))
    wrong = [
        (node.lineno, name)
        for name, node in imports(ast.walk(tree_of(module)))
        if name.partition(".")[0] == "taskrunner"
        and (name in TOP or (room_of(name) != room_of(module) and ROOMS.index(room_of(name)) >= own))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "banned"),
    [("graph", "threading"), ("graph", "taskrunner.pool"), ("observe", "threading"), ("observe", "taskrunner.pool")],
)
def test_what_a_room_never_imports(room, banned):
    found = {
        (module, name)
        for module in IN_ROOMS
        if room_of(module) == room
        for name, _ in imports(ast.walk(tree_of(module)))
    }
    assert found
    assert [pair for pair in found if f"{pair[1]}.".startswith(f"{banned}.")] == []


def test_no_module_imports_itself_by_way_of_others():
    needs = {
        module: {name for name, _ in imports(at_import_time(tree_of(module))) if name in MODULES} for module in MODULES
    }
    assert sorted(graphlib.TopologicalSorter(needs).static_order()) == sorted(MODULES)


def test_only_the_command_line_prints_or_exits():
    calls = [
        (module, node.lineno)
        for module in IN_ROOMS
        if room_of(module) != "cli"
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "sys.exit", "exit", "click.echo"}
    ]
    assert calls == []
