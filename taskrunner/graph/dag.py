"""The linked graph: vertices that know each other by index, checked, immutable from then on.

Linking finds everything that is wrong with a graph's ids, references and cycles, all at once.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import UNSET

from taskrunner.errors import GraphError, Problem, UsageError
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.place import Path
from taskrunner.graph.spec import GraphFile, Node
from taskrunner.graph.template import Compiler, DictOf, Item, ListOf, Open, Ref, references

_CALL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_CHILD = re.compile(r"(.+)\[\d+\]")
_ONLY_CALL = ("args", "kwargs")
_ONLY_RUN = ("env", "cwd", "stdin", "capture")


class Vertex:
    """One node of a linked graph.

    ``args``, ``kwargs``, ``argv``, ``env``, ``stdin``, ``items`` (from ``map``) and ``guard`` (from
    ``when``) are templates. ``before`` and ``after`` are the indexes of the vertices that must
    finish first, and of those that wait for this one; ``used`` are those of ``before`` whose
    results are referred to.
    """

    __slots__ = (
        "after", "args", "argv", "before", "env", "guard", "index", "items", "kwargs", "pools",
        "spec", "stdin", "used",
    )  # fmt: skip

    def __init__(self, index: int, spec: Node, compiler: Compiler, pools: tuple[str, ...]) -> None:
        path: Path = ("nodes", index)
        in_map = spec.map is not UNSET
        self.index = index
        self.spec = spec
        self.pools = pools
        self.args: tuple[Any, ...] = ()
        self.kwargs: DictOf | None = None
        self.argv: Any = None
        self.env: Any = None
        self.stdin: Any = UNSET
        self.items: Any = UNSET
        self.guard: Any = UNSET
        if spec.args:
            self.args = tuple(
                compiler.compile(value, (*path, "args", i), in_map=in_map) for i, value in enumerate(spec.args)
            )
        if spec.kwargs:
            names = tuple(spec.kwargs)
            self.kwargs = DictOf(
                names,
                tuple(compiler.compile(spec.kwargs[n], (*path, "kwargs", n), in_map=in_map) for n in names),
            )
        if spec.run is not UNSET:
            argv = spec.run if isinstance(spec.run, str) else list(spec.run)
            self.argv = compiler.compile(argv, (*path, "run"), in_map=in_map)
            self.env = compiler.compile(spec.env, (*path, "env"), in_map=in_map)
            self.stdin = compiler.compile(spec.stdin, (*path, "stdin"), in_map=in_map)
        if in_map:
            self.items = compiler.compile(spec.map, (*path, "map"))
        if spec.when is not UNSET:
            self.guard = compiler.compile(spec.when, (*path, "when"))
        self.before: tuple[int, ...] = ()
        self.used: tuple[int, ...] = ()
        self.after: list[int] = []

    @property
    def id(self) -> str:
        """The node's id."""
        return self.spec.id

    @property
    def is_mapped(self) -> bool:
        """Whether this node stands for one child an item."""
        return self.items is not UNSET

    def templates(self) -> Iterable[Any]:
        """Yield every template of this vertex."""
        yield from self.args
        if self.kwargs is not None:
            yield self.kwargs
        yield from (self.argv, self.env, self.stdin, self.items, self.guard)


class Dag:
    """A directed acyclic graph of vertices, with ``order`` a topological order of their indexes."""

    def __init__(self, file: GraphFile, vertices: tuple[Vertex, ...], order: tuple[int, ...]) -> None:
        self.file = file
        self.vertices = vertices
        self.order = order
        self.index = {vertex.spec.id: vertex.index for vertex in vertices}
        if file.outputs is UNSET:
            self.outputs = tuple(v.index for v in vertices if not v.after)
        else:
            self.outputs = tuple(self.index[name] for name in file.outputs)

    def closure(self, targets: Iterable[str]) -> set[int]:
        """Return the indexes of the targets and of all that they need.

        Raises:
            UsageError: a target is not in the graph.

        """
        waiting = [self._find(target) for target in targets]
        found = set(waiting)
        while waiting:
            for index in self.vertices[waiting.pop()].before:
                if index not in found:
                    found.add(index)
                    waiting.append(index)
        return found

    def levels(self) -> list[list[Vertex]]:
        """Return the vertices by depth: those of a level need only those of the levels before it."""
        depth: dict[int, int] = {}
        levels: list[list[Vertex]] = []
        for index in self.order:
            vertex = self.vertices[index]
            depth[index] = 1 + max((depth[i] for i in vertex.before), default=-1)
            if depth[index] == len(levels):
                levels.append([])
            levels[depth[index]].append(vertex)
        return levels

    def critical_path(self, seconds: Callable[[Vertex], float]) -> tuple[float, list[Vertex]]:
        """Return the length and the vertices of the longest chain, each vertex weighing its seconds."""
        if not self.order:
            return 0.0, []
        finish: dict[int, float] = {}
        for index in self.order:
            vertex = self.vertices[index]
            finish[index] = seconds(vertex) + max((finish[i] for i in vertex.before), default=0.0)
        last = max(self.order, key=lambda index: finish[index])
        path = [self.vertices[last]]
        while path[-1].before:
            path.append(self.vertices[max(path[-1].before, key=lambda index: finish[index])])
        return finish[last], path[::-1]

    def _find(self, target: str) -> int:
        if target not in self.index:
            hint = did_you_mean(target, self.index)
            raise UsageError(f'no node "{target}" in the graph' + (f"; {hint}" if hint else ""))
        return self.index[target]


def link(file: GraphFile, params: Mapping[str, Any] | None = None) -> Dag:
    """Check a decoded graph and link its nodes.

    ``params`` are the values of the graph's parameters; their defaults where it is not given.

    Raises:
        GraphError: with every problem that was found.

    """
    return _Linker(file, dict(file.params if params is None else params)).link()


class _Linker:
    """Link one graph, collecting what is wrong."""

    def __init__(self, file: GraphFile, params: dict[str, Any]) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.index: dict[str, int] = {}
        self.compiler = Compiler(params, self.index.__contains__)

    def link(self) -> Dag:
        self._index_ids()
        default_pools = Node(id="-", pool=self.file.defaults.pool).pools
        for name in default_pools:
            if name not in self.file.pools:
                self._unknown(("defaults", "pool"), "pool", name, self.file.pools)
        vertices = tuple(
            self._make_vertex(i, spec, default_pools if spec.pool is UNSET else spec.pools)
            for i, spec in enumerate(self.file.nodes)
        )
        for vertex in vertices:
            self._check_fields(vertex)
            self._connect(vertex)
        for path, name in self.compiler.unknown:
            self._unknown(path, "node", name, self.index)
        self._check_names()
        for vertex in vertices:
            for i in vertex.before:
                vertices[i].after.append(vertex.index)
        order = self._order(vertices)
        problems = self.problems + self.compiler.problems
        if problems:
            raise GraphError(sorted(problems, key=_file_order))
        return Dag(self.file, vertices, order)

    def _make_vertex(self, index: int, spec: Node, pools: tuple[str, ...]) -> Vertex:
        try:
            return Vertex(index, spec, self.compiler, pools)
        except RecursionError:
            self._problem(("nodes", index), f'node "{spec.id}" is nested too deeply')
            return Vertex(index, Node(id=spec.id, call="m:f", needs=spec.needs), self.compiler, ())

    def _problem(self, path: Path, message: str, hint: str = "") -> None:
        self.problems.append(Problem(path, message, hint))

    def _unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        self._problem(path, f'unknown {what} "{name}"', did_you_mean(name, known))

    def _index_ids(self) -> None:
        nodes = self.file.nodes
        for i, node in enumerate(nodes):
            first = self.index.setdefault(node.id, i)
            if first != i:
                self._problem(("nodes", i, "id"), f'doubled id "{node.id}", first used by nodes[{first}]')
        for i, node in enumerate(nodes):
            child = _CHILD.fullmatch(node.id) if node.id.endswith("]") else None
            mapped = self.index.get(child[1]) if child else None
            if mapped is not None and nodes[mapped].map is not UNSET:
                self._problem(("nodes", i, "id"), f'"{node.id}" is the name of a child of nodes[{mapped}]')

    def _check_fields(self, vertex: Vertex) -> None:
        spec, path = vertex.spec, ("nodes", vertex.index)
        if (spec.call is UNSET) == (spec.run is UNSET):
            found = "neither" if spec.call is UNSET else "both"
            self._problem(path, f'node "{spec.id}" needs exactly one of call and run, it has {found}')
            return
        kind, foreign = ("run", _ONLY_CALL) if spec.call is UNSET else ("call", _ONLY_RUN)
        for name in foreign:
            if getattr(spec, name) != getattr(_EMPTY, name):
                self._problem((*path, name), f"{name} has no meaning beside {kind}")
        if spec.call is not UNSET and not _CALL.fullmatch(spec.call):
            self._problem((*path, "call"), f'"{spec.call}" is not of the form package.module:name')
        if vertex.is_mapped and type(vertex.items) not in (ListOf, Ref, Open):
            self._problem((*path, "map"), "map takes a list, or a reference that yields one")
        if type(vertex.argv) is ListOf:
            self._check_argv(vertex.argv, path)

    def _check_argv(self, argv: ListOf, path: Path) -> None:
        if not argv.parts:
            self._problem((*path, "run"), "an empty command")
        for i, part in enumerate(argv.parts):
            if type(part) not in (str, int, float, Ref, Item, Open):
                self._problem((*path, "run", i), "an argument of a command is a text, a number or a reference")

    def _connect(self, vertex: Vertex) -> None:
        spec = vertex.spec
        used = {self.index[ref.node] for t in vertex.templates() for ref in references(t) if ref.node in self.index}
        before = set(used)
        for i, name in enumerate(spec.needs):
            if name in self.index:
                before.add(self.index[name])
            else:
                self._unknown(("nodes", vertex.index, "needs", i), "node", name, self.index)
        for name in spec.pools:
            if name not in self.file.pools:
                self._unknown(("nodes", vertex.index, "pool"), "pool", name, self.file.pools)
        vertex.used = tuple(sorted(used))
        vertex.before = tuple(sorted(before))

    def _check_names(self) -> None:
        for i, name in enumerate(() if self.file.outputs is UNSET else self.file.outputs):
            if name not in self.index:
                self._unknown(("outputs", i), "node", name, self.index)

    def _order(self, vertices: tuple[Vertex, ...]) -> tuple[int, ...]:
        missing = [len(vertex.before) for vertex in vertices]
        order = [vertex.index for vertex in vertices if not vertex.before]
        for index in order:  # it grows while it is read
            for successor in vertices[index].after:
                missing[successor] -= 1
                if not missing[successor]:
                    order.append(successor)
        stuck = {v.index for v in vertices} - set(order)
        while stuck:
            cycle = _find_cycle(vertices, stuck)
            names = " -> ".join(vertices[i].spec.id for i in (*cycle, cycle[0]))
            self._problem(("nodes", cycle[0]), f"dependency cycle: {names}")
            stuck = _without(vertices, stuck, cycle)
        return tuple(order)


_EMPTY = Node(id="-")


def _file_order(problem: Problem) -> list[tuple[int, int, str]]:
    """Sort by place: fields by name, list items by number."""
    return [(0, step, "") if isinstance(step, int) else (1, 0, str(step)) for step in problem.path]


def _without(vertices: tuple[Vertex, ...], stuck: set[int], cycle: list[int]) -> set[int]:
    """Return what is still stuck when a cycle is told: on or behind a cycle apart from it."""
    removed = list(cycle)
    left = stuck - set(cycle)
    for index in removed:  # it grows while it is read
        for successor in vertices[index].after:
            if successor in left and not left.intersection(vertices[successor].before):
                left.discard(successor)
                removed.append(successor)
    return left


def _find_cycle(vertices: tuple[Vertex, ...], among: set[int]) -> list[int]:
    """Walk from need to need inside ``among``, where each vertex lies on or behind a cycle."""
    seen: dict[int, int] = {}
    walk: list[int] = []
    current = min(among)
    while current not in seen:
        seen[current] = len(walk)
        walk.append(current)
        current = next(i for i in vertices[current].before if i in among)
    return walk[seen[current] :]
