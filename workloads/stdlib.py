"""Real input: parse every module of the running interpreter's standard library."""

import ast
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any


def modules(every: int = 1) -> list[str]:
    """Return the paths of every n-th of the standard library's modules, sorted; installed packages left out."""
    root = Path(sysconfig.get_path("stdlib"))
    found = (path for path in root.rglob("*.py") if "site-packages" not in path.parts)
    return sorted(str(path) for path in found)[::every]


def parse(path: str) -> dict[str, int]:
    """Parse one module and count: lines, syntax nodes, functions, classes, the deepest nesting."""
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
    """Add up the counts of all modules."""
    total = {name: sum(one[name] for one in parsed) for name in ("lines", "nodes", "functions", "classes")}
    return {"modules": len(parsed), **total, "depth": max(one["depth"] for one in parsed)}


def _depth(node: ast.AST) -> int:
    """Return how many syntax nodes lie in each other, level by level: a source may nest deeply."""
    depth, level = 0, [node]
    while level:
        depth += 1
        level = [child for parent in level for child in ast.iter_child_nodes(parent)]
    return depth
