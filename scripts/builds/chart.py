"""The picture: the cost with one worker over the base, and the speed-up with several, as bars, in SVG."""

from collections.abc import Iterator, Sequence
from html import escape

from builds.row import Row
from builds.text import cell_text, number
from taskrunner.safe.printable import printable

WIDTH = 860
LEFT, RIGHT = 150, 130
BAR, GAP, HEADING = 11, 3, 34
LETTER = 6.6
# Strong enough on white and on black; the build with the GIL is the grey one.
COLORS = ("#8b929c", "#3f7fe0", "#d99a1c", "#a3785a", "#13a89e", "#9a6fd0", "#d9564a")
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.grid { stroke: #d0d7de; }
.page { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .grid { stroke: #3d444d; } .page { fill: #0d1117; }
}"""


def picture(panels: Sequence[tuple[str, Sequence[Row]]], builds: Sequence[str]) -> str:
    """Return the picture as a file of its own."""
    return _svg(panels, builds, f'<style>\n{STYLE}\n</style><rect class="page" width="100%" height="100%" rx="6"/>')


def inside_page(panels: Sequence[tuple[str, Sequence[Row]]], builds: Sequence[str]) -> str:
    """Return the picture for a page whose style sheet has a ``chart``."""
    return _svg(panels, builds, "")


def _svg(panels: Sequence[tuple[str, Sequence[Row]]], builds: Sequence[str], head: str) -> str:
    colors = dict(zip(builds, COLORS * len(builds), strict=False))
    parts, y = list(_legend(colors)), 40.0
    for title, rows in panels:
        if rows:
            parts += _panel(title, rows, colors, y)
            y += HEADING + sum(_height(row) for row in rows) + 16
    size = f'viewBox="0 0 {WIDTH} {y:g}" width="{WIDTH}" height="{y:g}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size} role="img" aria-label="Builds compared">'
    return "\n".join([opening, head, *parts, "</svg>\n"])


def _legend(colors: dict[str, str]) -> Iterator[str]:
    x = 16.0
    for name, color in colors.items():
        yield f'<rect x="{x:.1f}" y="14" width="12" height="12" fill="{color}"/>'
        yield _text(x + 17, 24, name)
        x += 17 + LETTER * len(name) + 16


def _panel(title: str, rows: Sequence[Row], colors: dict[str, str], top: float) -> Iterator[str]:
    most = max(_length(row, build) for row in rows for build in row.cells)
    bottom = top + HEADING + sum(map(_height, rows))
    yield _text(16, top + 16, title, "title")
    one = LEFT + (WIDTH - LEFT - RIGHT) / most
    yield f'<line class="grid" x1="{one:.1f}" x2="{one:.1f}" y1="{top + HEADING - 6:g}" y2="{bottom:g}"/>'
    y = top + HEADING
    for row in rows:
        yield _text(LEFT - 8, y + _height(row) / 2 - 1, printable(row.name), "", "end")
        for build in row.cells:
            yield from _bar(row, build, colors[build], y, (WIDTH - LEFT - RIGHT) / most)
            y += BAR + GAP
        y += 8


def _bar(row: Row, build: str, color: str, y: float, scale: float) -> Iterator[str]:
    length = _length(row, build)
    told = escape(printable(f"{row.name}, {build}: {cell_text(row, build)}"))
    place = f'x="{LEFT}" y="{y:g}" width="{length * scale:.1f}" height="{BAR}"'
    # a difference within noise is faint, and has its mark as well
    faint = ' fill-opacity="0.45"' if row.cells[build].changed is False else ""
    yield f'<rect class="bar" {place} fill="{color}"{faint}><title>{told}</title></rect>'
    mark = "~" if row.cells[build].changed is False else ""
    yield _text(LEFT + length * scale + 5, y + BAR - 1, f"{mark}{number(length)}x")


def _length(row: Row, build: str) -> float:
    """Return what a bar shows: a speed-up itself, else the ratio to the base."""
    cell = row.cells[build]
    return cell.median if row.unit == "x" else cell.ratio or 1.0


def _height(row: Row) -> float:
    return len(row.cells) * (BAR + GAP) + 8


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
