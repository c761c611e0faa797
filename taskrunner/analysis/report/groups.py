"""Groups of nodes: by the called function or, if all nodes call the same one, by a common prefix of their ids."""

import re
from collections.abc import Sequence

import msgspec

from taskrunner.analysis.labels import function_of
from taskrunner.graph.dag import Dag

_NUMBER = re.compile(r"[\W_]*\d.*", re.DOTALL)


class Groups(msgspec.Struct, frozen=True):
    """Groups of the vertices. ``kind``: "function" or "group"; ``names``: the group of each vertex, by its index."""

    kind: str
    names: Sequence[str]


def groups_of(dag: Dag) -> Groups:
    """Return the groups of a graph: its functions if there are several, else the prefixes of its ids."""
    functions = [function_of(vertex) for vertex in dag.vertices]
    if len(set(functions)) != 1:
        return Groups("function", functions)
    return Groups("group", [_NUMBER.sub("", vertex.id) or vertex.id for vertex in dag.vertices])
