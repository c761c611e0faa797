"""Linked graph: vertices that refer to each other by index, and are immutable after linking."""

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

# The options of a node that sets none. Nearly all nodes share this object.
DEFAULT_OPTIONS = Node(id="-")


class Templates(msgspec.Struct, frozen=True, eq=False):
    """The templates that few nodes have. ``items`` comes from ``map``, ``condition`` from ``when``."""

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

    ``call`` is empty for a command. ``options`` holds the fields that need no linking. All nodes that set no option
    share one ``options`` object. All nodes whose only templates are ``args`` share one ``templates`` object.

    ``predecessors`` are the indexes of the vertices that must finish first. ``data_predecessors`` are the leading
    part of it: the vertices whose results this node refers to.

    A call is *flat* if its arguments are only constants and whole results, each result once. In this case
    ``input_positions`` is not None: it holds the position in ``args`` of the result of each data predecessor.
    ``args`` has None in these positions. The predecessor stores its result there, and the call needs no further
    preparation.
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
        """Whether this node has one child for each item."""
        return self.templates.items is not UNSET

    def template_locations(self) -> Iterator[tuple[Any, Path]]:
        """Yield every template of this vertex with its location in the file."""
        path: Path = ("nodes", self.index)
        for i, template in enumerate(self.args):
            yield template, (*path, "args", i)
        templates = self.templates
        yield templates.kwargs, (*path, "kwargs")
        yield templates.argv, (*path, "run")
        yield templates.env, (*path, "env")
        yield templates.stdin, (*path, "stdin")
        yield templates.items, (*path, "map")
        yield templates.condition, (*path, "when")
        if templates.files is not None:
            yield templates.files, (*path, "files")
        if templates.creates is not None:
            yield templates.creates, (*path, "creates")


class Dag:
    """A directed acyclic graph of vertices.

    ``order`` is a topological order of their indexes. ``file`` is the graph file without its nodes.
    """

    def __init__(
        self, file: GraphFile, vertices: Sequence[Vertex], index: Mapping[str, int], order: Sequence[int]
    ) -> None:
        self.file = file
        self.vertices = vertices
        self.order = order
        self.index = index
        if file.outputs is UNSET:
            self.outputs = self._find_sinks()
        else:
            self.outputs = tuple(index[name] for name in file.outputs)

    def _find_sinks(self) -> tuple[int, ...]:
        has_successor = bytearray(len(self.vertices))
        for vertex in self.vertices:
            for i in vertex.predecessors:
                has_successor[i] = 1
        return tuple([i for i, has_any in enumerate(has_successor) if not has_any])

    @property
    def successors(self) -> list[list[int]]:
        """For each vertex the indexes of its successors, the highest priority first."""
        return self._forward_edges[0]

    @property
    def input_positions(self) -> list[tuple[int | None, ...]]:
        """For each vertex, and each of its successors, the position of its result in the inputs of the successor.

        That is an index into the arguments of a flat call, otherwise into ``data_predecessors``. It is None if the
        successor does not use the result.
        """
        return self._forward_edges[1]

    @functools.cached_property
    def nearest_predecessors(self) -> list[int]:
        """For each vertex its predecessor on a shortest path from a root; -1 for a root, which has no predecessors."""
        nearest = [-1] * len(self.vertices)
        reached = [vertex.index for vertex in self.vertices if not vertex.predecessors]
        for index in reached:  # the list grows during the loop: breadth first
            for successor in self.successors[index]:
                if nearest[successor] < 0:
                    nearest[successor] = index
                    reached.append(successor)
        return nearest

    @functools.cached_property
    def _forward_edges(self) -> tuple[list[list[int]], list[tuple[int | None, ...]]]:
        pairs: list[list[Any]] = [[] for _ in self.vertices]
        for vertex in self._sort_by_priority():
            index, predecessors, data_count = vertex.index, vertex.predecessors, len(vertex.data_predecessors)
            positions = range(data_count) if vertex.input_positions is None else vertex.input_positions
            for i, position in zip(predecessors, positions, strict=False):
                pairs[i] += (index, position)
            for i in predecessors[data_count:]:
                pairs[i] += (index, None)
        shared: dict[tuple[int | None, ...], tuple[int | None, ...]] = {}
        input_positions = []
        for index, edges in enumerate(pairs):
            positions_of_edges = tuple(edges[1::2])
            input_positions.append(shared.setdefault(positions_of_edges, positions_of_edges))
            pairs[index] = edges[::2]
        return pairs, input_positions

    @functools.cached_property
    def special(self) -> list[Vertex]:
        """The vertices that set at least one option."""
        return [vertex for vertex in self.vertices if vertex.options is not DEFAULT_OPTIONS]

    @functools.cached_property
    def call_signatures(self) -> dict[tuple[str, int, Any], Vertex]:
        """A vertex for each combination of callable, number of arguments and keywords."""
        return {(v.call, len(v.args), v.templates.keywords): v for v in self.vertices if v.call}

    def _sort_by_priority(self) -> Sequence[Vertex]:
        vertices = self.vertices
        if all(vertex.options is DEFAULT_OPTIONS or not vertex.options.priority for vertex in vertices):
            return vertices
        return sorted(vertices, key=lambda vertex: -vertex.options.priority)

    @functools.cached_property
    def edges(self) -> int:
        """The number of edges."""
        return sum([len(vertex.predecessors) for vertex in self.vertices])

    def closure(self, targets: Iterable[str]) -> set[int]:
        """Return the indexes of the targets and of all their direct and indirect predecessors.

        Raises:
            UsageError: a target is not in the graph.

        """
        stack = [self.find(target) for target in targets]
        closure = set(stack)
        while stack:
            for index in self.vertices[stack.pop()].predecessors:
                if index not in closure:
                    closure.add(index)
                    stack.append(index)
        return closure

    def depths(self) -> list[int]:
        """Return the depth of each vertex: 0 without predecessors, otherwise 1 + the maximum of theirs."""
        depths = [0] * len(self.vertices)
        for index in self.order:
            deepest = -1
            for i in self.vertices[index].predecessors:
                deepest = max(deepest, depths[i])
            depths[index] = deepest + 1
        return depths

    def levels(self) -> list[list[Vertex]]:
        """Return the vertices by depth. The vertices of a level depend only on earlier levels."""
        depths = self.depths()
        levels: list[list[Vertex]] = [[] for _ in range(max(depths, default=-1) + 1)]
        for index in self.order:
            levels[depths[index]].append(self.vertices[index])
        return levels

    def critical_path(self, weights: Sequence[float]) -> tuple[float, list[Vertex]]:
        """Return the length and the vertices of the longest path. ``weights`` has the weight of each vertex."""
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
            UsageError: the node is not in the graph.

        """
        if target not in self.index:
            hint = did_you_mean(target, self.index)
            raise UsageError(f'no node "{target}" in the graph' + (f"; {hint}" if hint else ""))
        return self.index[target]
