"""Resource pools: the named limits on how many nodes run at once."""

import heapq
import itertools
import threading
from collections.abc import Mapping
from typing import Any

type Names = tuple[str, ...]


class ResourcePools:
    """The free slots of each named pool, and the tasks that wait for slots.

    Thread safety: ``_lock`` protects all attributes. A task acquires a slot in all of its pools at once, or waits
    without any. So no two tasks hold slots that the other one waits for.

    Cost: tasks that wait for the same pools share one heap, and a release checks only the first task of each heap.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._lock = threading.Lock()
        self._free = dict(sizes)
        self._waiting: dict[Names, list[tuple[int, int, Any]]] = {}
        self._sequence = itertools.count()

    def acquire(self, task: Any, names: Names, priority: int) -> bool:
        """Acquire a slot in every named pool; if this returns False, the task waits until ``release`` returns it."""
        with self._lock:
            if self._has_slots(names):
                self._take_slots(names)
                return True
            heapq.heappush(self._waiting.setdefault(names, []), (-priority, next(self._sequence), task))
            return False

    def release(self, names: Names) -> list[Any]:
        """Release a slot in every named pool; return the waiting tasks that acquired their slots as a result."""
        admitted = []
        with self._lock:
            for name in names:
                self._free[name] += 1
            while (pools := self._next_pools()) is not None:
                self._take_slots(pools)
                admitted.append(heapq.heappop(self._waiting[pools])[2])
                if not self._waiting[pools]:
                    del self._waiting[pools]
        return admitted

    def _next_pools(self) -> Names | None:
        """Return the pools of the next waiting task with free slots: by priority, then by arrival; None without one."""
        available = [names for names in self._waiting if self._has_slots(names)]
        return min(available, key=lambda names: self._waiting[names][0][:2], default=None)

    def _has_slots(self, names: Names) -> bool:
        return all(self._free[name] for name in names)

    def _take_slots(self, names: Names) -> None:
        for name in names:
            self._free[name] -= 1
