"""A worker's own deque, as the items see it that the worker runs."""

from collections import deque
from collections.abc import Callable
from typing import Any

from taskrunner.pool.parking import IDLE


class LocalQueue:
    """A worker's deque, for items that run on after they have pushed something. For that worker's thread alone.

    The hot loop looks for sleepers before each item (P2 in ``pool/parking.py``). What an item pushes
    while it runs would be seen by nobody until it ends; so this pushes and looks at once: P1, P2, P3.
    """

    __slots__ = ("_append", "_flags", "_wake_one", "items")

    def __init__(self, items: deque[Any], flags: list[int], wake_one: Callable[[], None]) -> None:
        self.items = items
        self._append = items.append
        self._flags = flags
        self._wake_one = wake_one

    def push(self, item: Any) -> None:
        """Push an item, and wake a worker for it if one sleeps."""
        self._append(item)
        if self._flags[IDLE]:
            self._wake_one()
