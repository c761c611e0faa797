"""The graph of a recorded run as a drawing of boxes and arrows: each node, or of a big graph groups of nodes."""

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

# A graph of more nodes is drawn in groups: those of one kind in one band of levels.
MOST_NODES = 200
MOST_ABREAST = 30  # and so is one that is broader
MOST_BANDS = 24
MOST_GROUPS = 6  # in a band; the others are one group
OTHERS = "others"

_WIDTH, _HEIGHT = 172, 38
_APART, _BELOW = 56, 10
_LETTERS = 22
_SVG = (
    '<svg class="graph" role="group" aria-label="the graph" width="{width}" height="{height}"'
    ' viewBox="-4 -4 {width} {height}">'
)


class Box(msgspec.Struct, frozen=True):
    """What is drawn for a node or a group. ``row``: of the table of nodes, -1: none."""

    name: str
    note: str
    state: str
    critical: bool
    row: int = -1


class Picture(msgspec.Struct, frozen=True):
    """Boxes by their keys, in layers; ``before``: the arrows; ``critical``: those along the critical path."""

    boxes: Mapping[str, Box]
    layers: Sequence[Sequence[str]]
    before: Mapping[str, Sequence[str]]
    critical: frozenset[tuple[str, str]]
    is_whole: bool


def picture_of(run: RecordedRun, dag: Dag, groups: Groups, rows: Mapping[str, int]) -> Picture:
    """Return the picture of a run's graph. ``rows``: where each node is in the table of nodes."""
    path = [node for node in run.critical_path[1] if node in dag.index]
    levels = dag.levels()
    if len(dag.vertices) <= MOST_NODES and max(map(len, levels), default=0) <= MOST_ABREAST:
        return _whole(run, dag, levels, rows, path)
    return _grouped(run, dag, groups, path)


def _whole(
    run: RecordedRun, dag: Dag, levels: Sequence[Sequence[Vertex]], rows: Mapping[str, int], path: Sequence[str]
) -> Picture:
    on_path = set(path)
    boxes = {v.id: _box(run, v, v.id in on_path, rows.get(v.id, -1)) for v in dag.vertices}
    layers = [[vertex.id for vertex in level] for level in levels]
    before = {v.id: [dag.vertices[i].id for i in v.predecessors] for v in dag.vertices}
    return Picture(boxes, layers, before, frozenset(pairwise(path)), is_whole=True)


def _box(run: RecordedRun, vertex: Vertex, critical: bool, row: int) -> Box:
    kids = run.children.get(vertex.id, ())
    state = worst_state({node_state(run, node) for node in (vertex.id, *kids)})
    count = f"{len(kids)} items, " if kids else "map, " if vertex.is_mapped else ""
    spent = sum([run.spent.get(node, 0.0) for node in (vertex.id, *kids)])
    ran = format_seconds(spent) if vertex.id in run.spent or kids else state
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
    before: dict[str, dict[str, None]] = {}
    for vertex in dag.vertices:
        key = keys[vertex.index]
        before.setdefault(key, {}).update(dict.fromkeys([keys[i] for i in vertex.predecessors]))
    arrows = {key: [b for b in them if _band(b) < _band(key)] for key, them in before.items()}
    critical = frozenset(pairwise([keys[dag.index[node]] for node in path]))
    return Picture(boxes, [layers[band] for band in sorted(layers)], arrows, critical, is_whole=False)


def _band(key: str) -> int:
    return int(key.partition(" ")[0])


def _keys(run: RecordedRun, dag: Dag, groups: Groups) -> list[str]:
    """Return for each vertex its band and its group; the group is OTHERS where a band has many and they are small."""
    depths = dag.depths()
    deepest = max(depths) + 1
    places = [(d * min(MOST_BANDS, deepest) // deepest, name) for d, name in zip(depths, groups.names, strict=True)]
    spent: dict[tuple[int, str], float] = {}
    for vertex, place in zip(dag.vertices, places, strict=True):
        spent[place] = spent.get(place, 0.0) + run.spent.get(vertex.id, 0.0)
    named: dict[int, list[str]] = {}
    for band, name in sorted(spent, key=lambda place: -spent[place]):
        named.setdefault(band, []).append(name)
    few = {band: names if len(names) <= MOST_GROUPS else names[: MOST_GROUPS - 1] for band, names in named.items()}
    kept = {(band, name) for band, names in few.items() for name in names}
    return [f"{band} {name if (band, name) in kept else OTHERS}" for band, name in places]


def _group(run: RecordedRun, key: str, vertices: Sequence[Vertex], critical: bool) -> Box:
    nodes = [node for v in vertices for node in (v.id, *run.children.get(v.id, ()))]
    spent = sum([run.spent.get(node, 0.0) for node in nodes])
    state = worst_state({node_state(run, node) for node in nodes})
    count = f"{len(vertices):,} nodes" if len(vertices) > 1 else "1 node"
    return Box(key.partition(" ")[2], f"{count}, {format_seconds(spent)}", state, critical)


def svg(picture: Picture) -> str:
    """Draw a picture. A box whose node is in the table is a button."""
    spots = arrange(picture.layers, picture.before)
    top = min([spot.height for spot in spots.values()], default=0.0)
    place = _placer(top)
    width = len(picture.layers) * (_WIDTH + _APART) - _APART + 8
    height = max(map(len, picture.layers), default=1) * (_HEIGHT + _BELOW) - _BELOW + 8
    return "\n".join(
        [
            _SVG.format(width=width, height=height),
            *sorted(_arrows(picture, spots, place), key=lambda arrow: "critical" in arrow),  # these on top
            *[_drawn(box, *place(spots[key])) for key, box in picture.boxes.items()],
            "</svg>",
        ]
    )


def _placer(top: float) -> Callable[[Spot], tuple[float, float]]:
    """Return what gives the left upper corner of a spot."""
    return lambda spot: (spot.column * (_WIDTH + _APART), (spot.height - top) * (_HEIGHT + _BELOW))


def _arrows(picture: Picture, spots: Mapping[str, Spot], place: Callable[[Spot], tuple[float, float]]) -> Iterator[str]:
    for key, before in picture.before.items():
        right, below = place(spots[key])
        for other in before:
            left, above = place(spots[other])
            yield _arrow(
                left + _WIDTH, above, right, below, "critical" if (other, key) in picture.critical else "arrow"
            )


def _arrow(left: float, above: float, right: float, below: float, name: str) -> str:
    """Draw a curve that leaves and arrives level."""
    half, y0, y1 = (left + right) / 2, above + _HEIGHT / 2, below + _HEIGHT / 2
    return f'<path class="{name}" d="M{left:g} {y0:g}C{half:g} {y0:g} {half:g} {y1:g} {right:g} {y1:g}"/>'


def _drawn(box: Box, x: float, y: float) -> str:
    names = f"box {box.state.replace(' ', '-')}" + (" on-path" if box.critical else "")
    button = f' tabindex="0" role="button" data-row="{box.row}"' if box.row >= 0 else ""
    told = f"{box.name}: {box.state}, {box.note}" + (", on the critical path" if box.critical else "")
    return (
        f'<g class="{names}"{button}><title>{html_text(told)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
        f'<rect class="state" x="{x:g}" y="{y:g}" width="6" height="{_HEIGHT}" rx="2"/>'
        f'<text x="{x + 13:g}" y="{y + 16:g}">{html_text(_short(box.name))}</text>'
        f'<text class="note" x="{x + 13:g}" y="{y + 31:g}">{html_text(box.note)}</text></g>'
    )


def _short(name: str) -> str:
    """Cut a name in its front half where it is longer than its box: names that begin alike differ at their ends."""
    shown = printable(name)
    head = _LETTERS // 3
    return shown if len(shown) <= _LETTERS else f"{shown[:head]}…{shown[head + 1 - _LETTERS :]}"
