"""Graph of a recorded run as boxes and arrows: single nodes or, in a large graph, groups of nodes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.html.page import html_text
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.report.groups import Groups
from taskrunner.analysis.report.layout import Spot, arrange
from taskrunner.analysis.totals import node_state, worst_state
from taskrunner.graph.dag import Dag, Vertex
from taskrunner.safe.printable import printable

# A larger or broader graph is drawn in groups: a group is the nodes of one kind within a band of levels.
MAX_NODES = 200
MAX_LEVEL_NODES = 30
MAX_BANDS = 24
MAX_BAND_GROUPS = 6  # including OTHERS, which combines the remaining groups
OTHERS = "others"

_WIDTH, _HEIGHT = 172, 38
_COLUMN_GAP, _ROW_GAP = 56, 10
_MAX_NAME_CHARS = 22
_SVG = (
    '<svg class="graph" role="group" aria-label="the graph" width="{width}" height="{height}"'
    ' viewBox="-4 -4 {width} {height}">'
)


class Box(msgspec.Struct, frozen=True):
    """The box of a node or a group. ``row``: its row in the table of nodes, or -1."""

    name: str
    detail: str
    state: str
    critical: bool
    row: int = -1


class Picture(msgspec.Struct, frozen=True):
    """Boxes by key, in layers.

    ``predecessors``: the origins of the arrows to each box; ``critical``: the arrows of the critical path.
    """

    boxes: Mapping[str, Box]
    layers: Sequence[Sequence[str]]
    predecessors: Mapping[str, Sequence[str]]
    critical: frozenset[tuple[str, str]]
    is_whole: bool


def picture_of(run: RecordedRun, dag: Dag, groups: Groups, rows: Mapping[str, int]) -> Picture:
    """Return the picture of a run's graph. ``rows``: the row of each node in the table of nodes."""
    path = [node for node in run.critical_path[1] if node in dag.index]
    levels = dag.levels()
    if len(dag.vertices) <= MAX_NODES and max(map(len, levels), default=0) <= MAX_LEVEL_NODES:
        return _whole(run, dag, levels, rows, path)
    return _grouped(run, dag, groups, path)


def _whole(
    run: RecordedRun, dag: Dag, levels: Sequence[Sequence[Vertex]], rows: Mapping[str, int], path: Sequence[str]
) -> Picture:
    on_path = set(path)
    boxes = {v.id: _box(run, v, v.id in on_path, rows.get(v.id, -1)) for v in dag.vertices}
    layers = [[vertex.id for vertex in level] for level in levels]
    predecessors = {v.id: [dag.vertices[i].id for i in v.predecessors] for v in dag.vertices}
    return Picture(boxes, layers, predecessors, frozenset(pairwise(path)), is_whole=True)


def _box(run: RecordedRun, vertex: Vertex, critical: bool, row: int) -> Box:
    children = run.children.get(vertex.id, ())
    state = worst_state({node_state(run, node) for node in (vertex.id, *children)})
    count = f"{len(children)} items, " if children else "map, " if vertex.is_mapped else ""
    spent = sum([run.spent.get(node, 0.0) for node in (vertex.id, *children)])
    ran = format_seconds(spent) if vertex.id in run.spent or children else state
    return Box(vertex.id, count + ran, state, critical, row)


def _grouped(run: RecordedRun, dag: Dag, groups: Groups, path: Sequence[str]) -> Picture:
    keys = _keys(run, dag, groups)
    members: dict[str, list[Vertex]] = {}
    for vertex in dag.vertices:
        members.setdefault(keys[vertex.index], []).append(vertex)
    on_path = {keys[dag.index[node]] for node in path}
    boxes = {key: _group(run, key, vertices, key in on_path) for key, vertices in members.items()}
    layers: dict[int, list[str]] = {}
    for key in members:
        layers.setdefault(_band(key), []).append(key)
    predecessors: dict[str, dict[str, None]] = {}
    for vertex in dag.vertices:
        key = keys[vertex.index]
        predecessors.setdefault(key, {}).update(dict.fromkeys([keys[i] for i in vertex.predecessors]))
    arrows = {
        key: [origin for origin in origins if _band(origin) < _band(key)] for key, origins in predecessors.items()
    }
    critical = frozenset(pairwise([keys[dag.index[node]] for node in path]))
    return Picture(boxes, [layers[band] for band in sorted(layers)], arrows, critical, is_whole=False)


def _band(key: str) -> int:
    return int(key.partition(" ")[0])


def _keys(run: RecordedRun, dag: Dag, groups: Groups) -> list[str]:
    """Return for each vertex its band and group; in a band with many groups, the small ones become OTHERS."""
    depths = dag.depths()
    deepest = max(depths) + 1
    pairs = [(d * min(MAX_BANDS, deepest) // deepest, name) for d, name in zip(depths, groups.names, strict=True)]
    spent: dict[tuple[int, str], float] = {}
    for vertex, pair in zip(dag.vertices, pairs, strict=True):
        spent[pair] = spent.get(pair, 0.0) + run.spent.get(vertex.id, 0.0)
    largest: dict[int, list[str]] = {}
    for band, name in sorted(spent, key=lambda pair: -spent[pair]):
        largest.setdefault(band, []).append(name)
    separate = {
        (band, name)
        for band, names in largest.items()
        for name in (names if len(names) <= MAX_BAND_GROUPS else names[: MAX_BAND_GROUPS - 1])
    }
    return [f"{band} {name if (band, name) in separate else OTHERS}" for band, name in pairs]


def _group(run: RecordedRun, key: str, vertices: Sequence[Vertex], critical: bool) -> Box:
    nodes = [node for v in vertices for node in (v.id, *run.children.get(v.id, ()))]
    spent = sum([run.spent.get(node, 0.0) for node in nodes])
    state = worst_state({node_state(run, node) for node in nodes})
    count = f"{len(vertices):,} nodes" if len(vertices) > 1 else "1 node"
    return Box(key.partition(" ")[2], f"{count}, {format_seconds(spent)}", state, critical)


def svg(picture: Picture) -> str:
    """Draw a picture. The box of a node in the table is a button."""
    spots = arrange(picture.layers, picture.predecessors)
    top = min([spot.height for spot in spots.values()], default=0.0)
    corner = _corner_function(top)
    width = len(picture.layers) * (_WIDTH + _COLUMN_GAP) - _COLUMN_GAP + 8
    height = max(map(len, picture.layers), default=1) * (_HEIGHT + _ROW_GAP) - _ROW_GAP + 8
    return "\n".join(
        [
            _SVG.format(width=width, height=height),
            *sorted(_arrows(picture, spots, corner), key=lambda arrow: "critical" in arrow),  # critical ones on top
            *[_drawn(box, *corner(spots[key])) for key, box in picture.boxes.items()],
            "</svg>",
        ]
    )


def _corner_function(top: float) -> Callable[[Spot], tuple[float, float]]:
    """Return a function that maps a spot to the upper left corner of its box."""
    return lambda spot: (spot.column * (_WIDTH + _COLUMN_GAP), (spot.height - top) * (_HEIGHT + _ROW_GAP))


def _arrows(
    picture: Picture, spots: Mapping[str, Spot], corner: Callable[[Spot], tuple[float, float]]
) -> Iterator[str]:
    for key, predecessors in picture.predecessors.items():
        right, below = corner(spots[key])
        for other in predecessors:
            left, above = corner(spots[other])
            kind = "critical" if (other, key) in picture.critical else "arrow"
            yield _arrow(left + _WIDTH, above, right, below, kind)


def _arrow(left: float, above: float, right: float, below: float, name: str) -> str:
    """Draw a curve with horizontal ends."""
    half, y0, y1 = (left + right) / 2, above + _HEIGHT / 2, below + _HEIGHT / 2
    return f'<path class="{name}" d="M{left:g} {y0:g}C{half:g} {y0:g} {half:g} {y1:g} {right:g} {y1:g}"/>'


def _drawn(box: Box, x: float, y: float) -> str:
    names = f"box {box.state.replace(' ', '-')}" + (" on-path" if box.critical else "")
    button = f' tabindex="0" role="button" data-row="{box.row}"' if box.row >= 0 else ""
    description = f"{box.name}: {box.state}, {box.detail}" + (", on the critical path" if box.critical else "")
    return (
        f'<g class="{names}"{button}><title>{html_text(description)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
        f'<rect class="state" x="{x:g}" y="{y:g}" width="6" height="{_HEIGHT}" rx="2"/>'
        f'<text x="{x + 13:g}" y="{y + 16:g}">{html_text(_short(box.name))}</text>'
        f'<text class="detail" x="{x + 13:g}" y="{y + 31:g}">{html_text(box.detail)}</text></g>'
    )


def _short(name: str) -> str:
    """Shorten a long name in its front half, since similar names differ at their ends."""
    shown = printable(name)
    head = _MAX_NAME_CHARS // 3
    return shown if len(shown) <= _MAX_NAME_CHARS else f"{shown[:head]}…{shown[head + 1 - _MAX_NAME_CHARS :]}"
