"""Named pools: how many nodes that name a limit may run at once."""

import heapq
import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any


class Limits:
    """The free places of each named pool, and the tasks that wait for one.

    ``_lock`` guards everything: a task takes a place in all of its pools at once or waits with
    none, so that two tasks never hold what the other wants.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._lock = threading.Lock()
        self._free = dict(sizes)
        self._waiting: list[tuple[int, int, Sequence[str], Any]] = []
        self._sequence = itertools.count()

    def acquire(self, task: Any, names: Sequence[str], priority: int) -> bool:
        """Take a place in every named pool; False: the task waits, and ``release`` will return it."""
        with self._lock:
            if self._fits(names):
                self._take(names)
                return True
            heapq.heappush(self._waiting, (-priority, next(self._sequence), names, task))
            return False

    def release(self, names: Sequence[str]) -> list[Any]:
        """Give the places back; return the waiting tasks that have got theirs by that."""
        with self._lock:
            for name in names:
                self._free[name] += 1
            admitted, waiting = [], []
            while self._waiting:
                entry = heapq.heappop(self._waiting)
                if self._fits(entry[2]):
                    self._take(entry[2])
                    admitted.append(entry[3])
                else:
                    waiting.append(entry)
            self._waiting = waiting  # popped in order: still a heap
            return admitted

    def _fits(self, names: Sequence[str]) -> bool:
        return all(self._free[name] for name in names)

    def _take(self, names: Sequence[str]) -> None:
        for name in names:
            self._free[name] -= 1
