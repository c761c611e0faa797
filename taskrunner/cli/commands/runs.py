"""``taskrunner runs``: the recorded runs, as a table or as JSON."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from taskrunner.analysis.formatting import format_seconds
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

    As a RUN, other commands accept an id or a unique prefix of it; last is the first run of the list, and
    last~1 the second. With --prune, the removed runs are listed. A run in progress is never removed.
    """
    run_dir = Path(options["run_dir"])
    past = past_runs(run_dir)[: options["newest"]]
    if options["prune"] is not None:
        past = remove(run_dir, past[options["prune"] :])
    if options["json"]:
        click.echo(msgspec.json.format(msgspec.json.encode(past), indent=2).decode())
    else:
        for line in _table(past):
            click.echo(line)


def _table(past: Sequence[PastRun]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as their widest cell."""
    head = ("run", "started (UTC)", "state", "wall", "nodes", "failed", "graph", "python")
    rows: list[tuple[str, ...]] = [head]
    for run in past:
        has_ended = run.state not in (RUNNING, UNFINISHED)
        wall, failed = (format_seconds(run.wall_s), f"{run.failed:,}") if has_ended else ("", "")
        nodes = f"{run.nodes:,}" if run.python else ""
        python = f"{run.python}, GIL {'on' if run.gil else 'off'}" if run.python else ""
        cells = (run.run, run.started, run.state, wall, nodes, failed, run.graph, python)
        rows.append(tuple(map(printable, cells)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        padded = [
            cell.rjust(width) if name in ("wall", "nodes", "failed") else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        yield "  ".join(padded).rstrip()
