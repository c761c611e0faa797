"""Speed-up curve over the number of workers: bars of text, and an SVG picture."""

import math
from collections.abc import Iterator, Sequence
from html import escape

import msgspec

from taskrunner.analysis.formatting import format_count, format_seconds
from taskrunner.analysis.simulation.simulate import Prediction, Simulation
from taskrunner.safe.printable import printable_name

WIDTH, HEIGHT = 720, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 92, 60
MAX_TITLE_CHARS = 50
MIN_LABEL_DISTANCE = 34  # pixels; a label nearer to the previous one is left out

STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.value { font-size: 11px; font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.page { fill: #ffffff; }
.grid { stroke: #d8dee4; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.predicted { stroke: #2f6fdb; }
.dot { fill: #2f6fdb; }
.bound { stroke: #c9821a; stroke-width: 1.5; }
.ideal { stroke: #8b929c; stroke-width: 1.5; stroke-dasharray: 5 4; }
.measured { fill: none; stroke: #d9564a; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .value { stroke: #0d1117; } .page { fill: #0d1117; } .grid { stroke: #30363d; }
  .predicted { stroke: #6ea3f7; } .dot { fill: #6ea3f7; }
}"""


class Marks(msgspec.Struct, frozen=True):
    """The characters of bars; ``parts``: the partial columns at the end of a bar, the smallest first."""

    full: str
    light: str
    parts: str = ""


BLOCKS = Marks("█", "░", "▏▎▍▌▋▊▉")
ASCII = Marks("#", "-")


class Scale:
    """Two logarithmic scales to base 2: workers to the right, speed-up upwards."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        counts = [point.workers for point in predictions]
        self.first, self.last = min(counts), max(*counts, min(counts) * 2)
        tops = [self.last, *map(_allowed, predictions), *(point.speedup for point in predictions)]
        self.low = min(0, math.floor(math.log2(min(point.speedup for point in predictions))))
        self.high = max(math.ceil(math.log2(max(tops)) - 0.01), self.low + 1)

    def x(self, workers: float) -> float:
        """Return the horizontal position of a number of workers."""
        return LEFT + math.log2(workers / self.first) / math.log2(self.last / self.first) * (WIDTH - LEFT - RIGHT)

    def y(self, speedup: float) -> float:
        """Return the vertical position of a speed-up."""
        share = (math.log2(speedup) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def marks_for(encoding: str | None) -> Marks:
    """Return the block marks if an encoding has them, else the ASCII marks."""
    try:
        (BLOCKS.full + BLOCKS.light + BLOCKS.parts).encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return ASCII
    return BLOCKS


def bars(predictions: Sequence[Prediction], width: int, marks: Marks = BLOCKS) -> list[str]:
    """Return one bar for each number of workers: its speed-up, then lighter up to the speed-up at the bound."""
    label = max(len(str(point.workers)) for point in predictions)
    bar = max(width - label - len("  12.34 of 12.34"), 10)
    columns = bar / max(max(_allowed(point), point.speedup) for point in predictions)
    return [
        f"{point.workers:>{label}} {_bar(point, columns, marks):<{bar}} {point.speedup:.2f} of {_allowed(point):.2f}"
        for point in predictions
    ]


def _bar(point: Prediction, columns: float, marks: Marks) -> str:
    """Return a bar with this number of columns per unit of speed-up."""
    bar = _full(point.speedup * columns, marks)
    return bar + marks.light * (round(_allowed(point) * columns) - len(bar))


def _full(columns: float, marks: Marks) -> str:
    whole = int(columns)
    eighths = int((columns - whole) * (len(marks.parts) + 1))
    return marks.full * whole + (marks.parts[eighths - 1] if eighths else "")


def _allowed(point: Prediction) -> float:
    """Return the speed-up at the bound."""
    return point.speedup * (1 + point.over_bound)


def svg(simulation: Simulation) -> str:
    """Draw the curve, the ideal line and the speed-up at the bound, for light and dark pages."""
    predictions, scale = simulation.predictions, Scale(simulation.predictions)
    title = escape(f"Speed-up of {printable_name(simulation.graph or simulation.run, MAX_TITLE_CHARS)}, simulated")
    description = escape("; ".join(map(_described, predictions)))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{description}</desc>',
        f"<style>\n{STYLE}\n</style>",
        '<rect class="page" width="100%" height="100%" rx="6"/>',
        _text(16, 28, title, "title", "start"),
        *_legend(simulation, scale),
        *_axes(predictions, scale),
        *_lines(predictions, scale),
        *_measured(simulation, scale),
        "</svg>\n",
    ]
    return "\n".join(parts)


def format_workers(count: int) -> str:
    """Return ``1 worker``, ``2 workers``."""
    return format_count(count, "worker")


def _described(point: Prediction) -> str:
    bound = f"the bound ({printable_name(point.bound_by, MAX_TITLE_CHARS)}) allows {_allowed(point):.2f}"
    return f"{format_workers(point.workers)}: {format_seconds(point.wall_s)}, speed-up {point.speedup:.2f}, {bound}"


def _is_marked(simulation: Simulation, scale: Scale) -> bool:
    """Return whether the run has a measured wall time and its number of workers is within the picture."""
    return bool(simulation.measured_s) and scale.first <= simulation.workers <= scale.last


def _legend(simulation: Simulation, scale: Scale) -> Iterator[str]:
    entries = [("predicted", "predicted"), ("bound", "allowed by the bound"), ("ideal", "ideal: one per worker")]
    x = 16
    for kind, label in entries:
        yield f'<line class="line {kind}" x1="{x}" x2="{x + 24}" y1="50" y2="50"/>'
        yield _text(x + 30, 54, label, "", "start")
        x += 56 + 7 * len(label)
    if _is_marked(simulation, scale):
        yield f'<circle class="measured" cx="{x + 8}" cy="50" r="6"/>'
        yield _text(x + 20, 54, "measured", "", "start")


def _axes(predictions: Sequence[Prediction], scale: Scale) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    for power in range(scale.low, scale.high + 1):
        y = scale.y(2.0**power)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{2.0**power:g}", "", "end")
    for point in _spaced(predictions, scale):
        x = scale.x(point.workers)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield _text(x, bottom + 18, str(point.workers))
    yield _text((LEFT + WIDTH - RIGHT) / 2, bottom + 42, "workers")
    yield _text(16, TOP - 14, "speed-up over 1 worker", "", "start")


def _lines(predictions: Sequence[Prediction], scale: Scale) -> Iterator[str]:
    ideal = [(scale.x(count), scale.y(count)) for count in (scale.first, scale.last)]
    yield _line("ideal", ideal)
    yield _line("bound", [(scale.x(point.workers), scale.y(_allowed(point) or 1.0)) for point in predictions])
    positions = [(scale.x(point.workers), scale.y(point.speedup)) for point in predictions]
    yield _line("predicted", positions)
    for point, (x, y) in zip(predictions, positions, strict=True):
        description = escape(_described(point))
        yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{description}</title></circle>'
    for point in _spaced(predictions, scale):
        y = scale.y(point.speedup)
        beside = 20 if y < HEIGHT - BOTTOM - 24 else -12  # not on the axis
        yield _text(scale.x(point.workers), y + beside, f"{point.speedup:.2f}", "value")


def _measured(simulation: Simulation, scale: Scale) -> Iterator[str]:
    """Mark the measured speed-up of the run."""
    first = simulation.predictions[0]
    if simulation.measured_s and _is_marked(simulation, scale):
        speedup = first.speedup * first.wall_s / simulation.measured_s
        center = f'cx="{scale.x(simulation.workers):.1f}" cy="{scale.y(speedup):.1f}"'
        description = f"measured on {format_workers(simulation.workers)}: {format_seconds(simulation.measured_s)}"
        yield f'<circle class="measured" {center} r="7"><title>{description}</title></circle>'


def _spaced(predictions: Sequence[Prediction], scale: Scale) -> Iterator[Prediction]:
    """Yield the predictions whose labels do not overlap."""
    free_from = -math.inf
    for point in predictions:
        if scale.x(point.workers) >= free_from:
            free_from = scale.x(point.workers) + MIN_LABEL_DISTANCE
            yield point


def _line(kind: str, positions: Sequence[tuple[float, float]]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in positions)
    return f'<polyline class="line {kind}" points="{points}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
