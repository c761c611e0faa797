"""Object graph: digests of objects that refer to each other, cycles included, each object read once.

The digest of an object is made from the digests of the objects that it refers to. In a cycle, a reference to an object
that is still being read counts by its distance. So a digest does not depend on the order in which other objects are
read, nor on whether equal parts are one object: ``[x, x]`` and two equal lists have the same digest.

The strongly connected components are found by Tarjan's algorithm ("Depth-first search and linear graph algorithms",
1972). The cost is linear in the number of references.

Thread safety: none; each thread uses a separate instance.
"""

from collections.abc import Callable
from typing import Any

from taskrunner.reuse.digest import digest


class _Vertex:
    """One object of the graph.

    - ``depth``: its position on the stack of open objects.
    - ``lowest``: the smallest depth that it refers to, directly or not.
    - ``base``: the number of unfinished objects when it was opened.
    - ``index``: its position among the unfinished objects of its component; -1 while it is open.
    - ``value`` keeps the object alive, because its address identifies it.
    """

    __slots__ = ("base", "depth", "digest", "index", "is_closed", "lowest", "value")

    def __init__(self, value: Any, depth: int, base: int) -> None:
        self.value = value
        self.depth = self.lowest = depth
        self.base = base
        self.index = -1
        self.is_closed = False
        self.digest = b""


class ObjectGraph:
    """The digests of objects that refer to each other."""

    def __init__(self) -> None:
        self._vertices: dict[int, _Vertex] = {}
        self._open: list[_Vertex] = []
        self._unfinished: list[_Vertex] = []

    def read(self, value: Any, describe: Callable[[Any], bytes]) -> bytes:
        """Return the digest of an object; ``describe`` returns it at the first visit, and may read other objects."""
        vertex = self._vertices.get(id(value))
        if vertex is not None:
            return self._refer(vertex)
        vertex = _Vertex(value, len(self._open), len(self._unfinished))
        self._vertices[id(value)] = vertex
        self._open.append(vertex)
        vertex.digest = describe(value)
        self._open.pop()
        self._finish(vertex)
        return vertex.digest

    def _refer(self, vertex: _Vertex) -> bytes:
        if vertex.is_closed:
            return vertex.digest
        parent = self._open[-1]
        parent.lowest = min(parent.lowest, vertex.lowest)
        if vertex.index < 0:
            return digest("open", b"%d" % (parent.depth - vertex.depth))
        ancestor = self._open[vertex.lowest]
        return digest("again", b"%d" % (parent.depth - ancestor.depth), b"%d" % (vertex.index - ancestor.base))

    def _finish(self, vertex: _Vertex) -> None:
        members = self._unfinished[vertex.base :]
        if vertex.lowest < vertex.depth:
            self._open[-1].lowest = min(self._open[-1].lowest, vertex.lowest)
            for member in members:  # their ancestor is finished, and another one takes its position on the stack
                member.lowest = min(member.lowest, vertex.lowest)
            vertex.index = len(self._unfinished)
            self._unfinished.append(vertex)
            return
        vertex.is_closed = True
        for member in members:
            member.is_closed = True
            member.digest = digest("member", vertex.digest, b"%d" % (member.index - vertex.base))
        del self._unfinished[vertex.base :]
