"""Graph view: the content of a drawing, for a whole graph or the neighborhood of a node.

It optionally contains the status of the nodes in a run. All output formats draw this view and use no other source.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from taskrunner.analysis.graph_view.status import NodeStatus, StatusIndex
from taskrunner.analysis.labels import function_of, label
from taskrunner.graph.dag import Dag, Vertex


class EdgeView(msgspec.Struct, frozen=True):
    """A dependency of a node: the position of its box, and whether its result is used."""

    box: int
    is_used: bool
    is_critical: bool = False


class NodeBox(msgspec.Struct, frozen=True):
    """One node.

    ``level`` is the depth of the node in the whole graph. ``hidden_predecessors`` and ``hidden_successors`` are the
    numbers of neighbors outside the view.
    """

    id: str
    label: str
    kind: str
    level: int
    is_command: bool
    is_mapped: bool
    needs: tuple[EdgeView, ...] = ()
    hidden_predecessors: int = 0
    hidden_successors: int = 0
    status: NodeStatus | None = None


class RunHeader(msgspec.Struct, frozen=True):
    """The run to which the statuses belong. Times are seconds."""

    id: str
    state: str
    wall_s: float
    critical_path_s: float


class GraphView(msgspec.Struct, frozen=True):
    """A graph to draw, or a part of one; the boxes are in the order of the graph's nodes."""

    name: str
    boxes: Sequence[NodeBox]
    outputs: Sequence[str]
    run: RunHeader | None = None

    @property
    def edges(self) -> int:
        """The number of lines between boxes."""
        return sum(len(box.needs) for box in self.boxes)


def graph_view(dag: Dag, selected: Iterable[int] | None = None, statuses: StatusIndex | None = None) -> GraphView:
    """Return the view of a graph or of its ``selected`` vertices, with the statuses of a run if there is one."""
    indexes = sorted(range(len(dag.vertices)) if selected is None else selected)
    box_of = {index: box for box, index in enumerate(indexes)}
    links = statuses.links if statuses else frozenset()
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
        hidden_successors = sum(i not in box_of for i in dag.successors[index]) if is_cut else 0
        status = statuses.of(vertex.id) if statuses else None
        boxes.append(_box(vertex, depths[index], needs, hidden_successors, status))
    outputs = [dag.vertices[i].id for i in dag.outputs if i in box_of]
    return GraphView(dag.file.name, boxes, outputs, _run_header(statuses))


def neighborhood(dag: Dag, node: str, depth: int) -> set[int]:
    """Return the indexes of a node and of its predecessors and successors within ``depth`` steps.

    A child of a mapped node represents that node.

    Raises:
        UsageError: the graph has no such node.

    """
    center = dag.find(node if node in dag.index else _mapped_node(dag, node))
    return _reach(center, depth, lambda i: dag.vertices[i].predecessors) | _reach(
        center, depth, dag.successors.__getitem__
    )


def _mapped_node(dag: Dag, node: str) -> str:
    """Return the mapped node of a child, or the name itself if it does not name a child."""
    mapped, _, number = node.rpartition("[")
    is_child = (
        number.removesuffix("]").isdecimal() and mapped in dag.index and dag.vertices[dag.index[mapped]].is_mapped
    )
    return mapped if is_child else node


def _reach(center: int, depth: int, neighbors: Callable[[int], Iterable[int]]) -> set[int]:
    reached = frontier = {center}
    for _ in range(depth):
        frontier = {i for index in frontier for i in neighbors(index)} - reached
        if not frontier:
            break
        reached = reached | frontier
    return reached


def _box(
    vertex: Vertex, level: int, needs: Sequence[EdgeView], hidden_successors: int, status: NodeStatus | None
) -> NodeBox:
    return NodeBox(
        id=vertex.id,
        label=label(vertex),
        kind=function_of(vertex),
        level=level,
        is_command=not vertex.call,
        is_mapped=vertex.is_mapped,
        needs=tuple(needs),
        hidden_predecessors=len(vertex.predecessors) - len(needs),
        hidden_successors=hidden_successors,
        status=status,
    )


def _run_header(statuses: StatusIndex | None) -> RunHeader | None:
    if statuses is None:
        return None
    run = statuses.run
    return RunHeader(run.id, run.state, round(run.wall_s, 9), round(run.critical_path[0], 9))
