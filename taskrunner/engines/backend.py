"""Backend."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from taskrunner.events.types import Event
from taskrunner.execution.state import RunState
from taskrunner.plan.plan import Plan


class Backend(Protocol):
    """Where the nodes of one run are run, as the program sees it: ``threads.Threads``, or ``remote.RemoteRun``.

    ``workers`` is how many nodes run at once, ``has_gil`` whether the GIL is on where they do.
    """

    @property
    def name(self) -> str:
        """The engine, as the run's events name it."""

    @property
    def workers(self) -> int:
        """How many nodes run at once."""

    @property
    def has_gil(self) -> bool:
        """Whether the GIL is on there."""

    def introduction(self) -> list[Event]:
        """Return what is to be said of the place before the first node runs."""

    def execute(
        self, plan: Plan, state: RunState, commands: Path, tell: Callable[[Event], None], timeout: float | None
    ) -> None:
        """Run a plan to its end: every task is done, failed or skipped then, and noted in ``state``.

        What commands write is in the folder ``commands`` then. ``tell`` is told of what is no node's. After ``timeout``
        seconds the run is stopped; calls that still run some seconds later are given up.

        Raises:
            BaseException: an error of taskrunner's own, or of the place; never one of a node's.

        """
