"""What must come before what among the calls of a run, children of mapped nodes among them."""

import functools
import heapq
from collections.abc import Iterable, Mapping, Sequence

from taskrunner.graph.dag import Dag

type Pair = tuple[str, str]


class HappensBefore:
    """The order that a graph asks for among the calls that a run has made; ``starts`` is an order that keeps to it."""

    def __init__(self, dag: Dag, starts: Sequence[str]) -> None:
        self.dag = dag
        self.starts = starts
        self.place: Mapping[str, int] = {node: place for place, node in enumerate(starts)}

    def vertex(self, node: str) -> int:
        """Return the index of a node's vertex; that of a child is its mapped node's."""
        index = self.dag.index
        return index[node] if node in index else index[node.rpartition("[")[0]]

    def are_unordered(self, one: str, other: str) -> bool:
        """Say whether nothing decides which of two nodes comes first."""
        if one == other:
            return False
        a, b = self.vertex(one), self.vertex(other)
        return a == b or not ((self._ancestors[a] >> b | self._ancestors[b] >> a) & 1)

    def may_overlap(self, one: str, other: str) -> bool:
        """Say whether two nodes may run at the same time."""
        pools = self.dag.file.pools
        shared = {*self.dag.vertices[self.vertex(one)].pools} & {*self.dag.vertices[self.vertex(other)].pools}
        return self.are_unordered(one, other) and not any(pools[name] == 1 for name in shared)

    def order(self, first: Iterable[Pair]) -> list[str]:
        """Return the order nearest to ``starts`` in which of each of these pairs the first comes before the second."""
        waits = {node: set(self._before[node]) for node in self.starts}
        for earlier, later in first:
            waits[later].add(earlier)
        after: dict[str, list[str]] = {node: [] for node in self.starts}
        for node, needed in waits.items():
            for each in needed:
                after[each].append(node)
        ready = [self.place[node] for node, needed in waits.items() if not needed]
        heapq.heapify(ready)
        found = []
        while ready:
            node = self.starts[heapq.heappop(ready)]
            found.append(node)
            for each in after[node]:
                waits[each].discard(node)
                if not waits[each]:
                    heapq.heappush(ready, self.place[each])
        return found

    @functools.cached_property
    def _ancestors(self) -> list[int]:
        """For each vertex a set of those before it, as the bits of a number."""
        found = [0] * len(self.dag.vertices)
        for index in self.dag.order:
            for before in self.dag.vertices[index].predecessors:
                found[index] |= found[before] | 1 << before
        return found

    @functools.cached_property
    def _calls(self) -> Mapping[int, list[str]]:
        calls: dict[int, list[str]] = {}
        for node in self.starts:
            calls.setdefault(self.vertex(node), []).append(node)
        return calls

    @functools.cached_property
    def _before(self) -> Mapping[str, set[str]]:
        """For each call those just before it; what has made none, such as a command, stands for what it needs."""
        ends: list[set[str]] = [set() for _ in self.dag.vertices]  # the calls that have ended when a vertex has
        found: dict[str, set[str]] = {}
        for index in self.dag.order:
            needed = set().union(*[ends[before] for before in self.dag.vertices[index].predecessors])
            ends[index] = set(self._calls.get(index, ())) or needed
            found |= dict.fromkeys(self._calls.get(index, ()), needed)
        return found


def inversions(reference: Sequence[str], order: Sequence[str]) -> list[Pair]:
    """Return the pairs that stand the other way round than in the reference, as they stand."""
    place = {node: number for number, node in enumerate(reference)}
    known = [node for node in order if node in place]
    return [(a, b) for i, a in enumerate(known) for b in known[i + 1 :] if place[a] > place[b]]
