"""Modules named by a graph's nodes, in the order in which a run imports them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from taskrunner.graph.dag import Dag


class GraphModule(msgspec.Struct, frozen=True):
    """A module that nodes name: the first of these nodes, and their number.

    The number is 0 for the module that builds the graph.
    """

    module: str
    node: str
    nodes: int


def graph_modules(dag: Dag, local_functions: Mapping[str, Callable[..., Any]]) -> list[GraphModule]:
    """Return the modules of a graph's calls; for functions passed in Python, the modules that define them."""
    nodes: dict[str, list[str]] = {}
    for vertex in dag.vertices:
        if vertex.id in local_functions:
            module = getattr(local_functions[vertex.id], "__module__", None)
        else:
            module = vertex.call.partition(":")[0]
        if module and isinstance(module, str):
            nodes.setdefault(module, []).append(vertex.id)
    return [GraphModule(module, ids[0], len(ids)) for module, ids in nodes.items()]
