"""``taskrunner simulate``: what a recorded run would have taken on other numbers of workers."""

import shutil
import sys
from typing import Any

import click
import msgspec

from taskrunner.analysis.simulation import speedup_curve as curve
from taskrunner.analysis.simulation.simulate import Simulation, simulate
from taskrunner.analysis.simulation.text import simulation_text
from taskrunner.cli.graph_options import output_option, write
from taskrunner.cli.history_options import find_recorded, run_argument

EXAMPLE = """\b
Examples:
  taskrunner simulate last
  taskrunner simulate 20261122-17 --workers 1,2,3,4 --svg speed-up.svg
  taskrunner simulate last --json | jq '.predictions[].wall_s'
"""
MOST_WORKERS = 4096
MOST_COUNTS = 100


def _counts(_context: click.Context, _option: click.Parameter, value: str) -> list[int]:
    """Return the numbers of workers that stand between commas, each once, the smallest first."""
    counts = sorted({_count(word.strip()) for word in value.split(",")})
    if len(counts) > MOST_COUNTS:
        raise click.BadParameter(f"{len(counts)} numbers of workers are too many: at most {MOST_COUNTS}")
    return counts


def _count(word: str) -> int:
    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(MOST_WORKERS))
    if not is_number or not 1 <= int(word) <= MOST_WORKERS:
        raise click.BadParameter(f"{word!r} is not a number of workers: 1 to {MOST_WORKERS}")
    return int(word)


@click.command("simulate", epilog=EXAMPLE, short_help="Tell what RUN would take on other numbers of workers.")
@run_argument
@click.option(
    "-w", "--workers", callback=_counts, default="1,2,4,8,16,32", show_default=True, metavar="N,N…",
    help="The numbers of workers.",
)  # fmt: skip
@click.option(
    "--advise", type=click.IntRange(1, MOST_WORKERS), metavar="N",
    help="How many workers the advice is for; default: the processors of the run's machine.",
)  # fmt: skip
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Draw the speed-up curve as well.")
@output_option
def simulate_command(run_name: str, **options: Any) -> None:
    """Replay RUN, an id, the start of one, or last, on other numbers of workers.

    Each node takes as long as it took in the run; the scheduler's policy decides when it starts. The bound is what no
    schedule can beat: the longest of the critical path, the work divided by the workers, and what pools allow.
    """
    found = simulate(find_recorded(run_name, options), options["workers"], options["advise"])
    if options["svg"]:
        write(curve.svg(found).encode(), options["svg"])
    if options["json"]:
        write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n", options["output"])
    else:
        write(_text(found, options["output"]), options["output"])


def _text(found: Simulation, output: str | None) -> bytes:
    """Return the text in the encoding of where it goes; a name that this does not have is escaped."""
    encoding = "utf-8" if output else sys.stdout.encoding
    text = simulation_text(found, shutil.get_terminal_size((100, 24)).columns, curve.marks_for(encoding))
    return text.encode(encoding, "backslashreplace")
