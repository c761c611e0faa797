"""The interface of an engine that runs nodes elsewhere: other processes, other machines.

``engines.remote`` decides what is ready, what is skipped and what is tried again, as it is the same everywhere. An
engine takes works that are ready, has ``engines.site`` run each somewhere, hands reports back, and keeps results
there until nobody holds their handles. ``engines.dask`` is one, in one file; that is all that another one needs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from taskrunner.engines.messages import ResultRef, StepReport, WorkItem
from taskrunner.errors import TaskrunnerError


class EngineLostError(TaskrunnerError):
    """The place where the nodes run cannot be reached any more; what the run has finished is in its journal."""


class WorkerProcess(msgspec.Struct, frozen=True):
    """A process that runs nodes.

    ``address`` names it among the engine's, ``threads`` is how many nodes it runs at once. ``differs`` names what is
    of another version there than here, with both; ``problems`` the calls that it cannot import, with the reason.
    ``is_sampled``: something looks at its threads' frames all the time.
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
    """What an engine is to know of a run before it begins: its id, and the calls that it may be asked to make."""

    run: str
    calls: Sequence[str]


class WorkerLost(msgspec.Struct, frozen=True):
    """A process is gone. ``keys`` are those of the works that it had not finished: they are run again."""

    address: str
    keys: Sequence[str]


class WorkerJoined(msgspec.Struct, frozen=True):
    """A process has come that was not there at the start."""

    address: str


# Whom an engine tells, on any thread: reports, and which sites come and go.
type ReportCallback = Callable[[Sequence[StepReport] | WorkerLost | WorkerJoined], None]


class Engine(Protocol):
    """Runs works elsewhere. All methods are called by one thread, ``tell`` by any.

    ``name`` stands in the run's events. ``fuses``: calls in a row may travel as one work.
    """

    name: str
    fuses: bool

    def start(self, setup: RunSetup, tell: ReportCallback) -> Sequence[WorkerProcess]:
        """Reach the sites, bring them what they need, and say what they are.

        Raises:
            TaskrunnerError: there are none, or they cannot be reached.

        """

    def describe(self, address: str) -> WorkerProcess:
        """Say what a site is that has come since."""

    def submit(self, works: Sequence[tuple[WorkItem, Sequence[ResultRef]]]) -> Sequence[ResultRef]:
        """Have works run, each with the results for its slots; return what stands for their own results.

        What each has dropped is dropped there as well. The process that runs a work tells of each of its steps.
        """

    def failed(self, results: Mapping[str, ResultRef]) -> Mapping[str, BaseException]:
        """Of these works, by key, return those that the engine itself could not run to their end, and why.

        Raises:
            EngineLostError: nobody answers any more.

        """

    def fetch(self, results: Sequence[ResultRef]) -> Sequence[Any]:
        """Bring results here."""

    def read_file(self, address: str, path: str, start: int, size: int) -> bytes:
        """Read a part of a file that a site has written."""

    def stop_steps(self, *, cancel: bool) -> None:
        """Have sites begin no more steps, but those that run always; ``cancel``: and end what can be cancelled."""

    def close(self) -> None:
        """Let go of everything: nothing is to run any more."""
