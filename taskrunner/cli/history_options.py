"""Arguments and options of the commands that read earlier runs, and the lookup of a run by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.cli import completion
from taskrunner.storage.run_directory import DEFAULT


def run_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the RUN argument and its --run-dir to a command."""
    return click.argument("run_name", metavar="RUN", shell_complete=completion.runs)(run_dir_option(function))


def run_dir_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --run-dir to a command."""
    text = "The directory that holds one subdirectory per run."
    return click.option(
        "--run-dir", type=click.Path(file_okay=False), default=str(DEFAULT), show_default=True, help=text
    )(function)


def find_recorded(name: str, options: dict[str, Any]) -> RecordedRun:
    """Return the run named on the command line.

    Raises:
        UsageError: no run matches, or more than one.
        TaskrunnerError: the run cannot be read.

    """
    return load_run(Path(options["run_dir"]), name)
