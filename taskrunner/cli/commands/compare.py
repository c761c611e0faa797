"""``taskrunner compare``: runs side by side."""

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
    help="Show so many nodes, functions and steps of a path; --json and --html have all.",
)  # fmt: skip
@click.option("--json", is_flag=True, help="Print all of it as one JSON object.")
@click.option("--html", is_flag=True, help="Make a page to look at in a browser.")
@output_option
def compare_command(runs: tuple[str, ...], **options: Any) -> None:
    """Compare runs: their numbers, their nodes, their critical paths, and where they ran.

    Each RUN is a side of its own, and the first is what the others are compared with. With several runs a side, parted
    by the word vs, noise is told apart from change: three against three can do that, more see smaller changes.
    """
    if options["json"] and options["html"]:
        raise UsageError("--json and --html cannot go together")
    with collector.paused():  # runs of many nodes are read, and none of it is garbage
        found = compare([[_digest(name, options) for name in side] for side in _sides(runs)])
    write(_form(found, options).encode(), options["output"])


def _sides(words: Sequence[str]) -> list[list[str]]:
    """Part the runs at each ``vs``; where there is none, each is a side."""
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
    """Read a run and keep no more of it than is compared: there may be many, of many nodes."""
    return digest(find_recorded(name, options))


def _form(found: Comparison, options: dict[str, Any]) -> str:
    # A form is imported where it is asked for: start-up stays light.
    if options["json"]:
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    if options["html"]:
        from taskrunner.analysis.comparison.page import comparison_page

        return comparison_page(found)
    from taskrunner.analysis.comparison.text import comparison_text

    return comparison_text(found, options["nodes"])
