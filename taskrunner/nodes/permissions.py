"""What a graph may name: which callables, and whether commands. It is looked at before anything is imported."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from taskrunner.errors import GraphError, Problem
from taskrunner.graph.dag import Dag

_SHOWN = 5


class Permissions(msgspec.Struct, frozen=True):
    """What the nodes of a graph may be.

    ``allow``: patterns, as ``fnmatch`` has them, of which a call's ``package.module:qualified.name`` must
    match one; none: anything may be called. ``commands``: whether there may be nodes with ``run``.
    """

    allow: tuple[str, ...] = ()
    commands: bool = True

    def check(self, dag: Dag, local_functions: Mapping[str, Any]) -> None:
        """Look at every node of a graph; the calls of ``local_functions`` are the program's own functions.

        Raises:
            GraphError: with each node that is not permitted.

        """
        if self.allow or not self.commands:
            problems = list(self._problems(dag, local_functions))
            if problems:
                raise GraphError(problems)

    def _problems(self, dag: Dag, local_functions: Mapping[str, Any]) -> Iterator[Problem]:
        refused = self._refused({vertex.call for vertex in dag.vertices if vertex.id not in local_functions})
        hint = f"allowed: {', '.join(self.allow[:_SHOWN])}{', …' if len(self.allow) > _SHOWN else ''}"
        for vertex in dag.vertices:
            if vertex.call in refused and vertex.id not in local_functions:
                yield Problem(("nodes", vertex.index, "call"), f'"{vertex.call}" is not allowed', hint)
            elif not vertex.call and not self.commands:
                yield Problem(("nodes", vertex.index, "run"), "commands are not allowed")

    def _refused(self, names: set[str]) -> set[str]:
        """Return those of the names that match no pattern."""
        if not self.allow:
            return set()
        from fnmatch import fnmatchcase  # only such runs need it

        return {name for name in names if name and not any(fnmatchcase(name, pattern) for pattern in self.allow)}
