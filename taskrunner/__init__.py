"""taskrunner: task graphs on a work-stealing pool of threads, made for free-threaded Python."""

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
from taskrunner.run.outcome import Failure, Skip
from taskrunner.run.result import NodeTiming, RunResult, Summary

__all__ = [
    "Defaults",
    "Failure",
    "GilEnabledError",
    "Graph",
    "GraphError",
    "Handle",
    "NodeTiming",
    "Problem",
    "Retry",
    "RunFailedError",
    "RunResult",
    "Skip",
    "Summary",
    "TaskrunnerError",
    "UsageError",
    "load",
    "run",
]
