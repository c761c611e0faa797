"""What a resumed run need not do again: the nodes that have finished, and are still what they were.

A node is *unchanged* if its own definition is, and that of everything it needs: then it would compute
again what it has computed. An unchanged node that has finished is kept with its result. One whose result
could not be stored is kept as well where nobody takes the result any more, and runs again otherwise.
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
    """What is kept of an earlier run, and what of it is not, though it had finished.

    ``results``: by the index of each node that is kept its result, MISSING if nobody takes it.
    ``children``: the entries of children whose mapped node had not finished.
    ``changed``: the nodes that are not what they were. ``unstored``: those that run again because their
    results could not be stored.
    """

    results: dict[int, Any]
    children: dict[str, Entry]
    changed: tuple[str, ...]
    unstored: tuple[str, ...]


def resume(dag: Dag, earlier: Dag, entries: Mapping[str, Entry], outputs: Iterable[int]) -> Resumption:
    """Say what of an earlier run is kept for one of ``dag`` whose results ``outputs`` are wanted."""
    unchanged = _unchanged(dag, earlier)
    results: dict[int, Any] = {}
    unstored: list[str] = []
    wanted = set(outputs)
    for index in reversed(dag.order):
        vertex = dag.vertices[index]
        found = entries.get(vertex.id) if index in unchanged and not vertex.options.always else None
        if found is not None:
            try:
                results[index] = result_of(found) if index in wanted else MISSING
                continue
            except SerializationError:
                unstored.append(vertex.id)
        wanted.update(vertex.data_predecessors)
    changed = tuple([v.id for v in dag.vertices if v.index not in unchanged and v.id in entries])
    mapped = {v.id for v in dag.vertices if v.is_mapped and v.index in unchanged and v.index not in results}
    mapped -= {v.id for v in dag.vertices if v.id in mapped and not _items_are_known(dag, v, results)}
    children = {node: found for node, found in entries.items() if node.rpartition("[")[0] in mapped}
    return Resumption(results, children, changed, tuple(reversed(unstored)))


def _items_are_known(dag: Dag, vertex: Vertex, results: Mapping[int, Any]) -> bool:
    """Say whether a mapped node's items are those that it had: what runs again may list them in another order."""
    return all(dag.index[ref.node] in results for ref, _ in references(vertex.templates.items))


def _unchanged(dag: Dag, earlier: Dag) -> set[int]:
    """Return the indexes of the nodes that are what they were, and so is all that they need."""
    found: set[int] = set()
    for index in dag.order:
        vertex = dag.vertices[index]
        was = earlier.index.get(vertex.id)
        if was is None or not found.issuperset(vertex.predecessors):
            continue
        if _definition(dag, vertex) == _definition(earlier, earlier.vertices[was]):
            found.add(index)
    return found


def _definition(dag: Dag, vertex: Vertex) -> Any:
    """Return what decides what a node computes, as values that compare."""
    args = [_serialized(part) for part in vertex.args]
    if vertex.input_positions is not None:
        for place, index in zip(vertex.input_positions, vertex.data_predecessors, strict=True):
            args[place] = ("$ref", dag.vertices[index].id, ())
    other = vertex.templates
    templates = [
        _serialized(part) for part in (other.kwargs, other.argv, other.env, other.stdin, other.items, other.condition)
    ]
    before = sorted([dag.vertices[index].id for index in vertex.predecessors])
    return vertex.call, args, templates, before, vertex.options.cwd, vertex.options.capture


def _serialized(template: Any) -> Any:
    """Return a template as values that compare; 1, 1.0 and true are not the same."""
    if isinstance(template, Ref):
        return ("$ref", template.node, template.path)
    if isinstance(template, Item):
        return ("$item", template.path)
    if isinstance(template, DictOf):
        return ("dict", template.keys, [_serialized(part) for part in template.parts])
    if isinstance(template, ListOf):
        return (type(template).__name__, [_serialized(part) for part in template.parts])
    return (type(template).__name__, template)
