"""Permissions of a graph: the callables that it may name, and whether it may contain commands.

They are checked before anything is imported.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from taskrunner.errors import GraphError, Problem
from taskrunner.graph.dag import Dag

_MAX_HINT_PATTERNS = 5


class Permissions(msgspec.Struct, frozen=True):
    """The permitted nodes of a graph.

    ``allow``: ``fnmatch`` patterns. The ``package.module:qualified.name`` of each call must match at least one.
    Without patterns every callable is permitted. ``commands``: whether nodes with ``run`` are permitted.
    """

    allow: tuple[str, ...] = ()
    commands: bool = True

    def check(self, dag: Dag, local_functions: Mapping[str, Any]) -> None:
        """Check every node of a graph; calls of ``local_functions`` are the program's own functions.

        Raises:
            GraphError: lists each node that is not permitted.

        """
        if self.allow or not self.commands:
            problems = list(self._problems(dag, local_functions))
            if problems:
                raise GraphError(problems)

    def _problems(self, dag: Dag, local_functions: Mapping[str, Any]) -> Iterator[Problem]:
        refused = self._refused({vertex.call for vertex in dag.vertices if vertex.id not in local_functions})
        patterns = ", ".join(self.allow[:_MAX_HINT_PATTERNS])
        hint = f"allowed: {patterns}{', …' if len(self.allow) > _MAX_HINT_PATTERNS else ''}"
        for vertex in dag.vertices:
            if vertex.call in refused and vertex.id not in local_functions:
                yield Problem(("nodes", vertex.index, "call"), f'"{vertex.call}" is not allowed', hint)
            elif not vertex.call and not self.commands:
                yield Problem(("nodes", vertex.index, "run"), "commands are not allowed")

    def _refused(self, names: set[str]) -> set[str]:
        """Return the names that match none of the patterns."""
        if not self.allow:
            return set()
        from fnmatch import fnmatchcase  # only runs with patterns need it

        return {name for name in names if name and not any(fnmatchcase(name, pattern) for pattern in self.allow)}
