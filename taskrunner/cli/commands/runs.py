"""``taskrunner runs``: the runs that have left something behind."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from taskrunner.analysis.formatting import seconds
from taskrunner.cli.history_options import run_dir_option
from taskrunner.safe.printable import printable
from taskrunner.storage.history import RUNNING, UNFINISHED, PastRun, past_runs, remove

EXAMPLE = """\b
Examples:
  taskrunner runs
  taskrunner runs --json | jq '.[0].wall_s'
  taskrunner runs --prune 20     keep the newest 20, remove the others
"""


@click.command(epilog=EXAMPLE, short_help="List earlier runs, or remove old ones.")
@run_dir_option
@click.option("-n", "--newest", type=click.IntRange(min=1), metavar="N", help="List the newest N only.")
@click.option("--prune", type=click.IntRange(min=0), metavar="N", help="Remove all but the newest N.")
@click.option("--json", is_flag=True, help="Print a list of objects, the newest first.")
def runs(**options: Any) -> None:
    """List the runs of this directory, the newest first.

    Where a command takes a RUN, an id may be cut to any unique start of it, and the first of the list is
    also called last. A run that goes on is never removed. With --prune the removed ones are listed.
    """
    folder = Path(options["run_dir"])
    found = past_runs(folder)[: options["newest"]]
    if options["prune"] is not None:
        found = remove(folder, found[options["prune"] :])
    if options["json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for line in _table(found):
            click.echo(line)


def _table(found: Sequence[PastRun]) -> Iterator[str]:
    """Give the lines of a table whose columns are as wide as they must be."""
    head = ("run", "started (UTC)", "state", "wall", "nodes", "failed", "graph", "python")
    rows: list[tuple[str, ...]] = [head]
    for run in found:
        has_ended = run.state not in (RUNNING, UNFINISHED)
        wall, failed = (seconds(run.wall_s), f"{run.failed:,}") if has_ended else ("", "")
        nodes = f"{run.nodes:,}" if run.python else ""
        python = f"{run.python}, GIL {'on' if run.gil else 'off'}" if run.python else ""
        told = (run.run, run.started, run.state, wall, nodes, failed, run.graph, python)
        rows.append(tuple(map(printable, told)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = [
            cell.rjust(width) if name in ("wall", "nodes", "failed") else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()
