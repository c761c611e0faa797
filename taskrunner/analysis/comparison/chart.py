"""The pictures of a comparison, in SVG: a dot for each run, and a ratio with its range for each node."""

import math
from collections.abc import Iterable, Iterator, Sequence

from taskrunner.analysis.comparison.compare import CHANGED, Figure, Row, Side
from taskrunner.analysis.comparison.text import number, ratio_text, signed
from taskrunner.analysis.html.page import html_text
from taskrunner.safe.printable import printable_name

WIDTH = 1000
RIGHT = 160  # for the figures beside the plot
ROW = 24
_NAME = 44  # so much is shown of an id
_LETTER = 7.3  # how wide a letter of an id is: they are all alike
_DOT = 5
_STEPS = 5  # so many at most along an axis that begins at 0
_TICKS = (1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000)
_NARROWEST, _WIDEST = 1.05, 1000.0
_NEAR = 55  # two ticks keep so far apart


class Frame:
    """Where the plot lies: beside the names on its left, above its axis."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = [printable_name(name, _NAME) for name in names]
        self.left = 20 + _LETTER * max(map(len, self.names), default=0)
        self.bottom = ROW * len(names)

    def x(self, share: float) -> float:
        """Return the place of a share of the plot's width."""
        return self.left + share * (WIDTH - RIGHT - self.left)

    def heads(self) -> Iterator[str]:
        """Give the names."""
        return (_text(self.left - 10, y_of(i), name, "end", "id") for i, name in enumerate(self.names))

    def tick(self, share: float, label: str, kind: str = "grid") -> str:
        """Return a line from top to bottom with its label."""
        x = self.x(share)
        return _line(x, 0, self.bottom, kind) + _text(x, self.bottom + 14, label, "middle")

    def svg(self, parts: Iterable[str], label: str) -> str:
        """Return the whole picture."""
        size = f'viewBox="0 0 {WIDTH} {self.bottom + 26}"'
        inside = "\n".join(parts)
        return f'<svg class="chart" {size} role="img" aria-label="{html_text(label)}">\n{inside}\n</svg>'


def y_of(row: int) -> float:
    """Return the middle of a row."""
    return ROW * (row + 0.5)


def dot_plot(figure: Figure, sides: Sequence[Side]) -> str:
    """Draw one figure, each run a dot and each side a row with a line at its median; the axis begins at 0."""
    frame = Frame([f"{side.label}, {len(side.runs)} {'run' if len(side.runs) == 1 else 'runs'}" for side in sides])
    most = max((value for values in figure.values for value in values), default=0.0) or 1.0
    parts = [frame.tick(value / most, number(value, figure.kind) if value else "0") for value in _round_steps(most)]
    for i, (values, sample) in enumerate(zip(figure.values, figure.sides, strict=True)):
        parts += [_dot("run", frame.x(value / most), y_of(i), number(value, figure.kind)) for value in values]
        if sample is not None:
            parts.append(_line(frame.x(sample.median / most), y_of(i) - 9, y_of(i) + 9, "median"))
            parts.append(_text(WIDTH - RIGHT + 16, y_of(i), number(sample.median, figure.kind), "start"))
    return frame.svg([*frame.heads(), *parts], f"{figure.name} of each run, with the median of each side")


def _round_steps(most: float) -> list[float]:
    """Return some round numbers from 0 to the most."""
    magnitude = 10.0 ** math.floor(math.log10(most / _STEPS))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= most / _STEPS)
    return [n * step for n in range(int(most / step) + 1)]


def ratio_plot(rows: Sequence[Row], base: str, other: str) -> str:
    """Draw the ratio of each row, on a log scale, from the least to the greatest that single runs have."""
    frame = Frame([row.name for row in rows])
    spans = [_span(row) for row in rows]
    reach = [max(value, 1 / value) for span in spans if span is not None for value in span if value]
    limit = min(max([*reach, _NARROWEST]) * 1.02, _WIDEST)
    parts = [*_ratio_axis(frame, limit), *frame.heads()]
    for i, (row, span) in enumerate(zip(rows, spans, strict=True)):
        places = [frame.x(_share(value, limit)) for value in span] if span is not None else []
        parts += _ratio_row(row, places, y_of(i))
    return frame.svg(parts, f"{other} over {base}: the ratio of each node's seconds, log scale")


def _span(row: Row) -> tuple[float, float, float] | None:
    """Return the least, the middle and the greatest ratio of a run of the one side and a run of the other."""
    ratio, base, other = row.change.ratio, row.base, row.other
    if ratio is None or base is None or other is None or not base.least:
        return None
    return other.least / base.most, ratio, other.most / base.least


def _ratio_row(row: Row, places: Sequence[float], y: float) -> Iterator[str]:
    change = row.change
    told = [ratio_text(change), signed(change.difference), change.verdict, row.note]
    label = f"{ratio_text(change)} {signed(change.difference)}" if places else row.note
    yield _text(WIDTH - RIGHT + 16, y, label, "start")
    if places:
        least, middle, most = places
        kind = ("slower" if change.difference > 0 else "faster") if change.verdict == CHANGED else "noise"
        yield f'<line class="range {kind}" x1="{least:.1f}" x2="{most:.1f}" y1="{y:g}" y2="{y:g}"/>'
        yield _dot(kind, middle, y, f"{row.name}: {', '.join(filter(None, told))}")


def _ratio_axis(frame: Frame, limit: float) -> Iterator[str]:
    yield frame.tick(_share(1, limit), "1x", "one")
    last = 1.0
    for tick in _TICKS:
        if tick <= limit and frame.x(_share(tick, limit)) - frame.x(_share(last, limit)) >= _NEAR:
            last = tick
            yield frame.tick(_share(tick, limit), f"{tick:g}x")
            yield frame.tick(_share(1 / tick, limit), f"{1 / tick:.2g}x")


def _share(ratio: float, limit: float) -> float:
    """Return where a ratio lies, as a share: 1 in the middle, what is beyond the limit at the border."""
    inside = min(max(ratio, 1 / limit), limit)
    return (math.log(inside) / math.log(limit) + 1) / 2


def _dot(kind: str, x: float, y: float, told: str) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:g}" r="{_DOT}"><title>{html_text(told)}</title></circle>'


def _line(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:g}" y2="{bottom:g}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y + 4:g}" text-anchor="{anchor}">{html_text(text)}</text>'
