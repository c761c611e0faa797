"""taskrunner: task graphs on a work-stealing pool of threads, designed for free-threaded Python."""

from typing import TYPE_CHECKING

from taskrunner.api import run
from taskrunner.errors import (
    GilEnabledError,
    GraphError,
    Problem,
    RunFailedError,
    TaskrunnerError,
    UsageError,
)
from taskrunner.graph.graph import Graph, Handle, load
from taskrunner.graph.spec import Defaults, Retry
from taskrunner.nodes.context import Current, current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import Failure, Skip
from taskrunner.session.options import RunOptions
from taskrunner.session.result import NodeTiming, RunResult
from taskrunner.storage.summary import Summary

if TYPE_CHECKING:
    from taskrunner.engines.dask.engine import DaskEngine
    from taskrunner.futures.executor import WorkStealingExecutor
else:

    def __getattr__(name: str) -> object:
        """Import a name that most runs do not use when it is first read."""
        if name == "WorkStealingExecutor":
            from taskrunner.futures.executor import WorkStealingExecutor

            return WorkStealingExecutor
        if name == "DaskEngine":
            from taskrunner.engines.dask.engine import DaskEngine

            return DaskEngine
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Current",
    "DaskEngine",
    "Defaults",
    "Failure",
    "GilEnabledError",
    "Graph",
    "GraphError",
    "Handle",
    "NodeTimeoutError",
    "NodeTiming",
    "Problem",
    "Retry",
    "RunFailedError",
    "RunOptions",
    "RunResult",
    "Skip",
    "Summary",
    "TaskrunnerError",
    "UsageError",
    "WorkStealingExecutor",
    "current",
    "load",
    "run",
]
