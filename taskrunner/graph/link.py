"""Linking: from a file's nodes to a checked graph of vertices. All that is wrong is told at once."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from taskrunner.errors import MOST_GUESSES, GraphError, Problem
from taskrunner.graph.dag import NO_TEMPLATES, PLAIN, Dag, Templates, Vertex
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path
from taskrunner.graph.spec import FlatNode, GraphFile, Node, WholeResult
from taskrunner.graph.template import MOST_KEPT, Compiler, DictOf, Item, ListOf, Open, Ref, is_constant, references

_CALL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_CHILD = re.compile(r"(.+)\[\d+\]", re.DOTALL)  # an id may hold newlines
_ONLY_CALL = ("args", "kwargs", "cache")
_ONLY_RUN = ("env", "cwd", "stdin", "capture", "creates")

# Each cycle is looked for among all that is stuck, so only so many are; and a long one is told by its ends.
MOST_CYCLES = 10
LONGEST_CYCLE = 40


def link(
    file: GraphFile, params: Mapping[str, Any] | None = None, nodes: Iterable[Node | FlatNode] | None = None
) -> Dag:
    """Check a decoded graph and link its nodes.

    ``params`` are the values of the graph's parameters, their defaults where it is not given;
    ``nodes`` the nodes, those of ``file`` where they are not given. Each is looked at once and then
    let go, so they may be decoded one by one.

    Raises:
        GraphError: with every problem that was found.

    """
    linker = _Linker(file, dict(file.params if params is None else params))
    return linker.link(file.nodes if nodes is None else nodes)


class _Linker:
    """Link one graph, collecting what is wrong.

    A flat node that needs only nodes that stand before it, as most do, is done with one look. The
    others are kept until all nodes are known.
    """

    def __init__(self, file: GraphFile, params: dict[str, Any]) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.index: dict[str, int] = {}
        self.compiler = Compiler(params)
        self.vertices: list[Vertex] = []
        self.default_pools = Node(id="-", pool=file.defaults.pool).pools
        # One object for all that are equal: most nodes of a graph call one of a few functions in one of a few ways.
        self.calls: dict[str, str] = {}
        self.shapes: dict[int, tuple[tuple[int, ...], tuple[None, ...]]] = {}

    def link(self, nodes: Iterable[Node | FlatNode]) -> Dag:
        for name in self.default_pools:
            if name not in self.file.pools:
                self._unknown(("defaults", "pool"), "pool", name, self.file.pools)
        for vertex, node in self._add_all(nodes):
            self._finish(vertex, node)
        for vertex in self.vertices:
            if vertex.id[-1:] == "]":
                self._check_child(vertex)
        self._check_names()
        order = self._order()
        problems = self.problems + self.compiler.problems
        if problems:
            raise GraphError(sorted(problems, key=_file_order))
        return Dag(msgspec.structs.replace(self.file, nodes=()), self.vertices, self.index, order)

    def _add_all(self, nodes: Iterable[Node | FlatNode]) -> list[tuple[Vertex, Node]]:
        """Make all vertices; return those that are still to be finished, with their nodes.

        This loop decides how long a big graph takes to load: what it uses for each node is local.
        """
        index, vertices, calls, shapes, pools = self.index, self.vertices, self.calls, self.shapes, self.default_pools
        flat, whole, plain, make, is_a, size, several = FlatNode, WholeResult, PLAIN, Vertex, isinstance, len, set
        unfinished = []
        for i, node in enumerate(nodes):
            if not isinstance(node, flat):
                unfinished.append(self._add(i, node))
                continue
            call, args = calls.get(node.call), node.args
            try:
                used = tuple([index[arg.node] for arg in args if is_a(arg, whole)])  # type: ignore[union-attr]
            except KeyError:  # a node that comes later, or one that is nowhere
                call, used = None, ()
            count = size(used)
            if call is None or index.setdefault(node.id, i) != i or (count > 1 and size(several(used)) < count):
                unfinished.append(self._add(i, node.whole()))
                continue
            slots, free = (count == size(args) and shapes.get(count)) or self._free(args, whole, count)
            vertices.append(make(i, node.id, call, plain, pools, free, used, used, slots))
        return unfinished

    def _add(self, i: int, node: Node) -> tuple[Vertex, Node]:
        """Make a node's vertex, to be finished when all nodes are known."""
        first = self.index.setdefault(node.id, i)
        if first != i:
            self._problem(("nodes", i, "id"), f'doubled id "{node.id}", first used by nodes[{first}]')
        options = PLAIN if _is_plain(node) else node
        pools = self.default_pools if node.pool is UNSET else node.pools
        vertex = Vertex(i, node.id, self._call(node, i), options, pools)
        self.vertices.append(vertex)
        return vertex, node

    def _free(self, args: tuple[Any, ...], kind: type, count: int) -> tuple[tuple[int, ...], tuple[Any, ...]]:
        """Return the places of the ``count`` arguments of a kind, and the arguments with None in these places."""
        if count == len(args):  # the same for all of so many
            return self.shapes.setdefault(count, (tuple(range(count)), (None,) * count))
        slots = tuple([place for place, arg in enumerate(args) if type(arg) is kind])
        return slots, tuple([None if type(arg) is kind else arg for arg in args])

    def _finish(self, vertex: Vertex, node: Node) -> None:
        """Check, compile and connect a vertex of any kind, now that all are known."""
        path = ("nodes", vertex.index)
        self._check_fields(node, path)
        try:
            self._compile(vertex, node)
        except RecursionError:
            self._problem(path, f'node "{node.id}" is nested too deeply')
        used: dict[int, None] = {}
        for template, place in vertex.template_locations():
            for ref, name_place in references(template, place):
                if ref.node in self.index:
                    used[self.index[ref.node]] = None
                else:
                    self._unknown(name_place, "node", ref.node, self.index)
        vertex.data_predecessors = tuple(used)
        for i, name in enumerate(node.needs):
            if name in self.index:
                used[self.index[name]] = None
            else:
                self._unknown((*path, "needs", i), "node", name, self.index)
        vertex.predecessors = tuple(used)
        if _is_flat(vertex):
            vertex.input_positions, vertex.args = self._free(vertex.args, Ref, len(vertex.data_predecessors))

    def _compile(self, vertex: Vertex, node: Node) -> None:
        compiler, path, in_map = self.compiler, ("nodes", vertex.index), node.map is not UNSET
        if node.args:
            parts = [compiler.compile(value, (*path, "args", i), in_map=in_map) for i, value in enumerate(node.args)]
            vertex.args = tuple(parts)
        found: dict[str, Any] = {}
        if node.kwargs:
            names = tuple(node.kwargs)
            parts = [compiler.compile(node.kwargs[name], (*path, "kwargs", name), in_map=in_map) for name in names]
            found["kwargs"] = DictOf(names, tuple(parts))
        if node.run is not UNSET:
            argv = node.run if isinstance(node.run, str) else list(node.run)
            found["argv"] = compiler.compile(argv, (*path, "run"), in_map=in_map)
            found["env"] = compiler.compile(node.env, (*path, "env"), in_map=in_map)
            found["stdin"] = compiler.compile(node.stdin, (*path, "stdin"), in_map=in_map)
            if type(found["argv"]) is ListOf:
                self._check_argv(found["argv"], path)
        if in_map:
            found["items"] = compiler.compile(node.map, (*path, "map"))
            if type(found["items"]) not in (ListOf, Ref, Open):
                self._problem((*path, "map"), "map takes a list, or a reference that yields one")
        if node.when is not UNSET:
            found["condition"] = compiler.compile(node.when, (*path, "when"))
        if found or node.files or node.creates:
            vertex.templates = Templates(**found, **self._compile_paths(node, path, in_map=in_map))

    def _compile_paths(self, node: Node, path: Path, *, in_map: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("files", "creates"):
            parts = [
                self.compiler.compile(v, (*path, name, i), in_map=in_map) for i, v in enumerate(getattr(node, name))
            ]
            for i, part in enumerate(parts):
                if type(part) not in (str, Ref, Item, Open):
                    self._problem((*path, name, i), "a path is a text or a reference")
            if parts:
                found[name] = ListOf(tuple(parts))
        return found

    def _call(self, node: Node, i: int) -> str:
        """Return the name of a node's callable, checked; one text for all nodes that call the same."""
        if node.call is UNSET:
            return ""
        if node.call not in self.calls:
            if not _CALL.fullmatch(node.call):
                self._problem(("nodes", i, "call"), f'"{node.call}" is not of the form package.module:name')
                return node.call
            self.calls[node.call] = node.call
        return self.calls[node.call]

    def _problem(self, path: Path, message: str, hint: str = "") -> None:
        if len(self.problems) <= MOST_KEPT:
            self.problems.append(Problem(path, message, hint))

    def _unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        hint = did_you_mean(name, known) if len(self.problems) < MOST_GUESSES else ""
        self._problem(path, f'unknown {what} "{name}"', hint)

    def _check_fields(self, node: Node, path: Path) -> None:
        for name in node.pools:
            if name not in self.file.pools:
                self._unknown((*path, "pool"), "pool", name, self.file.pools)
        if (node.call is UNSET) == (node.run is UNSET):
            found = "neither" if node.call is UNSET else "both"
            self._problem(path, f'node "{node.id}" needs exactly one of call and run, it has {found}')
            return
        kind, foreign = ("run", _ONLY_CALL) if node.call is UNSET else ("call", _ONLY_RUN)
        for name in foreign:
            value = getattr(node, name)
            if value is not UNSET and value != getattr(PLAIN, name):
                self._problem((*path, name), f"{name} has no meaning beside {kind}")
        if node.files and not node.cache and not node.creates:
            beside = "creates" if kind == "run" else "cache"
            self._problem((*path, "files"), f"files has no meaning without {beside}")

    def _check_argv(self, argv: ListOf, path: Path) -> None:
        if not argv.parts:
            self._problem((*path, "run"), "an empty command")
        for i, part in enumerate(argv.parts):
            if type(part) not in (str, int, float, Ref, Item, Open):
                self._problem((*path, "run", i), "an argument of a command is a text, a number or a reference")

    def _check_child(self, vertex: Vertex) -> None:
        child = _CHILD.fullmatch(vertex.id)
        mapped = self.index.get(child[1]) if child else None
        if mapped is not None and self.vertices[mapped].is_mapped:
            self._problem(("nodes", vertex.index, "id"), f'"{vertex.id}" is the name of a child of nodes[{mapped}]')

    def _check_names(self) -> None:
        for i, name in enumerate(() if self.file.outputs is UNSET else self.file.outputs):
            if name not in self.index:
                self._unknown(("outputs", i), "node", name, self.index)

    def _order(self) -> Sequence[int]:
        """Return a topological order: the file's own where it is one."""
        vertices = self.vertices
        if all(max(vertex.predecessors, default=-1) < vertex.index for vertex in vertices):
            return range(len(vertices))
        after = _successors(vertices)
        missing = [len(vertex.predecessors) for vertex in vertices]
        order = [vertex.index for vertex in vertices if not vertex.predecessors]
        for index in order:  # it grows while it is read
            for successor in after[index]:
                missing[successor] -= 1
                if not missing[successor]:
                    order.append(successor)
        stuck = set(range(len(vertices))) - set(order)
        for _ in range(MOST_CYCLES):
            if not stuck:
                break
            cycle = _find_cycle(vertices, stuck)
            self._problem(("nodes", cycle[0]), f"dependency cycle: {_written(vertices, cycle)}")
            stuck = _without(vertices, after, stuck, cycle)
        return order


def _is_plain(node: Node) -> bool:
    """Say whether a node says no more than what it calls, and with which arguments.

    Values may be any objects where a graph was made in Python: they are not compared.
    """
    is_bare = node.run is UNSET and node.map is UNSET and node.when is UNSET and node.stdin is UNSET
    names = (
        "env", "cwd", "capture", "always", "retries", "timeout", "pool", "priority", "allow_failure",
        "cache", "files", "creates",
    )  # fmt: skip
    return is_bare and all(getattr(node, name) == getattr(PLAIN, name) for name in names)


def _is_flat(vertex: Vertex) -> bool:
    """Say whether nothing but constants and whole results, each once, decides what a vertex's function is given."""
    if not vertex.call or vertex.templates is not NO_TEMPLATES or vertex.options.always:
        return False
    refs = [part for part in vertex.args if type(part) is Ref]
    is_whole = not any(ref.path for ref in refs) and len(refs) == len(vertex.data_predecessors)
    return is_whole and all(type(part) is Ref or is_constant(part) for part in vertex.args)


def _successors(vertices: Sequence[Vertex]) -> list[list[int]]:
    after: list[list[int]] = [[] for _ in vertices]
    for vertex in vertices:
        for i in vertex.predecessors:
            after[i].append(vertex.index)
    return after


def _file_order(problem: Problem) -> list[tuple[int, int, str]]:
    """Sort by place: fields by name, list items by number."""
    return [(0, step, "") if isinstance(step, int) else (1, 0, str(step)) for step in problem.path]


def _written(vertices: Sequence[Vertex], cycle: list[int]) -> str:
    """Write a cycle; of a long one both ends."""
    names = [vertices[i].id for i in (*cycle, cycle[0])]
    if len(names) > LONGEST_CYCLE:
        kept = LONGEST_CYCLE // 2
        names[kept:-kept] = [f"({len(names) - 2 * kept} more)"]
    return " -> ".join(names)


def _without(vertices: Sequence[Vertex], after: list[list[int]], stuck: set[int], cycle: list[int]) -> set[int]:
    """Return what is still stuck when a cycle is told: on or behind a cycle apart from it."""
    removed = list(cycle)
    left = stuck - set(cycle)
    holding: dict[int, int] = {}  # for each node that was met, how many of those that it needs are still stuck
    for index in removed:  # it grows while it is read
        for successor in after[index]:
            if successor not in left:
                continue
            if successor not in holding:
                holding[successor] = sum([i in stuck for i in vertices[successor].predecessors])
            holding[successor] -= 1
            if not holding[successor]:
                left.discard(successor)
                removed.append(successor)
    return left


def _find_cycle(vertices: Sequence[Vertex], among: set[int]) -> list[int]:
    """Walk from need to need inside ``among``, where each vertex lies on or behind a cycle."""
    seen: dict[int, int] = {}
    walk: list[int] = []
    current = min(among)
    while current not in seen:
        seen[current] = len(walk)
        walk.append(current)
        current = next(i for i in vertices[current].predecessors if i in among)
    return walk[seen[current] :]
