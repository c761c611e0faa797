"""HTML page of a comparison: charts of the wall times and nodes, and tables of all nodes to search and sort."""

from collections.abc import Iterator, Sequence

from taskrunner.analysis.comparison.chart import dot_plot, ratio_plot
from taskrunner.analysis.comparison.compare import NOISE, Comparison, Pair, Row, Sample, Step
from taskrunner.analysis.comparison.text import explain_verdicts, figure_cells, figure_headers
from taskrunner.analysis.html.page import html_text, page
from taskrunner.analysis.html.table import Column, Table, table_container, time_column, words_column

_MAX_DRAWN = 30  # nodes in the chart


def comparison_page(comparison: Comparison) -> str:
    """Return the page of a comparison as one self-contained file."""
    tables: dict[str, Table] = {}
    body = [*_header(comparison), *_figures(comparison)]
    for pair in comparison.pairs:
        body += _pair(comparison, pair, tables)
    names = dict.fromkeys(graph for side in comparison.sides for graph in side.graphs)
    return page(f"Runs compared: {', '.join(names)}", "\n".join(body), {"tables": tables}, ["compare.css"])


def _header(comparison: Comparison) -> Iterator[str]:
    yield '<ol class="letters">'
    for side in comparison.sides:
        runs = ", ".join([f'<span class="id">{html_text(run)}</span>' for run in side.runs])
        yield f"<li><b>{side.label}</b> {html_text(', '.join(side.graphs))}: {runs}</li>"
    yield "</ol>"
    yield from (f'<p class="notice">{html_text(caveat)}</p>' for caveat in comparison.notes)
    if comparison.facts:
        rows = [[fact.name, *(", ".join(values) or "-" for values in fact.sides)] for fact in comparison.facts]
        yield "<h2>Environment</h2>"
        yield _table(["differs", *_labels(comparison)], rows)
    else:
        yield "<p>Python, workers, platform and versions are the same on all sides.</p>"


def _labels(comparison: Comparison) -> list[str]:
    return [side.label for side in comparison.sides]


def _figures(comparison: Comparison) -> Iterator[str]:
    yield "<h2>Totals</h2>"
    yield from (_scroll(dot_plot(figure, comparison.sides)) for figure in comparison.figures if figure.name == "wall")
    yield _table(figure_headers(comparison), [figure_cells(figure) for figure in comparison.figures])


def _pair(comparison: Comparison, pair: Pair, tables: dict[str, Table]) -> Iterator[str]:
    drawn = sorted(pair.nodes, key=lambda row: row.change.verdict == NOISE)[:_MAX_DRAWN]
    explanation = html_text(" ".join(explain_verdicts(comparison, pair)))
    yield f"<h2>{pair.other} compared with {pair.base}</h2><p>{explanation}</p>"
    if drawn:
        yield (
            f"<p>Seconds of {pair.other} divided by those of {pair.base}, on a log scale: the ratio of the medians, and"
            " the minimum and maximum of single runs. A full dot is a change; an empty dot is noise or not judged. The"
            f" {len(drawn)} nodes with the largest difference, noise last.</p>"
        )
        yield _scroll(ratio_plot(drawn, pair.base, pair.other))
    for noun, rows in (("functions", pair.functions), ("nodes", pair.nodes)):
        if rows:
            name = f"{noun}-{pair.other}"
            tables[name] = _rows_table(pair, noun, rows)
            yield f"<h3>{noun.capitalize()}</h3>{table_container(name)}"
    if pair.path:
        tables[f"path-{pair.other}"] = _path_table(pair)
        yield f"<h3>Critical paths</h3>{table_container(f'path-{pair.other}')}"


def _rows_table(pair: Pair, noun: str, rows: Sequence[Row]) -> Table:
    base, other = pair.base, pair.other
    columns = [
        Column(noun.removesuffix("s"), "text", [row.name for row in rows]),
        time_column(base, [_median(row.base) for row in rows]),
        Column(f"{base} max/min", "ratio", [_spread(row.base) for row in rows]),
        time_column(other, [_median(row.other) for row in rows]),
        Column(f"{other} max/min", "ratio", [_spread(row.other) for row in rows]),
        Column(f"{other}-{base}, ms", "number", [_ms(row.change.difference) for row in rows]),
        Column(f"{other}/{base}", "ratio", [row.change.ratio for row in rows]),
        Column("q", "number", [_round_rate(row.change.q) for row in rows]),
    ]
    # With one run per side there are no ranges and no verdicts, and most nodes have no remark.
    columns = [column for column in columns if any(value is not None for value in column.values)]
    for name, words in (("verdict", [row.change.verdict for row in rows]), ("note", [row.note for row in rows])):
        columns += [words_column(name, words)] if any(words) else []
    return Table(f"All {noun}, the largest difference first", columns)


def _path_table(pair: Pair) -> Table:
    steps = pair.path
    columns = [
        Column("node", "text", [step.node for step in steps]),
        time_column(pair.base, [step.base_s for step in steps]),
        time_column(pair.other, [step.other_s for step in steps]),
        Column(f"{pair.other}-{pair.base}, ms", "number", [_ms(_difference(step)) for step in steps]),
        words_column("on the path of", [" and ".join(step.sides) for step in steps]),
    ]
    return Table("The nodes of both paths, in order; times of the runs with the median wall time", columns)


def _difference(step: Step) -> float | None:
    return None if step.base_s is None or step.other_s is None else step.other_s - step.base_s


def _median(sample: Sample | None) -> float | None:
    return None if sample is None else sample.median


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


def _round_rate(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.2g}")


def _spread(sample: Sample | None) -> float | None:
    """Return the maximum over the minimum of a side's runs, or None if they are equal or unknown."""
    return sample.most / sample.least if sample is not None and sample.least and sample.most > sample.least else None


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a static table, without sorting and search."""
    first = "".join([f'<th scope="col">{html_text(header)}</th>' for header in headers])
    lines = [f'<tr><th scope="row">{html_text(row[0])}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in rows]
    inside = f"<thead><tr>{first}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return _scroll(f'<table class="still">{inside}</table>')


def _cell(text: str) -> str:
    return f"<td>{html_text(text)}</td>"


def _scroll(inside: str) -> str:
    """Return a container that makes wide content scrollable on a narrow screen, also with the keyboard."""
    return f'<div class="scroll" tabindex="0">{inside}</div>'
