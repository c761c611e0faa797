"""Happens-before relation among the calls of a run, including the children of mapped nodes."""

import functools
import heapq
from collections.abc import Iterable, Mapping, Sequence

from taskrunner.graph.dag import Dag

type Pair = tuple[str, str]


class HappensBefore:
    """The order that a graph requires among the calls of a run; ``starts`` is an order that satisfies it."""

    def __init__(self, dag: Dag, starts: Sequence[str]) -> None:
        self.dag = dag
        self.starts = starts
        self._positions: Mapping[str, int] = {node: position for position, node in enumerate(starts)}

    def find_vertex(self, node: str) -> int:
        """Return the index of a node's vertex; a child has the vertex of its mapped node."""
        index = self.dag.index
        return index[node] if node in index else index[node.rpartition("[")[0]]

    def are_unordered(self, one: str, other: str) -> bool:
        """Return whether the graph leaves the order of two nodes open."""
        if one == other:
            return False
        a, b = self.find_vertex(one), self.find_vertex(other)
        return a == b or not ((self._ancestors[a] >> b | self._ancestors[b] >> a) & 1)

    def may_overlap(self, one: str, other: str) -> bool:
        """Return whether two nodes may run at the same time."""
        pools = self.dag.file.pools
        vertices = self.dag.vertices
        shared = {*vertices[self.find_vertex(one)].pools} & {*vertices[self.find_vertex(other)].pools}
        return self.are_unordered(one, other) and not any(pools[name] == 1 for name in shared)

    def find_order(self, constraints: Iterable[Pair]) -> list[str]:
        """Return the order nearest to ``starts`` in which the first node of each pair precedes the second."""
        pending = {node: set(self._predecessors[node]) for node in self.starts}
        for first, second in constraints:
            pending[second].add(first)
        successors: dict[str, list[str]] = {node: [] for node in self.starts}
        for node, predecessors in pending.items():
            for predecessor in predecessors:
                successors[predecessor].append(node)
        ready = [self._positions[node] for node, predecessors in pending.items() if not predecessors]
        heapq.heapify(ready)
        order = []
        while ready:
            node = self.starts[heapq.heappop(ready)]
            order.append(node)
            for successor in successors[node]:
                pending[successor].discard(node)
                if not pending[successor]:
                    heapq.heappush(ready, self._positions[successor])
        return order

    @functools.cached_property
    def _ancestors(self) -> list[int]:
        """For each vertex, the set of its ancestors as the bits of an integer."""
        ancestors = [0] * len(self.dag.vertices)
        for index in self.dag.order:
            for predecessor in self.dag.vertices[index].predecessors:
                ancestors[index] |= ancestors[predecessor] | 1 << predecessor
        return ancestors

    @functools.cached_property
    def _calls(self) -> Mapping[int, list[str]]:
        calls: dict[int, list[str]] = {}
        for node in self.starts:
            calls.setdefault(self.find_vertex(node), []).append(node)
        return calls

    @functools.cached_property
    def _predecessors(self) -> Mapping[str, set[str]]:
        """For each call, its direct predecessors; a node without calls, such as a command, is replaced by its own."""
        # The calls that have ended when a vertex has ended.
        ended: list[set[str]] = [set() for _ in self.dag.vertices]
        predecessors: dict[str, set[str]] = {}
        for index in self.dag.order:
            inherited = set().union(*[ended[vertex] for vertex in self.dag.vertices[index].predecessors])
            ended[index] = set(self._calls.get(index, ())) or inherited
            predecessors |= dict.fromkeys(self._calls.get(index, ()), inherited)
        return predecessors


def find_inversions(reference: Sequence[str], order: Sequence[str]) -> list[Pair]:
    """Return the pairs of nodes, as ordered in ``order``, whose order is the opposite in the reference."""
    positions = {node: position for position, node in enumerate(reference)}
    known = [node for node in order if node in positions]
    return [(a, b) for i, a in enumerate(known) for b in known[i + 1 :] if positions[a] > positions[b]]
