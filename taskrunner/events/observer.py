"""Observer protocol: the interface through which a run reports its events and its running nodes."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from taskrunner.events.types import Event


class Running(msgspec.Struct, frozen=True, gc=False):
    """A running node, with its worker and its attempt number. ``ran_s``: the seconds since the attempt started."""

    node: str
    worker: int
    attempt: int
    ran_s: float


class Observer(Protocol):
    """Receiver of the events of a run. One thread at a time calls it, in the order of the run.

    An observer may have a ``level``, the lowest level that it subscribes to. It also receives lower events to which
    another observer subscribes. Events without a subscriber are never created.

    Events report finished attempts. These optional methods receive more:

    - ``on_expected(seconds: Mapping[str, float])``: called once, before the first event, if there is an earlier run.
      It receives the duration of each node in that run, except for nodes that are not part of this run.
    - ``on_running(running: Sequence[Running], children: int)``: called several times a second during the run, after
      the events so far. It receives the running nodes, and the number of nodes created from mapped nodes.
    - ``on_leave()``: called in a signal handler, just before the process exits without waiting. It may at most write
      to a file descriptor.
    """

    def on_events(self, events: Sequence[Event]) -> None:
        """Receive a batch of events."""

    def close(self) -> None:
        """Finish; no event follows."""
