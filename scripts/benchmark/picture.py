"""The picture: microseconds per node by shape and side, as horizontal bars on a log scale, in SVG."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from benchmark.case import Case
from benchmark.figure import RUN, Figure

WIDTH = 860
LEFT, RIGHT = 150, 70
BAR, GAP, HEADING = 11, 4, 24
LETTER = 6.6  # about how wide a letter of the legend is
FAINTEST = 0.5

# Strong enough on white and on black.
COLORS = {
    "serial": "#8b929c",
    "bare threads": "#a3785a",
    "taskrunner, whole call": "#3f7fe0",
    "taskrunner, run proper": "#13a89e",
    "graphlib": "#d99a1c",
    "dask": "#d9564a",
    "joblib": "#9a6fd0",
}
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.small { font-size: 11px; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }
.shape { font-size: 13px; font-weight: 600; }
.grid { stroke: #d0d7de; }
.page { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .small { stroke: #0d1117; } .grid { stroke: #3d444d; } .page { fill: #0d1117; }
}"""


class Scale:
    """A log scale in whole decades: from microseconds to a place on the x axis."""

    def __init__(self, values: Sequence[float]) -> None:
        self.low = math.floor(math.log10(min(values) * 0.7))  # the shortest bar has a length too
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)

    def x(self, value: float) -> float:
        """Return the place of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def decades(self) -> list[float]:
        """Return the values that get a line."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def draw(cases: Sequence[Case], body: str, note: str) -> str:
    """Draw the cases with this body; ``note`` stands below the title."""
    groups = [case for case in cases if case.body == body]
    scale = Scale([figure.us_per_node for case in groups for figure in case.figures])
    most = max(figure.side.workers for case in groups for figure in case.figures)
    head = list(_head(body, note, groups, most))
    top = 84 + 20 * (len(_legend_rows(groups, most)) - 1)
    bottom = top + sum(_height(case) for case in groups) + 6
    parts = [*head, *_axis(scale, top, bottom)]
    for case in groups:
        parts += _group(case, top, scale.x, most)
        top += _height(case)
    return _svg(parts, bottom + 50, f"Time per node, body {body}")


def _svg(parts: Sequence[str], height: float, label: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label)}">'
    # A page of its own: a dark page may be shown to somebody whose system says that it prefers a light one.
    page = '<rect class="page" width="100%" height="100%" rx="6"/>'
    return "\n".join([head, f"<style>\n{STYLE}\n</style>", page, *parts, "</svg>\n"])


def _head(body: str, note: str, groups: Sequence[Case], most: int) -> Iterator[str]:
    yield _text(16, 26, f"Time per node, by shape and side (body: {body})", "title")
    yield _text(16, 46, note, "small")
    for number, row in enumerate(_legend_rows(groups, most)):
        x = 16.0
        for name, color in row:
            y = 68 + 20 * number
            yield _swatch(x, y - 10, color) if color else ""
            yield _text(x + (17 if color else 0), y, name)
            x += _legend_width(name)


def _legend_rows(groups: Sequence[Case], most: int) -> list[list[tuple[str, str]]]:
    """Return what stands in the legend, in rows that are not too wide."""
    names = {_series(figure) for case in groups for figure in case.figures}
    entries = [(name, color) for name, color in COLORS.items() if name in names]
    entries += [("fainter: fewer workers", "")] if most > 1 else []
    rows: list[list[tuple[str, str]]] = [[]]
    for entry in entries:
        if sum(_legend_width(name) for name, _ in [*rows[-1], entry]) > WIDTH - 16:
            rows.append([])
        rows[-1].append(entry)
    return rows


def _legend_width(name: str) -> float:
    return 17 + len(name) * LETTER + 14


def _axis(scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for value in scale.decades():
        x = scale.x(value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        yield _text(x, bottom + 16, f"{value:,g}", "small", "middle")
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text(middle, bottom + 36, "microseconds per node, log scale; shorter is better", "", "middle")


def _group(case: Case, top: float, x: Callable[[float], float], most: int) -> Iterator[str]:
    yield _text(16, top + HEADING - 7, case.shape, "shape")
    y = top + HEADING
    for figure in case.figures:
        opacity = FAINTEST + (1 - FAINTEST) * figure.side.workers / most if figure.side.kind != "serial" else 1
        yield _text(LEFT - 6, y + BAR - 2, figure.name, "small", "end")
        yield _bar(figure, case.shape, x(figure.us_per_node), y, opacity)
        yield _text(x(figure.us_per_node) + 4, y + BAR - 2, _number(figure.us_per_node), "small")
        y += BAR + GAP


def _bar(figure: Figure, shape: str, end: float, y: float, opacity: float) -> str:
    place = f'x="{LEFT}" y="{y:g}" width="{end - LEFT:.1f}" height="{BAR}"'
    told = escape(f"{shape}, {figure.name}: {_number(figure.us_per_node)} us per node")
    color = COLORS[_series(figure)]
    return f'<rect class="bar" {place} fill="{color}" fill-opacity="{opacity:.2f}"><title>{told}</title></rect>'


def _series(figure: Figure) -> str:
    if figure.side.kind == "taskrunner":
        return "taskrunner, run proper" if figure.part == RUN else "taskrunner, whole call"
    return "bare threads" if figure.side.kind == "bare" else figure.side.kind


def _swatch(x: float, y: float, color: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:g}" width="12" height="12" fill="{color}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _height(case: Case) -> int:
    return HEADING + len(case.figures) * (BAR + GAP)


def _number(value: float) -> str:
    """Write a value with three digits; more would be noise."""
    decimals = min(max(2 - math.floor(math.log10(value)), 0), 3)
    return f"{value:,.{decimals}f}"
