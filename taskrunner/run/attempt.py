"""One attempt to run a call that may be given up: it ends by itself or by its time-out, whichever is first."""

import threading
import time
from collections.abc import Callable

from taskrunner.run.timer import Appointment


class Attempt:
    """An attempt on a worker. ``give_up(attempt, seconds)`` is called by whoever finds that it took too long.

    Who settles it, the worker or the one that gives up, is who acquires ``_open`` first. The other one
    leaves the task alone from then on. ``is_always``: it is not cancelled with the run, for which it may run.
    """

    __slots__ = ("_open", "appointment", "began", "cancelled", "give_up", "is_always", "number")

    def __init__(self, number: int, give_up: Callable[["Attempt", float], None], *, is_always: bool = False) -> None:
        self.number = number
        self.is_always = is_always
        self.began = time.perf_counter_ns()
        self.give_up = give_up
        self.appointment: Appointment | None = None
        self.cancelled = threading.Event()
        self._open = threading.Lock()

    @property
    def is_settled(self) -> bool:
        """Whether somebody has ended it."""
        return self._open.locked()

    def settle(self) -> bool:
        """Say whether the caller is the one who ends the attempt."""
        is_first = self._open.acquire(blocking=False)
        if self.appointment is not None:
            self.appointment.cancel()
        return is_first
