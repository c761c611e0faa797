"""The modules that a graph's nodes name, in the order in which a run imports them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from taskrunner.graph.dag import Dag


class GraphModule(msgspec.Struct, frozen=True):
    """A module that nodes name: the first of these, and how many they are; none: it makes the graph itself."""

    module: str
    node: str
    nodes: int


def graph_modules(dag: Dag, local_functions: Mapping[str, Callable[..., Any]]) -> list[GraphModule]:
    """Return the modules of a graph's calls; of functions that were given in Python those that they come from."""
    nodes: dict[str, list[str]] = {}
    for vertex in dag.vertices:
        if vertex.id in local_functions:
            module = getattr(local_functions[vertex.id], "__module__", None)
        else:
            module = vertex.call.partition(":")[0]
        if module and isinstance(module, str):
            nodes.setdefault(module, []).append(vertex.id)
    return [GraphModule(module, ids[0], len(ids)) for module, ids in nodes.items()]
