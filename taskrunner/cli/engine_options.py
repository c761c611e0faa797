"""Options that select the engine, and their evaluation."""

from collections.abc import Callable
from typing import Any

import click

from taskrunner.engines.engine import Engine
from taskrunner.errors import UsageError

_OPTIONS = (
    click.option(
        "--engine", type=click.Choice(["threads", "dask"]), default="threads", show_default=True,
        help="Run nodes on threads of this process, or on a Dask cluster.",
    ),
    click.option("--address", metavar="URL", help="The cluster's scheduler; default: start a local cluster."),
    click.option(
        "--ship", metavar="PATH", multiple=True, type=click.Path(exists=True),
        help="Send this package directory or module to the cluster's workers first.",
    ),
    click.option("--no-fuse", is_flag=True, help="Send each call separately instead of chains of calls as one."),
)  # fmt: skip


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --engine, --address, --ship and --no-fuse to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_engine(options: dict[str, Any]) -> Engine | None:
    """Return the selected engine, or None for threads of this process.

    Raises:
        UsageError: an option is for another engine, or its package is not installed.

    """
    if options["engine"] == "threads":
        for name in ("address", "ship", "no_fuse"):
            if options[name]:
                raise UsageError(f"--{name.replace('_', '-')} requires --engine dask")
        return None
    from taskrunner.engines.dask.engine import DaskEngine  # only needed for such a run

    address, ship = options["address"] or "", options["ship"]
    return DaskEngine(address, workers=options["workers"], ship=ship, fuses=not options["no_fuse"])
