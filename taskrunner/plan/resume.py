"""Resumption: the nodes of an earlier run that have finished, are unchanged, and so need not run again.

A node is *unchanged* if its own definition and those of all its dependencies are. It would then compute the
same result again. An unchanged node that has finished is restored with its result. If the result could not be stored,
the node is restored only if the result no longer has a consumer; otherwise it runs again.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from taskrunner.graph.dag import Dag, Vertex
from taskrunner.graph.template import DictOf, Item, ListOf, Ref, references
from taskrunner.nodes.binding import MISSING
from taskrunner.storage.journal import Entry, result_of
from taskrunner.storage.serialization import SerializationError


class Resumption(msgspec.Struct, frozen=True):
    """The restored part of an earlier run, and the finished nodes that are not restored.

    - ``results``: the result of each restored node by its index; MISSING if it has no consumer.
    - ``children``: the entries of children whose mapped node had not finished.
    - ``changed``: the finished nodes with another definition, or with a changed dependency.
    - ``unstored``: the nodes that run again because their results could not be stored.
    """

    results: dict[int, Any]
    children: dict[str, Entry]
    changed: tuple[str, ...]
    unstored: tuple[str, ...]


def resume(dag: Dag, earlier: Dag, entries: Mapping[str, Entry], outputs: Iterable[int]) -> Resumption:
    """Return the part of an earlier run that a run of ``dag`` restores, if it must return the results ``outputs``."""
    unchanged = _unchanged(dag, earlier)
    results: dict[int, Any] = {}
    unstored: list[str] = []
    required = set(outputs)
    for index in reversed(dag.order):
        vertex = dag.vertices[index]
        entry = entries.get(vertex.id) if index in unchanged and not vertex.options.always else None
        if entry is not None:
            try:
                results[index] = result_of(entry) if index in required else MISSING
                continue
            except SerializationError:
                unstored.append(vertex.id)
        required.update(vertex.data_predecessors)
    changed = tuple([v.id for v in dag.vertices if v.index not in unchanged and v.id in entries])
    mapped = {v.id for v in dag.vertices if v.is_mapped and v.index in unchanged and v.index not in results}
    mapped -= {v.id for v in dag.vertices if v.id in mapped and not _has_same_items(dag, v, results)}
    children = {node: entry for node, entry in entries.items() if node.rpartition("[")[0] in mapped}
    return Resumption(results, children, changed, tuple(reversed(unstored)))


def _has_same_items(dag: Dag, vertex: Vertex, results: Mapping[int, Any]) -> bool:
    """Return whether a mapped node has its earlier items: a source that runs again may list them in another order."""
    return all(dag.index[ref.node] in results for ref, _ in references(vertex.templates.items))


def _unchanged(dag: Dag, earlier: Dag) -> set[int]:
    """Return the indexes of the nodes that are unchanged, as are all their dependencies."""
    unchanged: set[int] = set()
    for index in dag.order:
        vertex = dag.vertices[index]
        earlier_index = earlier.index.get(vertex.id)
        if earlier_index is None or not unchanged.issuperset(vertex.predecessors):
            continue
        if _definition(dag, vertex) == _definition(earlier, earlier.vertices[earlier_index]):
            unchanged.add(index)
    return unchanged


def _definition(dag: Dag, vertex: Vertex) -> Any:
    """Return the properties that determine the result of a node, as comparable values."""
    args = [_comparable(part) for part in vertex.args]
    if vertex.input_positions is not None:
        for position, index in zip(vertex.input_positions, vertex.data_predecessors, strict=True):
            args[position] = ("$ref", dag.vertices[index].id, ())
    other = vertex.templates
    templates = [
        _comparable(part) for part in (other.kwargs, other.argv, other.env, other.stdin, other.items, other.condition)
    ]
    predecessors = sorted([dag.vertices[index].id for index in vertex.predecessors])
    return vertex.call, args, templates, predecessors, vertex.options.cwd, vertex.options.capture


def _comparable(template: Any) -> Any:
    """Return a template as comparable values, with different values for 1, 1.0 and true."""
    if isinstance(template, Ref):
        return ("$ref", template.node, template.path)
    if isinstance(template, Item):
        return ("$item", template.path)
    if isinstance(template, DictOf):
        return ("dict", template.keys, [_comparable(part) for part in template.parts])
    if isinstance(template, ListOf):
        return (type(template).__name__, [_comparable(part) for part in template.parts])
    return (type(template).__name__, template)
