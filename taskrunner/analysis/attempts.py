"""Attempts: their times, their states, and the kind of lane on which each one ran."""

import msgspec
from msgspec import UnsetType

from taskrunner.events.types import EVENT_LOOP, AttemptEvent, BrokenAttempt, NodeTimeout

# The states of an attempt.
DONE = "done"
CACHED = "cached"
FAILED = "failed"
ALLOWED = "allowed"  # failed, and the graph allows the failure
RETRIED = "retried"  # failed, and another attempt followed

# The kinds of attempts, by the resource that each occupies.
WORKER = "worker"
COMMAND = "command"  # occupies a command slot instead of a worker; there are as many slots as workers
ASYNC = "async"  # mostly waits, and occupies nothing
OFFLOADED = "event loop"  # COMMAND or ASYNC: without the graph they cannot be distinguished


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to run a node, from the time at which the node was ready to the end of the attempt.

    ``vertex`` is the index of the node in the graph, or -1 if the graph does not contain the node. ``child`` is the
    number of a mapped node's child, or -1 for any other node. ``state`` is DONE, CACHED, FAILED, ALLOWED or RETRIED.
    ``event`` is the event that reported the attempt.
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
        """Seconds of CPU time, or None if they were not measured."""
        cpu_s = self.event.cpu_s
        return None if isinstance(cpu_s, UnsetType) else cpu_s

    @property
    def failure(self) -> BrokenAttempt | None:
        """The error, its traceback and the arguments of the call, or None if the attempt did not fail."""
        return self.event if isinstance(self.event, BrokenAttempt) else None


def is_offloaded(attempt: Attempt) -> bool:
    """Return whether the attempt waited on the event loop, as async nodes and commands do."""
    return attempt.worker == EVENT_LOOP
