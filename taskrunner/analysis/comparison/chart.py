"""Charts of a comparison, in SVG: a dot for each run, and a ratio with its range for each node."""

import math
from collections.abc import Iterable, Iterator, Sequence

from taskrunner.analysis.comparison.compare import CHANGED, Figure, Row, Side
from taskrunner.analysis.comparison.text import format_difference, format_number, format_ratio
from taskrunner.analysis.html.page import html_text
from taskrunner.safe.printable import printable_name

WIDTH = 1000
RIGHT_MARGIN = 160  # for the numbers on the right of the plot
ROW_HEIGHT = 24
_MAX_NAME = 44  # characters of an id
_CHARACTER_WIDTH = 7.3  # of an id, in a monospaced font
_DOT_RADIUS = 5
_MAX_STEPS = 5  # along an axis that begins at 0
_TICKS = (1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000)
_MIN_LIMIT, _MAX_LIMIT = 1.05, 1000.0  # the largest ratio on an axis
_MIN_TICK_DISTANCE = 55


class Frame:
    """The layout of a chart: the plot is to the right of the names and above its axis."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = [printable_name(name, _MAX_NAME) for name in names]
        self.left = 20 + _CHARACTER_WIDTH * max(map(len, self.names), default=0)
        self.bottom = ROW_HEIGHT * len(names)

    def x(self, share: float) -> float:
        """Return the coordinate of a share of the plot's width."""
        return self.left + share * (WIDTH - RIGHT_MARGIN - self.left)

    def row_labels(self) -> Iterator[str]:
        """Yield the names of the rows."""
        return (_text(self.left - 10, y_of(i), name, "end", "id") for i, name in enumerate(self.names))

    def tick(self, share: float, label: str, kind: str = "grid") -> str:
        """Return a labeled line from top to bottom."""
        x = self.x(share)
        return _line(x, 0, self.bottom, kind) + _text(x, self.bottom + 14, label, "middle")

    def svg(self, parts: Iterable[str], label: str) -> str:
        """Return the complete chart."""
        size = f'viewBox="0 0 {WIDTH} {self.bottom + 26}"'
        inside = "\n".join(parts)
        return f'<svg class="chart" {size} role="img" aria-label="{html_text(label)}">\n{inside}\n</svg>'


def y_of(row: int) -> float:
    """Return the vertical center of a row."""
    return ROW_HEIGHT * (row + 0.5)


def dot_plot(figure: Figure, sides: Sequence[Side]) -> str:
    """Draw one figure: each side is a row with a dot per run and a line at the median; the axis begins at 0."""
    frame = Frame([f"{side.label}, {len(side.runs)} {'run' if len(side.runs) == 1 else 'runs'}" for side in sides])
    maximum = max((value for values in figure.values for value in values), default=0.0) or 1.0
    parts = [
        frame.tick(value / maximum, format_number(value, figure.kind) if value else "0")
        for value in _round_steps(maximum)
    ]
    for i, (values, sample) in enumerate(zip(figure.values, figure.sides, strict=True)):
        parts += [_dot("run", frame.x(value / maximum), y_of(i), format_number(value, figure.kind)) for value in values]
        if sample is not None:
            parts.append(_line(frame.x(sample.median / maximum), y_of(i) - 9, y_of(i) + 9, "median"))
            parts.append(_text(WIDTH - RIGHT_MARGIN + 16, y_of(i), format_number(sample.median, figure.kind), "start"))
    return frame.svg([*frame.row_labels(), *parts], f"{figure.name} of each run, with the median of each side")


def _round_steps(maximum: float) -> list[float]:
    """Return equidistant round numbers from 0 to the maximum."""
    magnitude = 10.0 ** math.floor(math.log10(maximum / _MAX_STEPS))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= maximum / _MAX_STEPS)
    return [n * step for n in range(int(maximum / step) + 1)]


def ratio_plot(rows: Sequence[Row], base: str, other: str) -> str:
    """Draw the ratio of each row on a log scale, with the range of the ratios of single runs."""
    frame = Frame([row.name for row in rows])
    spans = [_span(row) for row in rows]
    reach = [max(value, 1 / value) for span in spans if span is not None for value in span if value]
    limit = min(max([*reach, _MIN_LIMIT]) * 1.02, _MAX_LIMIT)
    parts = [*_ratio_axis(frame, limit), *frame.row_labels()]
    for i, (row, span) in enumerate(zip(rows, spans, strict=True)):
        positions = [frame.x(_share(value, limit)) for value in span] if span is not None else []
        parts += _ratio_row(row, positions, y_of(i))
    return frame.svg(parts, f"{other} over {base}: the ratio of each node's seconds, log scale")


def _span(row: Row) -> tuple[float, float, float] | None:
    """Return the minimum ratio of a run of one side to a run of the base, the ratio of medians, and the maximum."""
    ratio, base, other = row.change.ratio, row.base, row.other
    if ratio is None or base is None or other is None or not base.least:
        return None
    return other.least / base.most, ratio, other.most / base.least


def _ratio_row(row: Row, positions: Sequence[float], y: float) -> Iterator[str]:
    change = row.change
    ratio, difference = format_ratio(change), format_difference(change.difference)
    details = [ratio, difference, change.verdict, row.note]
    yield _text(WIDTH - RIGHT_MARGIN + 16, y, f"{ratio} {difference}" if positions else row.note, "start")
    if positions:
        least, middle, most = positions
        kind = ("slower" if change.difference > 0 else "faster") if change.verdict == CHANGED else "noise"
        yield f'<line class="range {kind}" x1="{least:.1f}" x2="{most:.1f}" y1="{y:g}" y2="{y:g}"/>'
        yield _dot(kind, middle, y, f"{row.name}: {', '.join(filter(None, details))}")


def _ratio_axis(frame: Frame, limit: float) -> Iterator[str]:
    yield frame.tick(_share(1, limit), "1x", "one")
    last = 1.0
    for tick in _TICKS:
        if tick <= limit and frame.x(_share(tick, limit)) - frame.x(_share(last, limit)) >= _MIN_TICK_DISTANCE:
            last = tick
            yield frame.tick(_share(tick, limit), f"{tick:g}x")
            yield frame.tick(_share(1 / tick, limit), f"{1 / tick:.2g}x")


def _share(ratio: float, limit: float) -> float:
    """Return the position of a ratio as a share of the width: 1 is in the middle, and the limits are at the edges."""
    inside = min(max(ratio, 1 / limit), limit)
    return (math.log(inside) / math.log(limit) + 1) / 2


def _dot(kind: str, x: float, y: float, title: str) -> str:
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:g}" r="{_DOT_RADIUS}"><title>{html_text(title)}</title></circle>'
    )


def _line(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:g}" y2="{bottom:g}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y + 4:g}" text-anchor="{anchor}">{html_text(text)}</text>'
