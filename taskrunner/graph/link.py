"""Linker: from the nodes of a file to a checked graph of vertices. It reports all problems together."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from taskrunner.errors import MAX_HINTS, GraphError, Problem
from taskrunner.graph.dag import DEFAULT_OPTIONS, NO_TEMPLATES, Dag, Templates, Vertex
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path
from taskrunner.graph.spec import FlatNode, GraphFile, Node, WholeResult
from taskrunner.graph.template import MAX_COLLECTED, Compiler, DictOf, Item, ListOf, Open, Ref, is_constant, references

_CALL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_CHILD = re.compile(r"(.+)\[\d+\]", re.DOTALL)  # an id may hold newlines
_ONLY_CALL = ("args", "kwargs", "cache")
_ONLY_RUN = ("env", "cwd", "stdin", "capture", "creates")

# The search for each cycle visits all blocked vertices, so the number of cycles is limited. Of a longer cycle only the
# ends are shown.
MAX_CYCLES = 10
MAX_CYCLE_LENGTH = 40


def link(
    file: GraphFile, params: Mapping[str, Any] | None = None, nodes: Iterable[Node | FlatNode] | None = None
) -> Dag:
    """Check a decoded graph and link its nodes.

    ``params`` are the values of the parameters; the default is their defaults. ``nodes`` are the nodes; the default is
    the nodes of ``file``. The linker reads each node once and then drops it, so they may be decoded one by one.

    Raises:
        GraphError: with all problems.

    """
    linker = _Linker(file, dict(file.params if params is None else params))
    return linker.link(file.nodes if nodes is None else nodes)


class _Linker:
    """The linker of one graph. It collects the problems.

    Most nodes are flat and depend only on earlier nodes of the file. Such a node is linked in one step. The other
    nodes are retained until all nodes are known.
    """

    def __init__(self, file: GraphFile, params: dict[str, Any]) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.index: dict[str, int] = {}
        self.compiler = Compiler(params)
        self.vertices: list[Vertex] = []
        self.default_pools = Node(id="-", pool=file.defaults.pool).pools
        # Equal values share an object: most nodes of a graph call one of a few functions in one of a few ways.
        self.calls: dict[str, str] = {}
        self.shapes: dict[int, tuple[tuple[int, ...], tuple[None, ...]]] = {}

    def link(self, nodes: Iterable[Node | FlatNode]) -> Dag:
        for name in self.default_pools:
            if name not in self.file.pools:
                self._report_unknown(("defaults", "pool"), "pool", name, self.file.pools)
        for vertex, node in self._add_all(nodes):
            self._finish(vertex, node)
        for vertex in self.vertices:
            if vertex.id[-1:] == "]":
                self._check_child(vertex)
        self._check_names()
        order = self._sort_topologically()
        problems = self.problems + self.compiler.problems
        if problems:
            raise GraphError(sorted(problems, key=_sort_key))
        return Dag(msgspec.structs.replace(self.file, nodes=()), self.vertices, self.index, order)

    def _add_all(self, nodes: Iterable[Node | FlatNode]) -> list[tuple[Vertex, Node]]:
        """Create all vertices. Return the unfinished ones, with their nodes.

        This loop determines the load time of a big graph. So all names that it uses for each node are local.
        """
        index, vertices, calls, shapes, pools = self.index, self.vertices, self.calls, self.shapes, self.default_pools
        flat_node, whole_result, options, new_vertex = FlatNode, WholeResult, DEFAULT_OPTIONS, Vertex
        is_instance, length, unique, extract = isinstance, len, set, self._extract_inputs
        unfinished = []
        for i, node in enumerate(nodes):
            if not isinstance(node, flat_node):
                unfinished.append(self._add(i, node))
                continue
            call, args = calls.get(node.call), node.args
            try:
                inputs = tuple([index[arg.node] for arg in args if is_instance(arg, whole_result)])  # type: ignore[union-attr]
            except KeyError:  # a later node, or an unknown one
                call, inputs = None, ()
            count = length(inputs)
            if call is None or index.setdefault(node.id, i) != i or (count > 1 and length(unique(inputs)) < count):
                unfinished.append(self._add(i, node.to_node()))
                continue
            positions, constants = (count == length(args) and shapes.get(count)) or extract(args, whole_result, count)
            vertices.append(new_vertex(i, node.id, call, options, pools, constants, inputs, inputs, positions))
        return unfinished

    def _add(self, i: int, node: Node) -> tuple[Vertex, Node]:
        """Create the vertex of a node. ``_finish`` completes it when all nodes are known."""
        first = self.index.setdefault(node.id, i)
        if first != i:
            self._report(("nodes", i, "id"), f'duplicate id "{node.id}", first used by nodes[{first}]')
        options = DEFAULT_OPTIONS if _has_default_options(node) else node
        pools = self.default_pools if node.pool is UNSET else node.pools
        vertex = Vertex(i, node.id, self._check_call(node, i), options, pools)
        self.vertices.append(vertex)
        return vertex, node

    def _extract_inputs(self, args: tuple[Any, ...], kind: type, count: int) -> tuple[tuple[int, ...], tuple[Any, ...]]:
        """Return the positions of the ``count`` arguments of a type, and the arguments with None in these positions."""
        if count == len(args):  # all calls with ``count`` arguments share this shape
            return self.shapes.setdefault(count, (tuple(range(count)), (None,) * count))
        positions = tuple([position for position, arg in enumerate(args) if type(arg) is kind])
        return positions, tuple([None if type(arg) is kind else arg for arg in args])

    def _finish(self, vertex: Vertex, node: Node) -> None:
        """Check, compile and connect a vertex of any kind. All vertices must be known."""
        path = ("nodes", vertex.index)
        self._check_fields(node, path)
        try:
            self._compile(vertex, node)
        except RecursionError:
            self._report(path, f'node "{node.id}" is nested too deeply')
        predecessors: dict[int, None] = {}
        for template, location in vertex.template_locations():
            for ref, id_location in references(template, location):
                if ref.node in self.index:
                    predecessors[self.index[ref.node]] = None
                else:
                    self._report_unknown(id_location, "node", ref.node, self.index)
        vertex.data_predecessors = tuple(predecessors)
        for i, name in enumerate(node.needs):
            if name in self.index:
                predecessors[self.index[name]] = None
            else:
                self._report_unknown((*path, "needs", i), "node", name, self.index)
        vertex.predecessors = tuple(predecessors)
        if _is_flat(vertex):
            count = len(vertex.data_predecessors)
            vertex.input_positions, vertex.args = self._extract_inputs(vertex.args, Ref, count)

    def _compile(self, vertex: Vertex, node: Node) -> None:
        compiler, path, in_map = self.compiler, ("nodes", vertex.index), node.map is not UNSET
        if node.args:
            parts = [compiler.compile(value, (*path, "args", i), in_map=in_map) for i, value in enumerate(node.args)]
            vertex.args = tuple(parts)
        templates: dict[str, Any] = {}
        if node.kwargs:
            names = tuple(node.kwargs)
            parts = [compiler.compile(node.kwargs[name], (*path, "kwargs", name), in_map=in_map) for name in names]
            templates["kwargs"] = DictOf(names, tuple(parts))
        if node.run is not UNSET:
            argv = node.run if isinstance(node.run, str) else list(node.run)
            templates["argv"] = compiler.compile(argv, (*path, "run"), in_map=in_map)
            templates["env"] = compiler.compile(node.env, (*path, "env"), in_map=in_map)
            templates["stdin"] = compiler.compile(node.stdin, (*path, "stdin"), in_map=in_map)
            if type(templates["argv"]) is ListOf:
                self._check_argv(templates["argv"], path)
        if in_map:
            templates["items"] = compiler.compile(node.map, (*path, "map"))
            if type(templates["items"]) not in (ListOf, Ref, Open):
                self._report((*path, "map"), "map takes a list, or a reference that yields one")
        if node.when is not UNSET:
            templates["condition"] = compiler.compile(node.when, (*path, "when"))
        if templates or node.files or node.creates:
            vertex.templates = Templates(**templates, **self._compile_paths(node, path, in_map=in_map))

    def _compile_paths(self, node: Node, path: Path, *, in_map: bool) -> dict[str, Any]:
        templates: dict[str, Any] = {}
        for name in ("files", "creates"):
            parts = [
                self.compiler.compile(v, (*path, name, i), in_map=in_map) for i, v in enumerate(getattr(node, name))
            ]
            for i, part in enumerate(parts):
                if type(part) not in (str, Ref, Item, Open):
                    self._report((*path, name, i), "a path is a string or a reference")
            if parts:
                templates[name] = ListOf(tuple(parts))
        return templates

    def _check_call(self, node: Node, i: int) -> str:
        """Check and return the name of the callable of a node. Nodes with the same callable share one string."""
        if node.call is UNSET:
            return ""
        if node.call not in self.calls:
            if not _CALL.fullmatch(node.call):
                self._report(("nodes", i, "call"), f'"{node.call}" is not of the form package.module:name')
                return node.call
            self.calls[node.call] = node.call
        return self.calls[node.call]

    def _report(self, path: Path, message: str, hint: str = "") -> None:
        if len(self.problems) <= MAX_COLLECTED:
            self.problems.append(Problem(path, message, hint))

    def _report_unknown(self, path: Path, kind: str, name: str, known: Iterable[str]) -> None:
        hint = did_you_mean(name, known) if len(self.problems) < MAX_HINTS else ""
        self._report(path, f'unknown {kind} "{name}"', hint)

    def _check_fields(self, node: Node, path: Path) -> None:
        for name in node.pools:
            if name not in self.file.pools:
                self._report_unknown((*path, "pool"), "pool", name, self.file.pools)
        if (node.call is UNSET) == (node.run is UNSET):
            present = "neither" if node.call is UNSET else "both"
            self._report(path, f'node "{node.id}" needs exactly one of call and run, it has {present}')
            return
        kind, foreign = ("run", _ONLY_CALL) if node.call is UNSET else ("call", _ONLY_RUN)
        for name in foreign:
            value = getattr(node, name)
            if value is not UNSET and value != getattr(DEFAULT_OPTIONS, name):
                self._report((*path, name), f"{name} has no meaning with {kind}")
        if node.files and not node.cache and not node.creates:
            required = "creates" if kind == "run" else "cache"
            self._report((*path, "files"), f"files has no meaning without {required}")

    def _check_argv(self, argv: ListOf, path: Path) -> None:
        if not argv.parts:
            self._report((*path, "run"), "an empty command")
        for i, part in enumerate(argv.parts):
            if type(part) not in (str, int, float, Ref, Item, Open):
                self._report((*path, "run", i), "an argument of a command is a string, a number or a reference")

    def _check_child(self, vertex: Vertex) -> None:
        child = _CHILD.fullmatch(vertex.id)
        mapped = self.index.get(child[1]) if child else None
        if mapped is not None and self.vertices[mapped].is_mapped:
            self._report(("nodes", vertex.index, "id"), f'"{vertex.id}" is the name of a child of nodes[{mapped}]')

    def _check_names(self) -> None:
        for i, name in enumerate(() if self.file.outputs is UNSET else self.file.outputs):
            if name not in self.index:
                self._report_unknown(("outputs", i), "node", name, self.index)

    def _sort_topologically(self) -> Sequence[int]:
        """Return a topological order: the order of the file if it is topological."""
        vertices = self.vertices
        if all(max(vertex.predecessors, default=-1) < vertex.index for vertex in vertices):
            return range(len(vertices))
        successors = _collect_successors(vertices)
        pending = [len(vertex.predecessors) for vertex in vertices]
        order = [vertex.index for vertex in vertices if not vertex.predecessors]
        for index in order:  # the list grows during the loop
            for successor in successors[index]:
                pending[successor] -= 1
                if not pending[successor]:
                    order.append(successor)
        blocked = set(range(len(vertices))) - set(order)
        for _ in range(MAX_CYCLES):
            if not blocked:
                break
            cycle = _find_cycle(vertices, blocked)
            self._report(("nodes", cycle[0]), f"dependency cycle: {_format_cycle(vertices, cycle)}")
            blocked = _remove_cycle(vertices, successors, blocked, cycle)
        return order


def _has_default_options(node: Node) -> bool:
    """Return whether a node sets only its callable and the arguments.

    The values of a graph built in Python may be any objects, so they are not compared.
    """
    is_unset = node.run is UNSET and node.map is UNSET and node.when is UNSET and node.stdin is UNSET
    names = (
        "env", "cwd", "capture", "always", "retries", "timeout", "pool", "priority", "allow_failure",
        "cache", "files", "creates",
    )  # fmt: skip
    return is_unset and all(getattr(node, name) == getattr(DEFAULT_OPTIONS, name) for name in names)


def _is_flat(vertex: Vertex) -> bool:
    """Return whether all arguments of a call are constants and whole results, each result once."""
    if not vertex.call or vertex.templates is not NO_TEMPLATES or vertex.options.always:
        return False
    refs = [part for part in vertex.args if type(part) is Ref]
    is_whole = not any(ref.path for ref in refs) and len(refs) == len(vertex.data_predecessors)
    return is_whole and all(type(part) is Ref or is_constant(part) for part in vertex.args)


def _collect_successors(vertices: Sequence[Vertex]) -> list[list[int]]:
    successors: list[list[int]] = [[] for _ in vertices]
    for vertex in vertices:
        for i in vertex.predecessors:
            successors[i].append(vertex.index)
    return successors


def _sort_key(problem: Problem) -> list[tuple[int, int, str]]:
    """Return the sort key of a problem, its location: fields by name, list items by number."""
    return [(0, step, "") if isinstance(step, int) else (1, 0, str(step)) for step in problem.path]


def _format_cycle(vertices: Sequence[Vertex], cycle: list[int]) -> str:
    """Format a cycle. Of a cycle longer than ``MAX_CYCLE_LENGTH`` only the ends are shown."""
    names = [vertices[i].id for i in (*cycle, cycle[0])]
    if len(names) > MAX_CYCLE_LENGTH:
        half = MAX_CYCLE_LENGTH // 2
        names[half:-half] = [f"({len(names) - 2 * half} more)"]
    return " -> ".join(names)


def _remove_cycle(
    vertices: Sequence[Vertex], successors: list[list[int]], blocked: set[int], cycle: list[int]
) -> set[int]:
    """Return the vertices that are still blocked without a cycle: those on or after another cycle."""
    removed = list(cycle)
    remaining = blocked - set(cycle)
    pending: dict[int, int] = {}  # for each visited vertex the number of its blocked predecessors
    for index in removed:  # the list grows during the loop
        for successor in successors[index]:
            if successor not in remaining:
                continue
            if successor not in pending:
                pending[successor] = sum([i in blocked for i in vertices[successor].predecessors])
            pending[successor] -= 1
            if not pending[successor]:
                remaining.discard(successor)
                removed.append(successor)
    return remaining


def _find_cycle(vertices: Sequence[Vertex], blocked: set[int]) -> list[int]:
    """Return a cycle: follow predecessors within ``blocked``, where each vertex is on or after a cycle."""
    positions: dict[int, int] = {}
    walk: list[int] = []
    current = min(blocked)
    while current not in positions:
        positions[current] = len(walk)
        walk.append(current)
        current = next(i for i in vertices[current].predecessors if i in blocked)
    return walk[positions[current] :]
