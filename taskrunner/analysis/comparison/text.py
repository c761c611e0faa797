"""Text of a comparison, for a terminal."""

from collections.abc import Callable, Iterator, Sequence

from taskrunner.analysis.comparison.compare import (
    BYTES,
    NOISE,
    NUMBER,
    TIME,
    Change,
    Comparison,
    Figure,
    Pair,
    Row,
    Sample,
    Side,
    Step,
)
from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.statistics import LEVEL, min_p
from taskrunner.safe.printable import printable, printable_name

_MAX_RUNS = 3  # the named runs of each side
_MAX_NAME = 60  # characters of an id

type Cells = Sequence[str]


def comparison_text(comparison: Comparison, max_rows: int) -> str:
    """Return the text of a comparison, with at most ``max_rows`` rows of each list of nodes."""
    parts = [_sides(comparison), _facts(comparison), _figures(comparison)]
    for pair in comparison.pairs:
        parts += _pair(comparison, pair, max_rows)
    return "\n".join(["\n".join(map(printable, part)) + "\n" for part in parts if part])


def format_number(value: float, kind: str) -> str:
    """Return a number with the unit of its kind."""
    if kind == TIME:
        return format_seconds(value)
    if kind == BYTES:
        return f"{value / 2**20:.1f} MiB"
    return f"{value:.2f}" if kind == NUMBER else f"{value:.9g}"


def format_ratio(change: Change | None) -> str:
    """Return a ratio, or ``-`` if there is no ratio."""
    return "-" if change is None or change.ratio is None else f"{change.ratio:.2f}x"


def format_probability(change: Change | None) -> str:
    """Return a p or a q, or "" without a verdict."""
    probability = None if change is None else change.p if change.q is None else change.q
    return "" if probability is None else f"{probability:.2g}"


def format_difference(difference: float) -> str:
    """Return a difference of two times, with its sign."""
    return ("-" if difference < 0 else "+") + format_seconds(abs(difference))


def format_runs(side: Side) -> str:
    """Return the names of the runs of a side; of many runs, the first _MAX_RUNS."""
    more = len(side.runs) - _MAX_RUNS
    count = f"{len(side.runs)} runs: " if len(side.runs) > 1 else ""
    return count + ", ".join(side.runs[:_MAX_RUNS]) + (f" and {more} more" if more > 0 else "")


def explain_verdicts(comparison: Comparison, pair: Pair) -> list[str]:
    """Return the meaning of a verdict, or the reason why there is none."""
    base, other = [len(side.runs) for side in comparison.sides if side.label in (pair.base, pair.other)]
    if not pair.can_judge:
        runs = "one run per side" if base == other == 1 else f"{base} against {other} runs"
        return [f"No verdicts: {runs} cannot distinguish a change from noise. Three against three can."]
    level = f"1/{1 / LEVEL:.0f}"
    minimum = f"for {base} runs against {other} it is at least {min_p(base, other):.2g}"
    return [
        f'"changed": p or q is {level} or less. p is the probability that noise alone separates the sides as much;',
        f"{minimum}. q is the share of noise among all rows separated as much.",
    ]


def _sides(comparison: Comparison) -> Iterator[str]:
    for side in comparison.sides:
        yield f"{side.label}  {', '.join(side.graphs)}: {format_runs(side)}"
    for caveat in comparison.notes:
        yield f"!  {caveat}"


def _facts(comparison: Comparison) -> list[str]:
    rows = [[fact.name, *(", ".join(values) or "-" for values in fact.sides)] for fact in comparison.facts]
    if not rows:
        return ["python, GIL, workers, platform and versions are the same on all sides"]
    return _table([["differs", *(side.label for side in comparison.sides)], *rows], "")


def _figures(comparison: Comparison) -> list[str]:
    sides = len(comparison.sides)
    rows = [figure_cells(figure) for figure in comparison.figures]
    return _table([figure_headers(comparison), *rows], " " * (1 + sides) + ">> " * (sides - 1))


def figure_headers(comparison: Comparison) -> list[str]:
    """Return the column headers of the table of all figures."""
    labels = [side.label for side in comparison.sides]
    p = "p" if any(pair.can_judge for pair in comparison.pairs) else ""
    return ["", *labels, *(header for label in labels[1:] for header in (f"{label}/A", p, ""))]


def figure_cells(figure: Figure) -> list[str]:
    """Return the row of one figure."""
    cells = [figure.name, *(format_sample(sample, figure.kind) for sample in figure.sides)]
    for change in figure.changes:
        cells += [format_ratio(change), format_probability(change), change.verdict if change else ""]
    return cells


def format_sample(sample: Sample | None, kind: str) -> str:
    """Return a median, with the minimum and maximum if they differ; ``-`` if there is no sample."""
    if sample is None:
        return "-"
    median, least, most = [format_number(value, kind) for value in (sample.median, sample.least, sample.most)]
    if least == most:
        return median
    unit = median.partition(" ")[2]
    if least.partition(" ")[2] == most.partition(" ")[2] == unit:  # a common unit is not repeated
        least, most = least.partition(" ")[0], most.partition(" ")[0]
    return f"{median} ({least} to {most})"


def _pair(comparison: Comparison, pair: Pair, max_rows: int) -> Iterator[list[str]]:
    """Yield the parts of one pair, without the rows of nodes whose difference is noise."""
    noise = [row for row in pair.nodes if row.change.verdict == NOISE]
    shown = [row for row in pair.nodes if row.change.verdict != NOISE]
    yield explain_verdicts(comparison, pair)
    yield _rows(pair, "function", pair.functions, max_rows)
    yield _rows(pair, "node", shown, max_rows) + _rest(noise, "node", " whose difference is noise")
    yield _path(pair, max_rows) if pair.path else []


def _rows(pair: Pair, noun: str, rows: Sequence[Row], max_rows: int) -> list[str]:
    q = "q" if pair.can_judge else ""
    headers = [noun, pair.base, pair.other, f"{pair.other}-{pair.base}", f"{pair.other}/{pair.base}", q, "", ""]
    lines = _table([headers, *(_row(row) for row in rows[:max_rows])], " >>>>>  ") if rows else []
    return lines + _rest(rows[max_rows:], f"more {noun}", "")


def _rest(rows: Sequence[Row], noun: str, remark: str) -> list[str]:
    if not rows:
        return []
    plural = "s" if len(rows) > 1 else ""
    total = format_difference(sum(row.change.difference for row in rows))
    return [f"({len(rows)} {noun}{plural}{remark}, {total} in total)"]


def _row(row: Row) -> list[str]:
    change = row.change
    return [
        printable_name(row.name, _MAX_NAME),
        *[format_sample(sample, TIME) for sample in (row.base, row.other)],
        format_difference(change.difference),
        format_ratio(change),
        format_probability(change),
        change.verdict,
        row.note,
    ]


def _path(pair: Pair, max_rows: int) -> list[str]:
    common = sum(len(step.sides) > 1 for step in pair.path)
    headers = ["critical path", pair.base, pair.other, f"{pair.other}-{pair.base}", ""]
    lines = _table([headers, *(_step(step) for step in pair.path[:max_rows])], " >>> ")
    rest = len(pair.path) - max_rows
    lines += [f"({rest} more)"] if rest > 0 else []
    return [*lines, f"{common} of {len(pair.path)} nodes are on both paths"]


def _step(step: Step) -> list[str]:
    times = ["-" if value is None else format_seconds(value) for value in (step.base_s, step.other_s)]
    difference = "-" if step.base_s is None or step.other_s is None else format_difference(step.other_s - step.base_s)
    return [
        printable_name(step.node, _MAX_NAME),
        *times,
        difference,
        "" if len(step.sides) > 1 else f"only on {step.sides[0]}'s",
    ]


def _table(rows: Sequence[Cells], alignment: str) -> list[str]:
    """Return the lines of a table; ``>`` in ``alignment`` aligns the column of that position to the right."""
    aligned: list[Callable[[str, int], str]] = [str.rjust if sign == ">" else str.ljust for sign in alignment]
    aligned += [str.ljust] * (len(rows[0]) - len(aligned))
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(rows[0]))]
    return [
        "  ".join(align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True)).rstrip()
        for row in cells
    ]
