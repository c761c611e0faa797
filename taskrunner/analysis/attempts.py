"""Where an attempt ran, and so what it held: a worker, a command's place, or nothing."""

import msgspec
from msgspec import UnsetType

from taskrunner.events.types import (
    EVENT_LOOP,
    AttemptEvent,
    BrokenAttempt,
    NodeTimeout,
)

# How an attempt ended.
DONE = "done"


CACHED = "cached"


FAILED = "failed"


ALLOWED = "allowed"  # failed, which the graph allows


RETRIED = "retried"  # failed, and another attempt followed


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to run a node, from the moment it was ready to its end.

    ``vertex`` is the graph's, -1 where the graph does not have it; ``child`` the number of a mapped node's child,
    else -1. ``state`` is DONE, CACHED, FAILED, ALLOWED or RETRIED; ``event`` is what told of it.
    """

    node: str
    vertex: int
    child: int
    worker: int
    ready: float
    started: float
    ended: float
    state: str
    event: AttemptEvent
    timeout: NodeTimeout | None = None

    @property
    def queued_s(self) -> float:
        """Seconds from ready to started."""
        return self.started - self.ready

    @property
    def ran_s(self) -> float:
        """Seconds from started to ended."""
        return self.ended - self.started

    @property
    def cpu_s(self) -> float | None:
        """Seconds of CPU time, if they were measured."""
        spent = self.event.cpu_s
        return None if isinstance(spent, UnsetType) else spent

    @property
    def failure(self) -> BrokenAttempt | None:
        """The error, its traceback and the call's arguments, if the attempt failed."""
        return self.event if isinstance(self.event, BrokenAttempt) else None


WORKER = "worker"


COMMAND = "command"  # holds no worker, but one of as many places as there are workers


ASYNC = "async"  # mostly waits, and holds nothing


OFFLOADED = "event loop"  # a command or an async node: there is no graph that tells which


def is_offloaded(attempt: Attempt) -> bool:
    """Say whether an attempt waited on the event loop: an async node's, or a command's."""
    return attempt.worker == EVENT_LOOP
