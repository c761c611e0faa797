"""The options that say where the nodes of a graph run."""

from collections.abc import Callable
from typing import Any

import click

from taskrunner.engines.engine import Engine
from taskrunner.errors import UsageError


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --engine, --address, --ship and --no-fuse."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option(
        "--engine", type=click.Choice(["threads", "dask"]), default="threads", show_default=True,
        help="Where the nodes run: threads of this process, or a Dask cluster.",
    ),
    click.option("--address", metavar="URL", help="The cluster's scheduler; without it a cluster is made here."),
    click.option(
        "--ship", metavar="PATH", multiple=True, type=click.Path(exists=True),
        help="Bring this package's folder, or this module, to the cluster's workers first.",
    ),
    click.option("--no-fuse", is_flag=True, help="Send each call to the cluster by itself, not calls in a row as one."),
)  # fmt: skip


def read_engine(options: dict[str, Any]) -> Engine | None:
    """Return the engine that the options ask for; None: threads of this process.

    Raises:
        UsageError: an option is for another engine, or its package is not installed.

    """
    if options["engine"] == "threads":
        for name in ("address", "ship", "no_fuse"):
            if options[name]:
                raise UsageError(f"--{name.replace('_', '-')} goes with --engine dask")
        return None
    from taskrunner.engines.dask.engine import DaskEngine  # only such a run needs it

    address, ship = options["address"] or "", options["ship"]
    return DaskEngine(address, workers=options["workers"], ship=ship, fuses=not options["no_fuse"])
