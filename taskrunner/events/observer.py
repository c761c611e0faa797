"""Observer."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from taskrunner.events.types import Event


class Running(msgspec.Struct, frozen=True, gc=False):
    """A node that runs at this moment, on ``worker``, and for how long its ``attempt`` has, in seconds."""

    node: str
    worker: int
    attempt: int
    ran_s: float


class Observer(Protocol):
    """Somebody who is told. All calls come from one thread at a time, in the order of the run.

    It may have a ``level``, the least of the events that it wants. It is told of others too where
    somebody else wants them; where nobody wants an event, it is not made.

    Events tell what has ended. An observer may have methods that tell it more:

    * ``on_expected(seconds: Mapping[str, float])``, once, before the first event, if an earlier run is known:
      how long each node took in it. Nodes that do not run this time are not among them.
    * ``on_running(running: Sequence[Running], children: int)``, several times a second while the run goes on, after
      the events so far: what runs now, and how many nodes the run has got by expanding mapped ones.
    * ``on_leave()``, in a signal's handler, just before the process ends without waiting: a plain write at most.
    """

    def on_events(self, events: Sequence[Event]) -> None:
        """Take a batch of events."""

    def close(self) -> None:
        """Finish: no event comes after this."""
