"""Engine interface: the transport to worker processes, on this or other machines.

``engines.cluster`` decides which nodes are ready, skipped or retried, since these rules are equal for all backends. An
engine accepts ready work items, executes each with ``engines.worker`` in a worker process, and returns step reports.
It keeps each result on its worker process until the last handle is dropped. ``engines.dask.engine`` is one
implementation in one file; another engine needs no more than that.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from taskrunner.engines.messages import ResultRef, StepReport, WorkItem
from taskrunner.errors import TaskrunnerError


class EngineLostError(TaskrunnerError):
    """The engine is unreachable; the results of finished nodes are in the journal."""


class WorkerProcess(msgspec.Struct, frozen=True):
    """A process that executes steps.

    ``address`` identifies it within the engine, ``threads`` is the number of nodes that it can run at once.
    ``differs`` maps the names of packages whose versions differ to the version of the client and that of the worker
    process. ``problems`` maps each call that it cannot import to the reason.
    ``is_sampled``: a profiler continuously reads the frames of its threads.
    """

    address: str
    threads: int
    python: str
    free_threaded: bool
    gil: bool
    host: str
    pid: int
    differs: Mapping[str, tuple[str, str]] = {}
    problems: Mapping[str, str] = {}
    is_sampled: bool = False


class RunSetup(msgspec.Struct, frozen=True):
    """The data of a run that an engine requires at the start: the id of the run and the calls of its nodes."""

    run: str
    calls: Sequence[str]


class WorkerLost(msgspec.Struct, frozen=True):
    """A worker process was lost. ``keys`` are those of its unfinished work items, which run again."""

    address: str
    keys: Sequence[str]


class WorkerJoined(msgspec.Struct, frozen=True):
    """A worker process joined after the start of the run."""

    address: str


# Callback for step reports and for worker processes that join or leave; called from any thread.
type ReportCallback = Callable[[Sequence[StepReport] | WorkerLost | WorkerJoined], None]


class Engine(Protocol):
    """Transport that executes work items in worker processes.

    ``name`` identifies it in the events of the run. ``fuses``: consecutive calls may be sent as one work item.

    Thread safety: one thread calls all methods; any thread may call ``report_callback``.
    """

    name: str
    fuses: bool

    def start(self, setup: RunSetup, report_callback: ReportCallback) -> Sequence[WorkerProcess]:
        """Connect to the worker processes, send the required code, and return their descriptions.

        Raises:
            TaskrunnerError: there are no worker processes, or they cannot be reached.

        """

    def describe(self, address: str) -> WorkerProcess:
        """Return the description of a worker process that joined after the start."""

    def submit(self, items: Sequence[tuple[WorkItem, Sequence[ResultRef]]]) -> Sequence[ResultRef]:
        """Execute work items, each with the results for its placeholders; return references to their results.

        When the client drops a reference, the engine drops the result as well. The worker process that executes an item
        reports each of its steps.
        """

    def failed(self, results: Mapping[str, ResultRef]) -> Mapping[str, BaseException]:
        """Return the error of each of these work items, by key, that the engine itself could not complete.

        Raises:
            EngineLostError: the engine does not respond.

        """

    def fetch(self, results: Sequence[ResultRef]) -> Sequence[Any]:
        """Transfer results to the client."""

    def read_file(self, address: str, path: str, start: int, size: int) -> bytes:
        """Read ``size`` bytes at offset ``start`` of a file that a worker process has written."""

    def stop_steps(self, *, cancel: bool) -> None:
        """Prevent worker processes from starting steps other than ``always`` ones.

        ``cancel``: also cancel running steps where possible.
        """

    def close(self) -> None:
        """Release all resources; no step may run after this."""
