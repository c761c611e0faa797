"""A comparison as text for a terminal."""

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

_RUNS = 3  # so many are named of each side
_NAME = 60  # so much is shown of an id

type Cells = Sequence[str]


def comparison_text(found: Comparison, most: int) -> str:
    """Return the comparison; of each list of nodes no more than ``most``."""
    parts = [_sides(found), _facts(found), _figures(found)]
    for pair in found.pairs:
        parts += _pair(found, pair, most)
    return "\n".join(["\n".join(map(printable, part)) + "\n" for part in parts if part])


def number(value: float, kind: str) -> str:
    """Write a number of its kind."""
    if kind == TIME:
        return format_seconds(value)
    if kind == BYTES:
        return f"{value / 2**20:.1f} MiB"
    return f"{value:.2f}" if kind == NUMBER else f"{value:.9g}"


def ratio_text(change: Change | None) -> str:
    """Write a ratio; ``-``: there is none."""
    return "-" if change is None or change.ratio is None else f"{change.ratio:.2f}x"


def chance_text(change: Change | None) -> str:
    """Write a p or a q; empty: nothing was judged."""
    chance = None if change is None else change.p if change.q is None else change.q
    return "" if chance is None else f"{chance:.2g}"


def signed(difference: float) -> str:
    """Write how much longer, or how much less long."""
    return ("-" if difference < 0 else "+") + format_seconds(abs(difference))


def runs_text(side: Side) -> str:
    """Name the runs of a side, the first ones of many."""
    more = len(side.runs) - _RUNS
    count = f"{len(side.runs)} runs: " if len(side.runs) > 1 else ""
    return count + ", ".join(side.runs[:_RUNS]) + (f" and {more} more" if more > 0 else "")


def rule_lines(found: Comparison, pair: Pair) -> list[str]:
    """Say what a verdict means, or why there is none."""
    base, other = [len(side.runs) for side in found.sides if side.label in (pair.base, pair.other)]
    if not pair.can_judge:
        runs = "one run a side" if base == other == 1 else f"{base} against {other} runs"
        return [f"Nothing is judged: {runs} cannot tell a change from noise. Three against three can."]
    least = f"of {base} runs against {other} it is {min_p(base, other):.2g} at least"
    return [
        f'"changed": p or q is 1/{1 / LEVEL:.0f} or less. p is the chance that noise alone sets sides so far apart;',
        f"{least}. q is the share of noise among the rows that are so far apart.",
    ]


def _sides(found: Comparison) -> Iterator[str]:
    for side in found.sides:
        yield f"{side.label}  {', '.join(side.graphs)}: {runs_text(side)}"
    for note in found.notes:
        yield f"!  {note}"


def _facts(found: Comparison) -> list[str]:
    rows = [[fact.name, *(", ".join(values) or "-" for values in fact.sides)] for fact in found.facts]
    if not rows:
        return ["python, GIL, workers, platform and versions are the same on all sides"]
    return _table([["differs", *(side.label for side in found.sides)], *rows], "")


def _figures(found: Comparison) -> list[str]:
    sides = len(found.sides)
    rows = [figure_cells(figure) for figure in found.figures]
    return _table([figure_heads(found), *rows], " " * (1 + sides) + ">> " * (sides - 1))


def figure_heads(found: Comparison) -> list[str]:
    """Return the heads of the table of all figures."""
    labels = [side.label for side in found.sides]
    p = "p" if any(pair.can_judge for pair in found.pairs) else ""
    return ["", *labels, *(text for label in labels[1:] for text in (f"{label}/A", p, ""))]


def figure_cells(figure: Figure) -> list[str]:
    """Return the row of one figure."""
    cells = [figure.name, *(sample_text(sample, figure.kind) for sample in figure.sides)]
    for change in figure.changes:
        cells += [ratio_text(change), chance_text(change), change.verdict if change else ""]
    return cells


def sample_text(sample: Sample | None, kind: str) -> str:
    """Write a median, with the least and the most where they differ; ``-``: there is none."""
    if sample is None:
        return "-"
    middle, least, most = [number(value, kind) for value in (sample.median, sample.least, sample.most)]
    if least == most:
        return middle
    unit = middle.partition(" ")[2]
    if least.partition(" ")[2] == most.partition(" ")[2] == unit:  # it is told once
        least, most = least.partition(" ")[0], most.partition(" ")[0]
    return f"{middle} ({least} to {most})"


def _pair(found: Comparison, pair: Pair, most: int) -> Iterator[list[str]]:
    """Give the parts of one pair; of its nodes not those that are noise."""
    noise = [row for row in pair.nodes if row.change.verdict == NOISE]
    told = [row for row in pair.nodes if row.change.verdict != NOISE]
    yield rule_lines(found, pair)
    yield _rows(pair, "function", pair.functions, most)
    yield _rows(pair, "node", told, most) + _rest(noise, "node", " whose difference is noise")
    yield _path(pair, most) if pair.path else []


def _rows(pair: Pair, what: str, rows: Sequence[Row], most: int) -> list[str]:
    q = "q" if pair.can_judge else ""
    heads = [what, pair.base, pair.other, f"{pair.other}-{pair.base}", f"{pair.other}/{pair.base}", q, "", ""]
    lines = _table([heads, *(_row(row) for row in rows[:most])], " >>>>>  ") if rows else []
    return lines + _rest(rows[most:], f"more {what}", "")


def _rest(rows: Sequence[Row], what: str, more: str) -> list[str]:
    if not rows:
        return []
    plural = "s" if len(rows) > 1 else ""
    return [f"({len(rows)} {what}{plural}{more}, {signed(sum(row.change.difference for row in rows))} together)"]


def _row(row: Row) -> list[str]:
    change = row.change
    texts = [sample_text(sample, TIME) for sample in (row.base, row.other)]
    return [
        printable_name(row.name, _NAME),
        *texts,
        signed(change.difference),
        ratio_text(change),
        chance_text(change),
        change.verdict,
        row.note,
    ]


def _path(pair: Pair, most: int) -> list[str]:
    both = sum(len(step.sides) > 1 for step in pair.path)
    head = ["critical path", pair.base, pair.other, f"{pair.other}-{pair.base}", ""]
    lines = _table([head, *(_step(step) for step in pair.path[:most])], " >>> ")
    rest = len(pair.path) - most
    lines += [f"({rest} more)"] if rest > 0 else []
    return [*lines, f"{both} of {len(pair.path)} nodes are on both"]


def _step(step: Step) -> list[str]:
    times = ["-" if value is None else format_seconds(value) for value in (step.base_s, step.other_s)]
    difference = "-" if step.base_s is None or step.other_s is None else signed(step.other_s - step.base_s)
    return [
        printable_name(step.node, _NAME),
        *times,
        difference,
        "" if len(step.sides) > 1 else f"on {step.sides[0]}'s only",
    ]


def _table(rows: Sequence[Cells], places: str) -> list[str]:
    """Return lines whose columns are as wide as they must be; ``>`` in ``places``: to the right."""
    aligned: list[Callable[[str, int], str]] = [str.rjust if place == ">" else str.ljust for place in places]
    aligned += [str.ljust] * (len(rows[0]) - len(aligned))
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in shown) for i in range(len(rows[0]))]
    return [
        "  ".join(align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True)).rstrip()
        for row in shown
    ]
