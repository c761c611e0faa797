"""The layers of the package: imports point downwards only, packages stay small, the tests mirror them."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "taskrunner"
# From the lowest layer to the highest. The packages of one layer do not import each other.
LAYERS = (
    ("safe", "system"),
    ("errors",),
    ("graph", "pool", "events"),
    ("storage", "futures"),
    ("nodes",),
    ("plan",),
    ("reuse",),
    ("execution",),
    ("engines", "analysis"),
    ("session", "doctor"),
    ("api",),
    ("console",),
    ("stress",),
    ("cli",),
)
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}
TOP = ("taskrunner", "taskrunner.__main__")  # the public names and the entry point: above every layer
MAX_MODULES = 13


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}
IN_LAYERS = sorted(set(MODULES) - set(TOP))


def imports(statements):
    """Yield (imported module, statement), functions' bodies included."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import hides the imported module"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if name in MODULES else node.module, node) for name in inner)


def at_import_time(tree):
    """Yield the statements that run while a module is imported."""
    pending = list(ast.iter_child_nodes(tree))
    for node in pending:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def tree_of(module):
    return ast.parse(MODULES[module].read_text())


def package_of(module):
    return module.split(".")[1]


def test_every_module_is_in_a_layer():
    assert [module for module in IN_LAYERS if package_of(module) not in LEVELS] == []


@pytest.mark.parametrize("module", IN_LAYERS)
def test_a_package_imports_only_from_lower_layers(module):
    own = package_of(module)
    wrong = [
        (node.lineno, name)
        for name, node in imports(ast.walk(tree_of(module)))
        if name.partition(".")[0] == "taskrunner"
        and (name in TOP or (package_of(name) != own and LEVELS[package_of(name)] >= LEVELS[own]))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "banned"),
    [(package, banned) for package in ("graph", "analysis", "console") for banned in ("threading", "taskrunner.pool")],
)
def test_a_package_never_imports(package, banned):
    found = {
        (module, name)
        for module in IN_LAYERS
        if package_of(module) == package
        for name, _ in imports(ast.walk(tree_of(module)))
    }
    assert found
    assert [pair for pair in found if f"{pair[1]}.".startswith(f"{banned}.")] == []


def test_no_import_cycles():
    dependencies = {
        module: {name for name, _ in imports(at_import_time(tree_of(module))) if name in MODULES} for module in MODULES
    }
    assert sorted(graphlib.TopologicalSorter(dependencies).static_order()) == sorted(MODULES)


def test_only_the_command_line_prints_or_exits():
    calls = [
        (module, node.lineno)
        for module in IN_LAYERS
        if package_of(module) != "cli"
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "sys.exit", "exit", "click.echo"}
    ]
    assert calls == []


def test_packages_stay_small():
    sizes = {}
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            package = str(path.parent.relative_to(PACKAGE))
            sizes[package] = sizes.get(package, 0) + 1
    assert {package: size for package, size in sizes.items() if size > MAX_MODULES} == {}


def test_the_tests_mirror_the_packages():
    ours = {"project", "runs", "support"}  # the repository, whole runs, helpers of the tests
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    packages = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert {str(folder) for folder in folders - packages if folder.parts[0] not in ours} == set()


def test_the_architecture_page_has_a_row_for_each_package_and_names_its_modules():
    page = (ROOT / "docs" / "architecture.md").read_text()
    order = " < ".join(" ".join(packages) for packages in LAYERS)
    assert order in " ".join(page.split())
    for package in LEVELS.keys() - {"api", "errors"}:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{package}` |")]
        parts = [path.stem for path in (PACKAGE / package).iterdir() if path.name not in {"__init__.py", "__pycache__"}]
        assert [part for part in parts if f"`{part}`" not in row] == [], package
