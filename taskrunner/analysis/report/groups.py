"""Which nodes belong together: those that call the same function, or, where all do, those whose names begin alike."""

import re
from collections.abc import Sequence

import msgspec

from taskrunner.analysis.labels import function_of
from taskrunner.graph.dag import Dag

_NUMBER = re.compile(r"[\W_]*\d.*", re.DOTALL)


class Groups(msgspec.Struct, frozen=True):
    """``names``: the group of each vertex, by its index. ``kind``: what the groups are."""

    kind: str
    names: Sequence[str]


def groups_of(dag: Dag) -> Groups:
    """Return the groups of a graph: its functions, if there is more than one, else what its ids begin with."""
    functions = [function_of(vertex) for vertex in dag.vertices]
    if len(set(functions)) != 1:
        return Groups("function", functions)
    return Groups("group", [_NUMBER.sub("", vertex.id) or vertex.id for vertex in dag.vertices])
