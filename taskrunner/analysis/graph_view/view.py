"""What is to be drawn of a graph: all of it or what lies around one node, with or without what became of it in a run.

Every form draws this and nothing else.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from taskrunner.analysis.graph_view.status import NodeStatus, StatusIndex
from taskrunner.analysis.labels import function_of, label
from taskrunner.graph.dag import Dag, Vertex


class EdgeView(msgspec.Struct, frozen=True):
    """A node that another one needs: where its box stands, whether its result is used."""

    box: int
    is_used: bool
    is_critical: bool = False


class NodeBox(msgspec.Struct, frozen=True):
    """One node. ``level``: its depth in the whole graph. ``before``, ``after``: how many neighbours are left out."""

    id: str
    label: str
    kind: str
    level: int
    is_command: bool
    is_mapped: bool
    needs: tuple[EdgeView, ...] = ()
    before: int = 0
    after: int = 0
    mark: NodeStatus | None = None


class RunHeader(msgspec.Struct, frozen=True):
    """The run that the marks are from. Times are seconds."""

    id: str
    state: str
    wall_s: float
    critical_path_s: float


class GraphView(msgspec.Struct, frozen=True):
    """A graph to be drawn, or a part of one; the boxes are in the order of the graph's nodes."""

    name: str
    boxes: Sequence[NodeBox]
    outputs: Sequence[str]
    run: RunHeader | None = None

    @property
    def edges(self) -> int:
        """How many lines there are between boxes."""
        return sum(len(box.needs) for box in self.boxes)


def graph_view(dag: Dag, kept: Iterable[int] | None = None, marks: StatusIndex | None = None) -> GraphView:
    """Sketch a graph, or the vertices ``kept`` of it, with the marks of a run if there is one."""
    indexes = sorted(range(len(dag.vertices)) if kept is None else kept)
    box_of = {index: box for box, index in enumerate(indexes)}
    links = marks.links if marks else frozenset()
    depths = dag.depths()
    is_cut = len(indexes) < len(dag.vertices)
    boxes = []
    for index in indexes:
        vertex = dag.vertices[index]
        needs = [
            EdgeView(box_of[i], i in vertex.data_predecessors, (dag.vertices[i].id, vertex.id) in links)
            for i in vertex.predecessors
            if i in box_of
        ]
        after = sum(i not in box_of for i in dag.successors[index]) if is_cut else 0
        mark = marks.of(vertex.id) if marks else None
        boxes.append(_box(vertex, depths[index], needs, after, mark))
    outputs = [dag.vertices[i].id for i in dag.outputs if i in box_of]
    return GraphView(dag.file.name, boxes, outputs, _shown(marks))


def neighborhood(dag: Dag, node: str, depth: int) -> set[int]:
    """Return the indexes of a node and of what lies up to ``depth`` steps before and after it.

    A child of a mapped node stands for that node.

    Raises:
        UsageError: the graph has no such node.

    """
    centre = dag.find(node if node in dag.index else _mapped(dag, node))
    return _reach(centre, depth, lambda i: dag.vertices[i].predecessors) | _reach(
        centre, depth, dag.successors.__getitem__
    )


def _mapped(dag: Dag, node: str) -> str:
    """Return the name of the mapped node of a child; what is no child's name is returned as it is."""
    mapped, _, number = node.rpartition("[")
    is_child = (
        number.removesuffix("]").isdecimal() and mapped in dag.index and dag.vertices[dag.index[mapped]].is_mapped
    )
    return mapped if is_child else node


def _reach(centre: int, depth: int, ahead: Callable[[int], Iterable[int]]) -> set[int]:
    found = edge = {centre}
    for _ in range(depth):
        edge = {i for index in edge for i in ahead(index)} - found
        if not edge:
            break
        found = found | edge
    return found


def _box(vertex: Vertex, level: int, needs: Sequence[EdgeView], after: int, mark: NodeStatus | None) -> NodeBox:
    return NodeBox(
        id=vertex.id,
        label=label(vertex),
        kind=function_of(vertex),
        level=level,
        is_command=not vertex.call,
        is_mapped=vertex.is_mapped,
        needs=tuple(needs),
        before=len(vertex.predecessors) - len(needs),
        after=after,
        mark=mark,
    )


def _shown(marks: StatusIndex | None) -> RunHeader | None:
    if marks is None:
        return None
    run = marks.run
    return RunHeader(run.id, run.state, round(run.wall_s, 9), round(run.critical_path[0], 9))
