"""The linked graph: vertices that know each other by index, checked, and not changed from then on.

Linking finds everything that is wrong with a graph's ids, references and cycles, all at once.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from taskrunner.errors import MOST_GUESSES, GraphError, Problem, UsageError
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.place import Path
from taskrunner.graph.spec import FlatNode, GraphFile, Node, WholeResult
from taskrunner.graph.template import MOST_KEPT, Compiler, DictOf, Item, ListOf, Open, Ref, is_constant, references

_CALL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_CHILD = re.compile(r"(.+)\[\d+\]", re.DOTALL)  # an id may hold newlines
_ONLY_CALL = ("args", "kwargs", "cache")
_ONLY_RUN = ("env", "cwd", "stdin", "capture", "creates")

# Each cycle is looked for among all that is stuck, so only so many are; and a long one is told by its ends.
MOST_CYCLES = 10
LONGEST_CYCLE = 40

# The options of a node that sets none, as nearly all do.
PLAIN = Node(id="-")


class Templates(msgspec.Struct, frozen=True, eq=False):
    """The templates that few nodes have; ``items`` comes from ``map``, ``guard`` from ``when``."""

    kwargs: DictOf | None = None
    argv: Any = None
    env: Any = None
    stdin: Any = UNSET
    items: Any = UNSET
    guard: Any = UNSET
    files: Any = None
    creates: Any = None

    @property
    def keywords(self) -> tuple[Any, ...]:
        """The names of a call's keyword arguments."""
        return self.kwargs.keys if self.kwargs else ()


NO_TEMPLATES = Templates()


class Vertex(msgspec.Struct, eq=False):
    """One node of a linked graph.

    ``call`` is empty for a command. ``options`` holds the fields that need no linking; a node that
    sets none shares them with all such nodes, and so it is with the ``templates`` beside ``args``.

    ``before`` are the indexes of the vertices that must finish first; those whose results are
    referred to stand first, as ``used``.

    A call is *flat* where its arguments are nothing but constants and whole results, each once. Then
    ``slots`` is not None and holds the place of each used result in ``args``, where None keeps it
    free: who brings the result puts it there, and nothing else is to be done before the call.
    """

    index: int
    id: str
    call: str
    options: Node
    pools: tuple[str, ...]
    args: tuple[Any, ...] = ()
    before: tuple[int, ...] = ()
    used: tuple[int, ...] = ()
    slots: tuple[int, ...] | None = None
    templates: Templates = NO_TEMPLATES

    @property
    def is_mapped(self) -> bool:
        """Whether this node stands for one child an item."""
        return self.templates.items is not UNSET

    def places(self) -> Iterator[tuple[Any, Path]]:
        """Yield every template of this vertex with the place in the file that it comes from."""
        path: Path = ("nodes", self.index)
        for i, template in enumerate(self.args):
            yield template, (*path, "args", i)
        other = self.templates
        yield other.kwargs, (*path, "kwargs")
        yield other.argv, (*path, "run")
        yield other.env, (*path, "env")
        yield other.stdin, (*path, "stdin")
        yield other.items, (*path, "map")
        yield other.guard, (*path, "when")
        if other.files is not None:
            yield other.files, (*path, "files")
        if other.creates is not None:
            yield other.creates, (*path, "creates")


class Dag:
    """A directed acyclic graph of vertices, with ``order`` a topological order of their indexes.

    ``file`` is the graph's file without its nodes.
    """

    def __init__(
        self, file: GraphFile, vertices: Sequence[Vertex], index: Mapping[str, int], order: Sequence[int]
    ) -> None:
        self.file = file
        self.vertices = vertices
        self.order = order
        self.index = index
        if file.outputs is UNSET:
            self.outputs = self._sinks()
        else:
            self.outputs = tuple(index[name] for name in file.outputs)

    def _sinks(self) -> tuple[int, ...]:
        is_needed = bytearray(len(self.vertices))
        for vertex in self.vertices:
            for i in vertex.before:
                is_needed[i] = 1
        return tuple([i for i, needed in enumerate(is_needed) if not needed])

    @property
    def after(self) -> list[list[int]]:
        """For each vertex the indexes of those that wait for it, those of higher priority first."""
        return self._ahead[0]

    @property
    def slots(self) -> list[tuple[int | None, ...]]:
        """For each vertex, and each in its ``after``: where its result goes there.

        That is a place in the arguments of a flat call, else one in ``used``; None: it is not wanted.
        """
        return self._ahead[1]

    @functools.cached_property
    def nearer(self) -> list[int]:
        """For each vertex the one before it on a shortest way from one that needs nothing; -1: it needs nothing."""
        found = [-1] * len(self.vertices)
        reached = [vertex.index for vertex in self.vertices if not vertex.before]
        for index in reached:  # it grows while it is read: breadth first
            for successor in self.after[index]:
                if found[successor] < 0:
                    found[successor] = index
                    reached.append(successor)
        return found

    @functools.cached_property
    def _ahead(self) -> tuple[list[list[int]], list[tuple[int | None, ...]]]:
        pairs: list[list[Any]] = [[] for _ in self.vertices]
        for vertex in self._by_priority():
            index, before, used = vertex.index, vertex.before, vertex.used
            slots = range(len(used)) if vertex.slots is None else vertex.slots
            for i, slot in zip(before, slots, strict=False):
                pairs[i] += (index, slot)
            for i in before[len(used) :]:
                pairs[i] += (index, None)
        shared: dict[tuple[int | None, ...], tuple[int | None, ...]] = {}
        slots_of_each = []
        for index, ahead in enumerate(pairs):
            wanted = tuple(ahead[1::2])
            slots_of_each.append(shared.setdefault(wanted, wanted))
            pairs[index] = ahead[::2]
        return pairs, slots_of_each

    @functools.cached_property
    def special(self) -> list[Vertex]:
        """The vertices that set any option."""
        return [vertex for vertex in self.vertices if vertex.options is not PLAIN]

    @functools.cached_property
    def ways(self) -> dict[tuple[str, int, Any], Vertex]:
        """The ways in which vertices call, by callable, number of arguments and keywords, each with a vertex."""
        return {(v.call, len(v.args), v.templates.keywords): v for v in self.vertices if v.call}

    def _by_priority(self) -> Sequence[Vertex]:
        vertices = self.vertices
        if all(vertex.options is PLAIN or not vertex.options.priority for vertex in vertices):
            return vertices
        return sorted(vertices, key=lambda vertex: -vertex.options.priority)

    @functools.cached_property
    def edges(self) -> int:
        """How many times one node needs another."""
        return sum([len(vertex.before) for vertex in self.vertices])

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

    def depths(self) -> list[int]:
        """Return the depth of each vertex: 0 where it needs nothing, else one more than the deepest that it needs."""
        depths = [0] * len(self.vertices)
        for index in self.order:
            deepest = -1
            for i in self.vertices[index].before:
                deepest = max(deepest, depths[i])
            depths[index] = deepest + 1
        return depths

    def levels(self) -> list[list[Vertex]]:
        """Return the vertices by depth: those of a level need only those of the levels before it."""
        depths = self.depths()
        levels: list[list[Vertex]] = [[] for _ in range(max(depths, default=-1) + 1)]
        for index in self.order:
            levels[depths[index]].append(self.vertices[index])
        return levels

    def critical_path(self, weights: Sequence[float]) -> tuple[float, list[Vertex]]:
        """Return the length and the vertices of the longest chain, each vertex weighing what stands at its index."""
        if not self.order:
            return 0.0, []
        vertices = self.vertices
        finish: list[float] = [0] * len(vertices)
        for index in self.order:
            latest: float = 0
            for i in vertices[index].before:
                latest = max(latest, finish[i])
            finish[index] = latest + weights[index]
        last = max(self.order, key=finish.__getitem__)
        path = [vertices[last]]
        while path[-1].before:
            path.append(vertices[max(path[-1].before, key=finish.__getitem__)])
        return finish[last], path[::-1]

    def _find(self, target: str) -> int:
        if target not in self.index:
            hint = did_you_mean(target, self.index)
            raise UsageError(f'no node "{target}" in the graph' + (f"; {hint}" if hint else ""))
        return self.index[target]


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
        for template, place in vertex.places():
            for ref, name_place in references(template, place):
                if ref.node in self.index:
                    used[self.index[ref.node]] = None
                else:
                    self._unknown(name_place, "node", ref.node, self.index)
        vertex.used = tuple(used)
        for i, name in enumerate(node.needs):
            if name in self.index:
                used[self.index[name]] = None
            else:
                self._unknown((*path, "needs", i), "node", name, self.index)
        vertex.before = tuple(used)
        if _is_flat(vertex):
            vertex.slots, vertex.args = self._free(vertex.args, Ref, len(vertex.used))

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
            found["guard"] = compiler.compile(node.when, (*path, "when"))
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
        if all(max(vertex.before, default=-1) < vertex.index for vertex in vertices):
            return range(len(vertices))
        after = _successors(vertices)
        missing = [len(vertex.before) for vertex in vertices]
        order = [vertex.index for vertex in vertices if not vertex.before]
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
    is_whole = not any(ref.path for ref in refs) and len(refs) == len(vertex.used)
    return is_whole and all(type(part) is Ref or is_constant(part) for part in vertex.args)


def _successors(vertices: Sequence[Vertex]) -> list[list[int]]:
    after: list[list[int]] = [[] for _ in vertices]
    for vertex in vertices:
        for i in vertex.before:
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
                holding[successor] = sum([i in stuck for i in vertices[successor].before])
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
        current = next(i for i in vertices[current].before if i in among)
    return walk[seen[current] :]
