"""``taskrunner report``: a run as an HTML page."""

import os
from pathlib import Path
from typing import Any

import click

from taskrunner.cli.history_options import find_recorded, run_argument
from taskrunner.errors import UsageError
from taskrunner.safe.private_files import write_private
from taskrunner.storage.baseline import baseline

EXAMPLE = """\b
Examples:
  taskrunner report last
  xdg-open "$(taskrunner report last)"
  taskrunner report 20260131-15 -o nightly.html
"""


@click.command(epilog=EXAMPLE, short_help="Write RUN as a page: timeline, graph, failures.")
@run_argument
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE",
    help="Write the page to FILE; - is standard output. Default: report.html in the run's directory.",
)  # fmt: skip
def report(run_name: str, **options: Any) -> None:
    """Write RUN as one HTML file that needs no network, and print its path.

    RUN is an id, a unique prefix, last or last~1.
    """
    # Imported on demand: no other command needs these modules.
    from taskrunner.analysis.contention import read_contention
    from taskrunner.analysis.report.report import report as report_of

    run, runs = find_recorded(run_name, options), Path(options["run_dir"])
    base = baseline(runs, run.id)
    html = report_of(run, read_contention(runs, run.id, base) if base else None)
    if options["output"] == "-":
        click.echo(html, nl=False)
        return
    path = Path(options["output"] or runs / run.id / "report.html")
    try:
        write_private(path, html.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    click.echo(os.fsencode(path))  # unescaped: another program reads the path
