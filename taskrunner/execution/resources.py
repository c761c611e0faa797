"""Named pools: how many nodes that name a limit may run at once."""

import heapq
import itertools
import threading
from collections.abc import Mapping
from typing import Any

type Names = tuple[str, ...]


class ResourcePools:
    """The free places of each named pool, and the tasks that wait for some.

    ``_lock`` guards everything: a task takes a place in all of its pools at once or waits with
    none, so that two tasks never hold what the other wants. Those that wait for the same pools
    stand in one heap, so that a release looks at the first of each heap and at no other.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._lock = threading.Lock()
        self._free = dict(sizes)
        self._waiting: dict[Names, list[tuple[int, int, Any]]] = {}
        self._sequence = itertools.count()

    def acquire(self, task: Any, names: Names, priority: int) -> bool:
        """Take a place in every named pool; False: the task waits, and ``release`` will return it."""
        with self._lock:
            if self._fits(names):
                self._take(names)
                return True
            heapq.heappush(self._waiting.setdefault(names, []), (-priority, next(self._sequence), task))
            return False

    def release(self, names: Names) -> list[Any]:
        """Give the places back; return the waiting tasks that have got theirs by that."""
        admitted = []
        with self._lock:
            for name in names:
                self._free[name] += 1
            while (first := self._first_that_fits()) is not None:
                self._take(first)
                admitted.append(heapq.heappop(self._waiting[first])[2])
                if not self._waiting[first]:
                    del self._waiting[first]
        return admitted

    def _first_that_fits(self) -> Names | None:
        """Return the pools of the waiting task that is next: by priority, then first come."""
        fitting = [names for names in self._waiting if self._fits(names)]
        return min(fitting, key=lambda names: self._waiting[names][0][:2], default=None)

    def _fits(self, names: Names) -> bool:
        return all(self._free[name] for name in names)

    def _take(self, names: Names) -> None:
        for name in names:
            self._free[name] -= 1
