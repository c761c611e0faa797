"""``taskrunner simulate``: the predicted wall time of a recorded run for other worker counts."""

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
MAX_WORKERS = 4096
MAX_COUNTS = 100


def _counts(_context: click.Context, _option: click.Parameter, value: str) -> list[int]:
    """Return the comma-separated worker counts without duplicates, in ascending order."""
    counts = sorted({_count(word.strip()) for word in value.split(",")})
    if len(counts) > MAX_COUNTS:
        raise click.BadParameter(f"{len(counts)} worker counts are too many: at most {MAX_COUNTS}")
    return counts


def _count(word: str) -> int:
    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(MAX_WORKERS))
    if not is_number or not 1 <= int(word) <= MAX_WORKERS:
        raise click.BadParameter(f"{word!r} is not a worker count: 1 to {MAX_WORKERS}")
    return int(word)


@click.command("simulate", epilog=EXAMPLE, short_help="Predict the wall time of RUN for other worker counts.")
@run_argument
@click.option(
    "-w", "--workers", callback=_counts, default="1,2,4,8,16,32", show_default=True, metavar="N,N…",
    help="The worker counts.",
)  # fmt: skip
@click.option(
    "--advise", type=click.IntRange(1, MAX_WORKERS), metavar="N",
    help="Give advice for N workers; default: the processors of the run's machine.",
)  # fmt: skip
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.option("--svg", type=click.Path(dir_okay=False), metavar="FILE", help="Draw the speed-up curve as well.")
@output_option
def simulate_command(run_name: str, **options: Any) -> None:
    """Simulate RUN with other worker counts. RUN is an id, a unique prefix, last or last~1.

    Each node takes as long as in the run; the scheduler's policy decides when it starts. No schedule can beat the
    bound. It is the maximum of the critical path, the total node time divided by the workers, and the limit of pools.
    """
    simulation = simulate(find_recorded(run_name, options), options["workers"], options["advise"])
    if options["svg"]:
        write(curve.svg(simulation).encode(), options["svg"])
    if options["json"]:
        write(msgspec.json.format(msgspec.json.encode(simulation), indent=2) + b"\n", options["output"])
    else:
        write(_text(simulation, options["output"]), options["output"])


def _text(simulation: Simulation, output: str | None) -> bytes:
    """Return the text in the encoding of the output; characters outside that encoding are escaped."""
    encoding = "utf-8" if output else sys.stdout.encoding
    text = simulation_text(simulation, shutil.get_terminal_size((100, 24)).columns, curve.marks_for(encoding))
    return text.encode(encoding, "backslashreplace")
