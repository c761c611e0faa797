"""The linked graph: vertices that know each other by index, and are not changed from then on."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from taskrunner.errors import UsageError
from taskrunner.graph.hints import did_you_mean
from taskrunner.graph.location import Path
from taskrunner.graph.spec import GraphFile, Node
from taskrunner.graph.template import DictOf

# The options of a node that sets none, as nearly all do.
PLAIN = Node(id="-")


class Templates(msgspec.Struct, frozen=True, eq=False):
    """The templates that few nodes have; ``items`` comes from ``map``, ``guard`` from ``when``."""

    kwargs: DictOf | None = None
    argv: Any = None
    env: Any = None
    stdin: Any = UNSET
    items: Any = UNSET
    condition: Any = UNSET
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
    predecessors: tuple[int, ...] = ()
    data_predecessors: tuple[int, ...] = ()
    input_positions: tuple[int, ...] | None = None
    templates: Templates = NO_TEMPLATES

    @property
    def is_mapped(self) -> bool:
        """Whether this node stands for one child an item."""
        return self.templates.items is not UNSET

    def template_locations(self) -> Iterator[tuple[Any, Path]]:
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
        yield other.condition, (*path, "when")
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
            for i in vertex.predecessors:
                is_needed[i] = 1
        return tuple([i for i, needed in enumerate(is_needed) if not needed])

    @property
    def successors(self) -> list[list[int]]:
        """For each vertex the indexes of those that wait for it, those of higher priority first."""
        return self._forward_edges[0]

    @property
    def input_positions(self) -> list[tuple[int | None, ...]]:
        """For each vertex, and each in its ``after``: where its result goes there.

        That is a place in the arguments of a flat call, else one in ``used``; None: it is not wanted.
        """
        return self._forward_edges[1]

    @functools.cached_property
    def nearest_predecessors(self) -> list[int]:
        """For each vertex the one before it on a shortest way from one that needs nothing; -1: it needs nothing."""
        found = [-1] * len(self.vertices)
        reached = [vertex.index for vertex in self.vertices if not vertex.predecessors]
        for index in reached:  # it grows while it is read: breadth first
            for successor in self.successors[index]:
                if found[successor] < 0:
                    found[successor] = index
                    reached.append(successor)
        return found

    @functools.cached_property
    def _forward_edges(self) -> tuple[list[list[int]], list[tuple[int | None, ...]]]:
        pairs: list[list[Any]] = [[] for _ in self.vertices]
        for vertex in self._by_priority():
            index, before, used = vertex.index, vertex.predecessors, vertex.data_predecessors
            slots = range(len(used)) if vertex.input_positions is None else vertex.input_positions
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
    def call_signatures(self) -> dict[tuple[str, int, Any], Vertex]:
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
        return sum([len(vertex.predecessors) for vertex in self.vertices])

    def closure(self, targets: Iterable[str]) -> set[int]:
        """Return the indexes of the targets and of all that they need.

        Raises:
            UsageError: a target is not in the graph.

        """
        waiting = [self.find(target) for target in targets]
        found = set(waiting)
        while waiting:
            for index in self.vertices[waiting.pop()].predecessors:
                if index not in found:
                    found.add(index)
                    waiting.append(index)
        return found

    def depths(self) -> list[int]:
        """Return the depth of each vertex: 0 where it needs nothing, else one more than the deepest that it needs."""
        depths = [0] * len(self.vertices)
        for index in self.order:
            deepest = -1
            for i in self.vertices[index].predecessors:
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
            for i in vertices[index].predecessors:
                latest = max(latest, finish[i])
            finish[index] = latest + weights[index]
        last = max(self.order, key=finish.__getitem__)
        path = [vertices[last]]
        while path[-1].predecessors:
            path.append(vertices[max(path[-1].predecessors, key=finish.__getitem__)])
        return finish[last], path[::-1]

    def find(self, target: str) -> int:
        """Return the index of a node.

        Raises:
            UsageError: it is not in the graph.

        """
        if target not in self.index:
            hint = did_you_mean(target, self.index)
            raise UsageError(f'no node "{target}" in the graph' + (f"; {hint}" if hint else ""))
        return self.index[target]
