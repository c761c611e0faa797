"""Parser of every module of the running interpreter's standard library, as realistic input."""

import ast
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any


def modules(every: int = 1) -> list[str]:
    """Return the sorted paths of every n-th module of the standard library, without installed packages."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = (path for path in root.rglob("*.py") if "site-packages" not in path.parts)
    return sorted(str(path) for path in paths)[::every]


def parse(path: str) -> dict[str, int]:
    """Parse one module, and count its lines, syntax nodes, functions, classes and nesting depth."""
    source = Path(path).read_bytes()
    tree = ast.parse(source, path)
    kinds = Counter(type(node) for node in ast.walk(tree))
    return {
        "lines": source.count(b"\n"),
        "nodes": kinds.total(),
        "functions": kinds[ast.FunctionDef] + kinds[ast.AsyncFunctionDef],
        "classes": kinds[ast.ClassDef],
        "depth": _depth(tree),
    }


def reduce(parsed: list[dict[str, int]]) -> dict[str, Any]:
    """Return the sums of the counts of all modules."""
    total = {name: sum(one[name] for one in parsed) for name in ("lines", "nodes", "functions", "classes")}
    return {"modules": len(parsed), **total, "depth": max(one["depth"] for one in parsed)}


def _depth(node: ast.AST) -> int:
    """Return the nesting depth of the syntax nodes, level by level, because deep recursion could fail."""
    depth, level = 0, [node]
    while level:
        depth += 1
        level = [child for parent in level for child in ast.iter_child_nodes(parent)]
    return depth
