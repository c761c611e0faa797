"""Local queue: the deque of one worker, for use by the item that the worker currently executes."""

from collections import deque
from collections.abc import Callable
from typing import Any

from taskrunner.pool.parking import IDLE


class LocalQueue:
    """A worker's deque, for items that continue to run after they push.

    Thread safety: only the thread of the owning worker uses it.

    The hot loop checks for idle workers before each item (P2 in ``pool/parking.py``). An item pushed by a running item
    would stay unannounced until the running item returns. So ``push`` performs P1, P2 and P3 immediately.
    """

    __slots__ = ("_append", "_flags", "_wake_one", "items")

    def __init__(self, items: deque[Any], flags: list[int], wake_one: Callable[[], None]) -> None:
        self.items = items
        self._append = items.append
        self._flags = flags
        self._wake_one = wake_one

    def push(self, item: Any) -> None:
        """Push an item, and wake an idle worker for it if there is one."""
        self._append(item)
        if self._flags[IDLE]:
            self._wake_one()
