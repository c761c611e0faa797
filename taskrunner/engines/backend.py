"""Backend interface: execution of the plan of one run."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from taskrunner.events.types import Event
from taskrunner.execution.state import RunState
from taskrunner.plan.plan import Plan


class Backend(Protocol):
    """Executor of the nodes of one run: ``local.backend.ThreadBackend`` or ``cluster.backend.ClusterBackend``."""

    @property
    def name(self) -> str:
        """Name of the engine in the events of the run."""

    @property
    def workers(self) -> int:
        """Number of nodes that run at once."""

    @property
    def has_gil(self) -> bool:
        """Whether the GIL is on in a process that executes nodes."""

    def startup_events(self) -> list[Event]:
        """Return the events to emit before the first node runs."""

    def execute(
        self, plan: Plan, state: RunState, commands: Path, emit: Callable[[Event], None], timeout: float | None
    ) -> None:
        """Execute a plan to its end: then every task is done, failed or skipped, and recorded in ``state``.

        Commands write their output to the directory ``commands``. ``emit`` receives events that belong to no node.
        After ``timeout`` seconds the run is stopped; calls that still run after the grace period are abandoned.

        Raises:
            BaseException: an error of taskrunner or of the backend, never one of a node.

        """
