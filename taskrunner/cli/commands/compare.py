"""``taskrunner compare``: several runs side by side."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from taskrunner.analysis.comparison.compare import Comparison, compare
from taskrunner.analysis.comparison.measures import Digest, digest
from taskrunner.cli.graph_options import output_option, write
from taskrunner.cli.history_options import find_recorded, run_dir_option
from taskrunner.errors import UsageError
from taskrunner.system import gc_tuning as collector

VERSUS = "vs"
EXAMPLE = """\b
Examples:
  taskrunner compare last~1 last
  taskrunner compare last~5 last~3 last~1 vs last~4 last~2 last
  taskrunner compare 20260131-1545 last --html -o compare.html
"""


@click.command("compare", epilog=EXAMPLE, short_help="Compare runs, node by node.")
@click.argument("runs", metavar="RUN... [vs] RUN...", nargs=-1, required=True)
@run_dir_option
@click.option(
    "-n", "--nodes", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
    help="Show at most N nodes, functions and steps of a path; --json and --html contain all.",
)  # fmt: skip
@click.option("--json", is_flag=True, help="Print the whole comparison as one JSON object.")
@click.option("--html", is_flag=True, help="Write an HTML page.")
@output_option
def compare_command(runs: tuple[str, ...], **options: Any) -> None:
    """Compare the figures, nodes, critical paths and environments of runs.

    Each RUN is one side, and the others are compared with the first. The word vs separates sides of several
    runs, which distinguishes change from noise. Three runs a side suffice; more runs detect smaller changes.
    """
    if options["json"] and options["html"]:
        raise UsageError("--json and --html cannot be combined")
    with collector.paused():  # runs of many nodes are read, and no object becomes garbage
        comparison = compare([[_digest(name, options) for name in side] for side in _sides(runs)])
    write(_format(comparison, options).encode(), options["output"])


def _sides(words: Sequence[str]) -> list[list[str]]:
    """Split the runs at each ``vs``; without one, each run is a side."""
    if VERSUS not in words:
        return [[word] for word in words]
    sides: list[list[str]] = [[]]
    for word in words:
        if word == VERSUS:
            sides.append([])
        else:
            sides[-1].append(word)
    return sides


def _digest(name: str, options: dict[str, Any]) -> Digest:
    """Read a run and retain only the compared part: there may be many runs of many nodes."""
    return digest(find_recorded(name, options))


def _format(comparison: Comparison, options: dict[str, Any]) -> str:
    # Each output format is imported on demand, which keeps start-up fast.
    if options["json"]:
        return msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode() + "\n"
    if options["html"]:
        from taskrunner.analysis.comparison.page import comparison_page

        return comparison_page(comparison)
    from taskrunner.analysis.comparison.text import comparison_text

    return comparison_text(comparison, options["nodes"])
