"""A comparison as a page: pictures of the walls and of the nodes, and all nodes in tables to search and sort."""

from collections.abc import Iterator, Sequence

from taskrunner.analysis.comparison.chart import dot_plot, ratio_plot
from taskrunner.analysis.comparison.compare import NOISE, Comparison, Pair, Row, Sample, Step
from taskrunner.analysis.comparison.text import figure_cells, figure_heads, rule_lines
from taskrunner.analysis.html.page import html_text, page
from taskrunner.analysis.html.table import Column, Table, table_place, time_column, words_column

_DRAWN = 30  # so many nodes are in the picture


def comparison_page(found: Comparison) -> str:
    """Return the page, one file that needs no other."""
    tables: dict[str, Table] = {}
    body = [*_head(found), *_figures(found)]
    for pair in found.pairs:
        body += _pair(found, pair, tables)
    names = dict.fromkeys(graph for side in found.sides for graph in side.graphs)
    return page(f"Runs compared: {', '.join(names)}", "\n".join(body), {"tables": tables}, ["compare.css"])


def _head(found: Comparison) -> Iterator[str]:
    yield '<ol class="letters">'
    for side in found.sides:
        runs = ", ".join([f'<span class="id">{html_text(run)}</span>' for run in side.runs])
        yield f"<li><b>{side.label}</b> {html_text(', '.join(side.graphs))}: {runs}</li>"
    yield "</ol>"
    yield from (f'<p class="note">{html_text(note)}</p>' for note in found.notes)
    if found.facts:
        rows = [[fact.name, *(", ".join(values) or "-" for values in fact.sides)] for fact in found.facts]
        yield "<h2>Where they ran</h2>"
        yield _table(["differs", *_labels(found)], rows)
    else:
        yield "<p>Python, workers, platform and versions are the same on all sides.</p>"


def _labels(found: Comparison) -> list[str]:
    return [side.label for side in found.sides]


def _figures(found: Comparison) -> Iterator[str]:
    yield "<h2>As a whole</h2>"
    yield from (_scroll(dot_plot(figure, found.sides)) for figure in found.figures if figure.name == "wall")
    yield _table(figure_heads(found), [figure_cells(figure) for figure in found.figures])


def _pair(found: Comparison, pair: Pair, tables: dict[str, Table]) -> Iterator[str]:
    drawn = sorted(pair.nodes, key=lambda row: row.change.verdict == NOISE)[:_DRAWN]
    yield f"<h2>{pair.other} beside {pair.base}</h2><p>{html_text(' '.join(rule_lines(found, pair)))}</p>"
    if drawn:
        yield (
            f"<p>Seconds of {pair.other} over those of {pair.base}, on a log scale: the ratio of the medians, and the"
            " least and the greatest of single runs. A full dot is a change, an empty one is noise or not judged. The"
            f" {len(drawn)} nodes that are most of the difference, noise last.</p>"
        )
        yield _scroll(ratio_plot(drawn, pair.base, pair.other))
    for what, rows in (("functions", pair.functions), ("nodes", pair.nodes)):
        if rows:
            name = f"{what}-{pair.other}"
            tables[name] = _rows_table(pair, what, rows)
            yield f"<h3>{what.capitalize()}</h3>{table_place(name)}"
    if pair.path:
        tables[f"path-{pair.other}"] = _path_table(pair)
        yield f"<h3>Along the critical path</h3>{table_place(f'path-{pair.other}')}"


def _rows_table(pair: Pair, what: str, rows: Sequence[Row]) -> Table:
    base, other = pair.base, pair.other
    columns = [
        Column(what.removesuffix("s"), "text", [row.name for row in rows]),
        time_column(base, [_median(row.base) for row in rows]),
        Column(f"{base} max/min", "ratio", [_over(row.base) for row in rows]),
        time_column(other, [_median(row.other) for row in rows]),
        Column(f"{other} max/min", "ratio", [_over(row.other) for row in rows]),
        Column(f"{other}-{base}, ms", "number", [_ms(row.change.difference) for row in rows]),
        Column(f"{other}/{base}", "ratio", [row.change.ratio for row in rows]),
        Column("q", "number", [_short(row.change.q) for row in rows]),
    ]
    # Of one run a side there are no ranges and no verdicts, and most nodes need no note.
    columns = [column for column in columns if any(value is not None for value in column.values)]
    for name, texts in (("verdict", [row.change.verdict for row in rows]), ("note", [row.note for row in rows])):
        columns += [words_column(name, texts)] if any(texts) else []
    return Table(f"All {what}, those that are most of the difference first", columns)


def _path_table(pair: Pair) -> Table:
    steps = pair.path
    columns = [
        Column("node", "text", [step.node for step in steps]),
        time_column(pair.base, [step.base_s for step in steps]),
        time_column(pair.other, [step.other_s for step in steps]),
        Column(f"{pair.other}-{pair.base}, ms", "number", [_ms(_difference(step)) for step in steps]),
        words_column("on the path of", [" and ".join(step.sides) for step in steps]),
    ]
    return Table("The nodes of both paths, in their order; times of the runs whose wall time is the median", columns)


def _difference(step: Step) -> float | None:
    return None if step.base_s is None or step.other_s is None else step.other_s - step.base_s


def _median(sample: Sample | None) -> float | None:
    return None if sample is None else sample.median


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


def _short(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.2g}")


def _over(sample: Sample | None) -> float | None:
    """Return the spread of a side's runs; None where it is not known."""
    return sample.most / sample.least if sample is not None and sample.least and sample.most > sample.least else None


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that stays as it is."""
    first = "".join([f'<th scope="col">{html_text(head)}</th>' for head in heads])
    lines = [f'<tr><th scope="row">{html_text(row[0])}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in rows]
    inside = f"<thead><tr>{first}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return _scroll(f'<table class="still">{inside}</table>')


def _cell(text: str) -> str:
    return f"<td>{html_text(text)}</td>"


def _scroll(inside: str) -> str:
    """Let a narrow screen move what is too wide for it, by keys as well."""
    return f'<div class="scroll" tabindex="0">{inside}</div>'
