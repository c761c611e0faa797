"""Survey of the standard library: a graph with many kinds of nodes, for pictures of runs."""

import ast
import asyncio
import re
import zlib
from collections import Counter
from pathlib import Path

import taskrunner
from workloads import stdlib


def sample(every: int) -> list[str]:
    """Return the paths of every n-th module of the standard library."""
    return stdlib.modules(every)


def imports(path: str) -> list[str]:
    """Return the names of the modules that one module imports, with repetitions."""
    names: list[str] = []
    for node in ast.walk(ast.parse(Path(path).read_bytes(), path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def words(path: str) -> Counter[str]:
    """Count the words of one module."""
    return Counter(re.findall(r"[a-z]{4,}", Path(path).read_text(errors="replace")))


def squeeze(path: str) -> tuple[int, int]:
    """Return the size of one module before and after compression."""
    data = Path(path).read_bytes()
    return len(data), len(zlib.compress(data, 9))


def most_imported(found: list[list[str]], n: int) -> list[str]:
    """Return the names of the ``n`` modules with the most imports."""
    return _most(Counter(name for names in found for name in names), n)


def commonest(found: list[Counter[str]], n: int) -> list[str]:
    """Return the ``n`` most frequent words."""
    total: Counter[str] = Counter()
    for counts in found:
        total.update(counts)
    return _most(total, n)


def ratio(sizes: list[tuple[int, int]]) -> float:
    """Return the ratio of the compressed size to the original size."""
    return round(sum(after for _, after in sizes) / sum(before for before, _ in sizes), 3)


async def advisory(delay: float) -> str:
    """Simulate a service that fails on the first attempt."""
    await asyncio.sleep(delay)
    if taskrunner.current().attempt == 1:
        raise ConnectionError("the service is not ready yet")
    return "ok"


def page(**sections: object) -> dict[str, object]:
    """Return all sections as one object."""
    return sections


def _most(counts: Counter[str], n: int) -> list[str]:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [name for name, _ in ranked[:n]]
