"""Resumption: the nodes of an earlier run that a resumed run does not execute again.

A finished node is *restored* if a fresh run would give the same result: its definition is unchanged, the files that it
reads and creates are, and all its predecessors are restored. So the nodes that run again are closed under successors.
A node that runs again may give another result, or have other effects, so every successor of it runs again as well.

These nodes run again although they may have finished:

- a node with ``always``, and all nodes that it depends on, directly or not, if it has started: it may have removed
  what they made;
- a node whose result is required and could not be stored;
- a mapped node of which a child has no result, with the remaining children only.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from taskrunner.graph.dag import Dag, Vertex
from taskrunner.graph.template import DictOf, Item, ListOf, Ref
from taskrunner.nodes.binding import MISSING, bind
from taskrunner.storage.journal import Contents, Entry, result_of
from taskrunner.storage.serialization import SerializationError

# Reasons why a node is not restored. A run of a million nodes has as many, so they do not name nodes.
ALWAYS = "it always runs"
UNFINISHED = "it had not finished"
REDEFINED = "its definition has changed"
DISTURBED = "an always node may have removed what it made"
FOLLOWS = "a node that it depends on runs again"
NEW_FILES = "its files have changed"
UNSTORED = "its result could not be stored"


class Resumption(msgspec.Struct, frozen=True):
    """The restored part of an earlier run, and the finished nodes that are not restored.

    - ``results``: the result of each restored node by its index; MISSING if no node that runs consumes it.
    - ``children``: the entries of the finished children whose mapped node runs again.
    - ``changed``: the finished nodes that run again, except for those in ``unstored``.
    - ``unstored``: the nodes that run again because their results could not be stored.
    - ``dropped``: the nodes and children whose journal entries no longer count.
    - ``reasons``: for each node that runs, by its index, the reason why it is not restored.
    """

    results: dict[int, Any]
    children: dict[str, Entry]
    changed: tuple[str, ...]
    unstored: tuple[str, ...]
    dropped: tuple[str, ...]
    reasons: Mapping[int, str]


class EarlierRun(msgspec.Struct, frozen=True):
    """The part of an earlier run that decides on restored results.

    ``unchanged`` are the indexes of the nodes whose definitions are unchanged. ``is_current``: whether the files that
    a node declares are as they were when it wrote its journal entry.
    """

    journal: Contents
    unchanged: Container[int]
    is_current: Callable[[Entry], bool]


def resume(dag: Dag, earlier: EarlierRun, outputs: Iterable[int], selected: Container[int]) -> Resumption:
    """Return the part of an earlier run that a run of the ``selected`` nodes restores.

    The run must return the results ``outputs``.
    """
    search = _Search(dag, earlier, selected)
    search.find_unfinished()
    search.require(outputs)
    return search.resumption()


class _Search:
    """Search for the nodes that run again. One thread uses it.

    ``_again`` holds their indexes, each with the reason. It only grows, and is closed under successors.
    """

    def __init__(self, dag: Dag, earlier: EarlierRun, selected: Container[int]) -> None:
        self._dag = dag
        self._earlier = earlier
        self._entries = earlier.journal.entries
        self._selected = selected
        self._again: dict[int, str] = {}
        self._unstored: dict[int, None] = {}
        self._results: dict[int, Any] = {}
        self._children = _children_by_node(self._entries)
        # A started ``always`` node may have removed what any node made on which it depends.
        self._disturbed = dag.closure([node for node in earlier.journal.started if node in dag.index])

    def find_unfinished(self) -> None:
        """Find the nodes that have not finished, or would not finish in the same way in a fresh run."""
        for index in self._dag.order:
            if reason := self._reason_to_run(self._dag.vertices[index]):
                self._again[index] = reason

    def _reason_to_run(self, vertex: Vertex) -> str:
        """Return why a node runs again; "" if it has finished as it would in a fresh run."""
        if vertex.options.always:
            return ALWAYS
        if vertex.index not in self._earlier.unchanged:
            return REDEFINED if vertex.id in self._entries else UNFINISHED
        if vertex.index in self._disturbed:
            return DISTURBED
        if not self._again.keys().isdisjoint(vertex.predecessors):
            return FOLLOWS
        if self._is_finished(vertex):
            return ""
        return NEW_FILES if vertex.id in self._entries and vertex.options.files else UNFINISHED

    def require(self, outputs: Iterable[int]) -> None:
        """Load the results that the run needs. A node whose result cannot be loaded runs again."""
        required = [index for index in outputs if index not in self._again]
        for index in self._again:
            required += self._inputs_of(index)
        for index in required:  # the list grows during the iteration
            if index in self._again or index in self._results:
                continue
            try:
                self._load(index)
            except SerializationError:
                self._unstored[index] = None
                for added in self._add_with_successors(index, UNSTORED):
                    required += self._inputs_of(added)

    def resumption(self) -> Resumption:
        """Return what the search has found."""
        vertices = self._dag.vertices
        again = [vertices[index] for index in self._dag.order if index in self._again]
        results = {
            vertex.index: self._results.get(vertex.index, MISSING)
            for vertex in vertices
            if vertex.index not in self._again
        }
        children: dict[str, Entry] = {}
        for vertex in again:
            children |= self._remaining_children(vertex)
        finished = [vertex.id for vertex in again if vertex.id in self._entries]
        unstored = tuple([vertices[index].id for index in self._dag.order if index in self._unstored])
        named = set(unstored)
        dropped = [child for vertex in again for child in self._children.get(vertex.id, ()) if child not in children]
        dropped += finished
        dropped += [vertex.id for vertex in again if vertex.id in self._earlier.journal.started]
        changed = tuple(sorted([node for node in finished if node not in named], key=self._dag.index.__getitem__))
        return Resumption(results, children, changed, unstored, tuple(dropped), self._again)

    def _is_finished(self, vertex: Vertex) -> bool:
        if vertex.is_mapped:
            return self._has_finished_children(vertex)
        stored = self._entries.get(vertex.id)
        return stored is not None and self._is_current(vertex, stored)

    def _is_current(self, vertex: Vertex, stored: Entry) -> bool:
        declares_files = vertex.templates.files is not None or vertex.templates.creates is not None
        return not declares_files or self._earlier.is_current(stored)

    def _has_finished_children(self, vertex: Vertex) -> bool:
        """Return whether all children of a mapped node have finished; a failed child may have been allowed to fail."""
        items = self._items(vertex)
        if not items:
            return items is not None and vertex.id in self._entries
        return all(
            (stored := self._entries.get(f"{vertex.id}[{number}]")) is not None and self._is_current(vertex, stored)
            for number in range(len(items))
        )

    def _items(self, vertex: Vertex) -> list[Any] | tuple[Any, ...] | None:
        """Return the items of a mapped node; None if they are unknown, or if their order may differ in this process."""
        try:
            items = bind(vertex.templates.items, lambda node: self._load(self._dag.index[node]))
        except Exception:  # noqa: BLE001  no stored result, or a part that does not exist: the node fails when it runs
            return None
        return items if isinstance(items, list | tuple) else None

    def _remaining_children(self, vertex: Vertex) -> dict[str, Entry]:
        """Return the entries of the children of a mapped node that runs again, if it has the same items."""
        is_same = (
            vertex.is_mapped
            and not vertex.options.always
            and vertex.index in self._earlier.unchanged
            and self._again.keys().isdisjoint(vertex.predecessors)
            and vertex.index not in self._disturbed
            and self._items(vertex) is not None
        )
        if not is_same:
            return {}
        children = {child: self._entries[child] for child in self._children.get(vertex.id, ())}
        return {child: stored for child, stored in children.items() if self._is_current(vertex, stored)}

    def _load(self, index: int) -> Any:
        """Return the stored result of a node that does not run again.

        Raises:
            SerializationError: the result could not be stored, or this process cannot read it.

        """
        if index not in self._results:
            vertex = self._dag.vertices[index]
            self._results[index] = self._gather(vertex) if vertex.is_mapped else result_of(self._entries[vertex.id])
        return self._results[index]

    def _gather(self, vertex: Vertex) -> list[Any]:
        """Return the list of results of a mapped node; a cluster journals only the children."""
        if len(self._entries.get(vertex.id, ())) > 1:
            gathered: list[Any] = result_of(self._entries[vertex.id])
            return gathered
        return [result_of(self._entries[f"{vertex.id}[{number}]"]) for number in range(len(self._items(vertex) or ()))]

    def _inputs_of(self, index: int) -> list[int]:
        return [*self._dag.vertices[index].data_predecessors] if index in self._selected else []

    def _add_with_successors(self, index: int, reason: str) -> Iterator[int]:
        """Add a node for a reason, and all that depends on it; yield the added nodes."""
        stack = [index]
        while stack:
            added = stack.pop()
            if added not in self._again:
                self._again[added] = reason if added == index else FOLLOWS
                yield added
                stack += self._dag.successors[added]


def unchanged_nodes(dag: Dag, earlier: Dag) -> set[int]:
    """Return the indexes of the nodes of ``dag`` with the same definition in an earlier graph."""
    unchanged: set[int] = set()
    for index in dag.order:
        vertex = dag.vertices[index]
        earlier_index = earlier.index.get(vertex.id)
        if earlier_index is None:
            continue
        if _definition(dag, vertex) == _definition(earlier, earlier.vertices[earlier_index]):
            unchanged.add(index)
    return unchanged


def _children_by_node(entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return the ids of the entries that may belong to children, by the id of their mapped node."""
    children: dict[str, list[str]] = {}
    for node in entries:
        if node.endswith("]") and (mapped := node.rpartition("[")[0]):
            children.setdefault(mapped, []).append(node)
    return children


def _definition(dag: Dag, vertex: Vertex) -> Any:
    """Return the properties that determine the result of a node, as comparable values."""
    args = [_comparable(part) for part in vertex.args]
    if vertex.input_positions is not None:
        for position, index in zip(vertex.input_positions, vertex.data_predecessors, strict=True):
            args[position] = ("$ref", dag.vertices[index].id, ())
    other = vertex.templates
    parts = (
        other.kwargs, other.argv, other.env, other.stdin, other.items, other.condition, other.files, other.creates
    )  # fmt: skip
    templates = [_comparable(part) for part in parts]
    predecessors = sorted([dag.vertices[index].id for index in vertex.predecessors])
    return vertex.call, args, templates, predecessors, vertex.options.cwd, vertex.options.capture


def _comparable(template: Any) -> Any:
    """Return a template as comparable values, with different values for 1, 1.0 and true, and for 0.0 and -0.0."""
    if isinstance(template, Ref):
        return ("$ref", template.node, template.path)
    if isinstance(template, Item):
        return ("$item", template.path)
    if isinstance(template, DictOf):
        return ("dict", template.keys, [_comparable(part) for part in template.parts])
    if isinstance(template, ListOf):
        return (type(template).__name__, [_comparable(part) for part in template.parts])
    return (type(template).__name__, repr(template) if isinstance(template, float) else template)
