"""The comparison as a page of HTML that is one file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builds.row import Row
from builds.text import cell_text, fact_lines, key, sections
from taskrunner.analysis.html.page import html_text, page


def comparison_page(rows: Sequence[Row], builds: Sequence[str], facts: Mapping[str, Any], chart: str) -> str:
    """Return the page; ``chart`` is the picture in SVG."""
    body = [f"<p>{html_text(line)}</p>" for line in fact_lines(facts)]
    body += [f'<div class="scroll" tabindex="0">{chart}</div>', f"<p>{html_text(key(builds[0]))}</p>"]
    for section, of_section in sections(rows):
        body += [f"<h2>{html_text(section)}</h2>", *_table(of_section, builds)]
    body += ["<h2>Results</h2>", *_results(facts["results"])]
    return page("Builds compared", "\n".join(body), {}, ["compare.css"])


def _table(rows: Sequence[Row], builds: Sequence[str]) -> Iterator[str]:
    heads = "".join(f'<th scope="col" class="figure">{html_text(name)}</th>' for name in builds)
    yield f'<div class="scroll" tabindex="0"><table class="still"><thead><tr><th></th>{heads}</tr></thead><tbody>'
    for row in rows:
        cells = "".join(f'<td class="figure">{html_text(cell_text(row, name))}</td>' for name in builds)
        yield f'<tr><th scope="row">{html_text(row.name)}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _results(found: Mapping[str, str]) -> Iterator[str]:
    yield '<dl class="facts">'
    yield from (f"<dt>{html_text(case)}</dt><dd>{html_text(told)}</dd>" for case, told in found.items())
    yield "</dl>"
