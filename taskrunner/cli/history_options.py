"""Arguments and options of the commands that read earlier runs, and how a run is found by its name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.cli import completion
from taskrunner.storage.run_directory import DEFAULT


def run_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its RUN argument and the --run-dir that goes with it."""
    return click.argument("run_name", metavar="RUN", shell_complete=completion.runs)(run_dir_option(function))


def run_dir_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --run-dir."""
    text = "Where each run has left a folder of its own."
    return click.option(
        "--run-dir", type=click.Path(file_okay=False), default=str(DEFAULT), show_default=True, help=text
    )(function)


def find_recorded(name: str, options: dict[str, Any]) -> RecordedRun:
    """Return the run that a command line names.

    Raises:
        UsageError: there is none, or more than one.
        TaskrunnerError: it cannot be read.

    """
    return load_run(Path(options["run_dir"]), name)
