"""The speed-up over the number of workers: as bars of text, and as a picture in SVG."""

import math
from collections.abc import Iterator, Sequence
from html import escape

import msgspec

from taskrunner.analysis.formatting import counted, seconds
from taskrunner.analysis.simulation.simulate import Prediction, Simulation
from taskrunner.safe.printable import printable_name


class Marks(msgspec.Struct, frozen=True):
    """What bars are made of; ``parts`` are the ends of a bar that is no whole number of columns, the smallest first."""

    full: str
    light: str
    parts: str = ""


BLOCKS = Marks("█", "░", "▏▎▍▌▋▊▉")
ASCII = Marks("#", "-")


def marks_for(encoding: str | None) -> Marks:
    """Return the marks that an encoding has."""
    try:
        (BLOCKS.full + BLOCKS.light + BLOCKS.parts).encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return ASCII
    return BLOCKS


def bars(predictions: Sequence[Prediction], width: int, marks: Marks = BLOCKS) -> list[str]:
    """Return one bar for each number of workers: its speed-up, and lighter what its bound would allow."""
    label = max(len(str(found.workers)) for found in predictions)
    room = max(width - label - len("  12.34 of 12.34"), 10)
    each = room / max(max(_allowed(found), found.speedup) for found in predictions)
    return [
        f"{found.workers:>{label}} {_bar(found, each, marks):<{room}} {found.speedup:.2f} of {_allowed(found):.2f}"
        for found in predictions
    ]


def _bar(found: Prediction, each: float, marks: Marks) -> str:
    bar = _full(found.speedup * each, marks)
    return bar + marks.light * (round(_allowed(found) * each) - len(bar))


def _full(columns: float, marks: Marks) -> str:
    whole = int(columns)
    eighths = int((columns - whole) * (len(marks.parts) + 1))
    return marks.full * whole + (marks.parts[eighths - 1] if eighths else "")


def _allowed(found: Prediction) -> float:
    """Return the speed-up at which the bound would be reached."""
    return found.speedup * (1 + found.over_bound)


# -- the picture -----------------------------------------------------------------------------------

WIDTH, HEIGHT = 720, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 92, 60
LONGEST_TITLE = 50
BETWEEN = 34  # labels that are nearer to each other than this are left out

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


class Scale:
    """Two log scales, base 2: workers to the right, speed-up upwards."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        counts = [found.workers for found in predictions]
        self.first, self.last = min(counts), max(*counts, min(counts) * 2)
        tops = [self.last, *map(_allowed, predictions), *(found.speedup for found in predictions)]
        self.low = min(0, math.floor(math.log2(min(found.speedup for found in predictions))))
        self.high = max(math.ceil(math.log2(max(tops)) - 0.01), self.low + 1)

    def x(self, workers: float) -> float:
        """Return the place of a number of workers."""
        return LEFT + math.log2(workers / self.first) / math.log2(self.last / self.first) * (WIDTH - LEFT - RIGHT)

    def y(self, speedup: float) -> float:
        """Return the place of a speed-up."""
        share = (math.log2(speedup) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def svg(simulation: Simulation) -> str:
    """Draw the curve, the ideal line and what the bound allows; it suits light and dark pages."""
    found, scale = simulation.predictions, Scale(simulation.predictions)
    title = escape(f"Speed-up of {printable_name(simulation.graph or simulation.run, LONGEST_TITLE)}, simulated")
    described = escape("; ".join(map(_in_words, found)))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{title}</title>',
        f'<desc id="desc">{described}</desc>',
        f"<style>\n{STYLE}\n</style>",
        '<rect class="page" width="100%" height="100%" rx="6"/>',
        _text(16, 28, title, "title", "start"),
        *_legend(simulation, scale),
        *_axes(found, scale),
        *_lines(found, scale),
        *_measured(simulation, scale),
        "</svg>\n",
    ]
    return "\n".join(parts)


def workers(count: int) -> str:
    """Write a number of workers."""
    return counted(count, "worker")


def _in_words(found: Prediction) -> str:
    bound = f"the bound ({printable_name(found.bound_by, LONGEST_TITLE)}) allows {_allowed(found):.2f}"
    return f"{workers(found.workers)}: {seconds(found.wall_s)}, speed-up {found.speedup:.2f}, {bound}"


def _is_marked(simulation: Simulation, scale: Scale) -> bool:
    """Say whether it is known what the run itself took, and that is within the picture."""
    return bool(simulation.measured_s) and scale.first <= simulation.workers <= scale.last


def _legend(simulation: Simulation, scale: Scale) -> Iterator[str]:
    entries = [("predicted", "predicted"), ("bound", "what the bound allows"), ("ideal", "ideal: one for each worker")]
    x = 16
    for kind, told in entries:
        yield f'<line class="line {kind}" x1="{x}" x2="{x + 24}" y1="50" y2="50"/>'
        yield _text(x + 30, 54, told, "", "start")
        x += 56 + 7 * len(told)
    if _is_marked(simulation, scale):
        yield f'<circle class="measured" cx="{x + 8}" cy="50" r="6"/>'
        yield _text(x + 20, 54, "measured", "", "start")


def _axes(found: Sequence[Prediction], scale: Scale) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    for power in range(scale.low, scale.high + 1):
        y = scale.y(2.0**power)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{2.0**power:g}", "", "end")
    for one in _spaced(found, scale):
        x = scale.x(one.workers)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield _text(x, bottom + 18, str(one.workers))
    yield _text((LEFT + WIDTH - RIGHT) / 2, bottom + 42, "workers")
    yield _text(16, TOP - 14, "speed-up over 1 worker", "", "start")


def _lines(found: Sequence[Prediction], scale: Scale) -> Iterator[str]:
    ideal = [(scale.x(count), scale.y(count)) for count in (scale.first, scale.last)]
    yield _line("ideal", ideal)
    yield _line("bound", [(scale.x(one.workers), scale.y(_allowed(one) or 1.0)) for one in found])
    places = [(scale.x(one.workers), scale.y(one.speedup)) for one in found]
    yield _line("predicted", places)
    for one, (x, y) in zip(found, places, strict=True):
        told = escape(_in_words(one))
        yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{told}</title></circle>'
    for one in _spaced(found, scale):
        y = scale.y(one.speedup)
        beside = 20 if y < HEIGHT - BOTTOM - 24 else -12  # not on the axis
        yield _text(scale.x(one.workers), y + beside, f"{one.speedup:.2f}", "value")


def _measured(simulation: Simulation, scale: Scale) -> Iterator[str]:
    """Mark where the run itself was."""
    one = simulation.predictions[0]
    if simulation.measured_s and _is_marked(simulation, scale):
        reached = one.speedup * one.wall_s / simulation.measured_s
        place = f'cx="{scale.x(simulation.workers):.1f}" cy="{scale.y(reached):.1f}"'
        told = f"measured on {workers(simulation.workers)}: {seconds(simulation.measured_s)}"
        yield f'<circle class="measured" {place} r="7"><title>{told}</title></circle>'


def _spaced(found: Sequence[Prediction], scale: Scale) -> Iterator[Prediction]:
    """Yield those of the predictions whose labels have room."""
    free = -math.inf
    for one in found:
        if scale.x(one.workers) >= free:
            free = scale.x(one.workers) + BETWEEN
            yield one


def _line(kind: str, places: Sequence[tuple[float, float]]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline class="line {kind}" points="{points}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
