"""The table as text and as Markdown."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from builds.build import Build
from builds.row import Cell, Row
from taskrunner.safe.printable import printable

UNITS = {"x": "x", "s": " s", "ms": " ms", "us": " us", "MiB": " MiB"}


def key(base: str) -> str:
    """Explain the marks."""
    return (
        f"Medians; in parentheses the ratio to {base}. ~: within noise, by Student's t-test at 95 %, as pyperf has it;"
        " of workers: no difference. ?: too few rounds to judge."
    )


def fact_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Give what was measured where, and what was not and why."""
    yield facts["machine"]
    yield from (f"{name}: CPython {words}" for name, words in facts["builds"].items())
    yield from (f"{name}: left out: {printable(why)}" for name, why in facts["missing"].items())
    yield from (printable(note) for note in facts["notes"])


def build_words(build: Build) -> str:
    """Say which version it is and whether its GIL is on."""
    kind = " free-threading" if build.facts["free_threaded"] else ""
    return f"{build.version}{kind}, GIL {'on' if build.facts['gil'] else 'off'}, {build.facts['compiler']}"


def table(rows: Sequence[Row], builds: Sequence[str]) -> Iterator[str]:
    """Give the lines of the table, each section under its name."""
    first = max(len(printable(row.name)) for row in rows) + 4
    widths = [max(len(text) for text in [name, *(cell_text(row, name) for row in rows)]) + 2 for name in builds]
    for section, of_section in sections(rows):
        heads = "".join(f"{name:>{width}}" for name, width in zip(builds, widths, strict=True))
        yield ""
        yield section
        yield " " * first + heads
        for row in of_section:
            cells = [f"{cell_text(row, name):>{width}}" for name, width in zip(builds, widths, strict=True)]
            yield f"  {printable(row.name):{first - 2}}{''.join(cells)}"


def markdown(rows: Sequence[Row], builds: Sequence[str]) -> Iterator[str]:
    """Give the table as Markdown."""
    yield f"| | {' | '.join(builds)} |"
    yield f"| --- |{' --- |' * len(builds)}"
    for section, of_section in sections(rows):
        yield f"| **{section}** |{' |' * len(builds)}"
        for row in of_section:
            cells = [cell_text(row, name) for name in builds]
            yield f"| {printable(row.name).replace('|', '&#124;')} | {' | '.join(cells)} |"


def sections(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Give the rows by section."""
    return ((name, list(of_one)) for name, of_one in itertools.groupby(rows, lambda row: row.section))


def cell_text(row: Row, build: str) -> str:
    """Write one cell: the median, and the ratio with its mark."""
    cell = row.cells.get(build)
    if cell is None:
        return "-"
    value = f"{number(cell.median)}{UNITS[row.unit]}"
    if row.unit == "x":
        return f"{mark(cell)}{value}"
    return value if cell.ratio is None else f"{value} ({mark(cell)}{number(cell.ratio)}x)"


def mark(cell: Cell) -> str:
    """Return what stands before a figure that is no difference, or may be none."""
    return {True: "", False: "~", None: "?"}[cell.changed]


def number(value: float) -> str:
    """Write a value with three digits; more would be noise."""
    decimals = min(max(2 - math.floor(math.log10(abs(value))), 0), 5) if value else 0
    return f"{value:,.{decimals}f}"
