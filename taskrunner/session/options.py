"""Options of a run: one frozen type, shared by the command line, ``taskrunner.run`` and ``stress``."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from taskrunner.engines.engine import Engine
from taskrunner.errors import UsageError
from taskrunner.events.observer import Observer
from taskrunner.events.types import LEVELS
from taskrunner.graph.graph import Handle
from taskrunner.plan.plan import Plan


def no_adaptation(plan: Plan) -> None:
    """Leave a plan as it is: the default of ``RunOptions.adapt``."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a run. ``taskrunner.run`` documents each of them; ``msgspec.structs.replace`` changes some.

    Raises:
        UsageError: an option is out of its range, or two options exclude each other.

    """

    # The part of the graph to run
    targets: Iterable[Handle | str] | Handle | str = ()
    params: Mapping[str, Any] | None = None
    # What the graph may do
    allow: Iterable[str] = ()
    commands: bool = True
    require_nogil: bool = False
    # Where and in which order its nodes run
    workers: int | None = None
    engine: Engine | None = None
    shuffle: int | None = None
    replay: str = ""
    # When the run stops
    stop_after: int = 1
    timeout: float | None = None
    on_interrupt: Callable[[], None] | None = None
    # What it stores and reuses
    run_dir: str | Path | None = None
    journal: bool = True
    fsync: bool = False
    resume: str = ""
    cache_dir: str | Path | None = None
    force: bool = False
    # What it reports
    observers: Sequence[Observer] = ()
    log_level: str = "info"
    cpu_time: bool = False
    # For tools that change a run
    adapt: Callable[[Plan], None] = no_adaptation

    def __post_init__(self) -> None:
        """Check ranges and conflicts."""
        self._check_ranges()
        self._check_engine()
        if self.shuffle is not None and self.replay:
            raise UsageError("a run can follow a seed or replay another run, not both")
        if self.replay and self.run_dir is None:
            raise UsageError("a run can be replayed only where runs have directories")
        if self.resume and not self.journal:
            raise UsageError("a run cannot be resumed without a journal")

    def _check_ranges(self) -> None:
        if self.log_level not in LEVELS:
            raise UsageError(f'unknown log level "{self.log_level}"; the levels are {", ".join(LEVELS)}')
        if self.timeout is not None and not 0 < self.timeout < threading.TIMEOUT_MAX:
            raise UsageError(f"a timeout is a number of seconds above 0, not {self.timeout}")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"a run needs at least 1 worker, not {self.workers}")

    def _check_engine(self) -> None:
        if self.engine is None:
            return
        if self.workers is not None:
            raise UsageError("the engine determines the number of workers")
        if self.shuffle is not None or self.replay:
            raise UsageError("only threads of this process can follow a given order")


class RunKeywords(TypedDict, total=False):
    """Fields of ``RunOptions`` as keyword arguments."""

    targets: Iterable[Handle | str] | Handle | str
    params: Mapping[str, Any] | None
    allow: Iterable[str]
    commands: bool
    require_nogil: bool
    workers: int | None
    engine: Engine | None
    shuffle: int | None
    replay: str
    stop_after: int
    timeout: float | None
    on_interrupt: Callable[[], None] | None
    run_dir: str | Path | None
    journal: bool
    fsync: bool
    resume: str
    cache_dir: str | Path | None
    force: bool
    observers: Sequence[Observer]
    log_level: str
    cpu_time: bool
    adapt: Callable[[Plan], None]
