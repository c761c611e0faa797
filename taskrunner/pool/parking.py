"""Parking protocol: how idle workers sleep, how other threads wake them, and when the pool stops.

Guarantees:

* No wake-up is lost: either the idle worker's recheck finds a pushed item, or the pusher wakes an idle worker.
* A push takes no lock unless IDLE is up.
* A burst of pushes wakes one worker, not all of them.
* The pool does not stop while an item is queued or running, or a hold is left, unless ``abandon`` is called.

Assumes:

* All workers register before any of them parks.
* A worker parks only after it has found every deque and the global queue empty, and it holds no item.
* A store and a later load of the same thread keep their order for every observer (see "The race"). CPython does not
  promise this. The backstop covers a violation.

Shared state
------------
``_lock`` protects the following attributes. They are read and written only while it is held:

* ``_idle``: the wake-up locks of the idle workers, which sleep or are about to sleep.
* ``_worker_of``: the worker of each wake-up lock.
* ``_searching``: whether there is a searching worker. This is a woken worker, or one that found an item when it was
  about to sleep, that has not reached an item yet.
* ``_holds``: the number of pieces of external work whose results will return to the pool.
* ``_global_queue``: a heap of the items that did not come from a worker, or that have a priority.
* ``_stopped``: whether the pool has stopped.

Two values are read without the lock, and each read is independent of the others:

* The *flags* of a worker: a list of two small integers. The worker creates it and is its only reader. Any thread that
  holds ``_lock`` writes it. ``flags[IDLE]`` is up while at least one worker is idle and none is searching, and may
  stay up a little longer. It means "after a push, wake a worker". ``flags[GLOBAL]`` is up while the global queue holds
  an urgent item, which precedes the items of the deques. Loads and stores of a list item are atomic (CPython 3.13
  free-threaded: ``Objects/listobject.c``; with a GIL: by the interpreter).
* The *length of a deque*: an atomic load of one word.

The race
--------
A worker without an item must not sleep while an item is queued, and a worker that pushes must not pay for a lock. The
two sides perform the same operations in opposite order:

    pusher                              idle worker (holding _lock)
    P1  append to its own deque         S1  add its wake-up lock to _idle, raise IDLE in every flags list
    P2  read its own flags[IDLE]        S2  read the length of every deque, and of the global queue
    P3  if it is up: wake_one()         S3  if all are empty: release _lock, wait on the wake-up lock

A thief that retains more than one item is a pusher as well. A worker that checks after the thief takes the items and
before the thief pushes them finds them in neither deque. So P2 precedes every item that a worker runs, instead of only
following a push. An item that continues to run after its push cannot wait for the next item. It performs P2 itself
(``pool/local_queue.py``).

Suppose that both sides miss the item:

1. P2 read IDLE as down, so P2 preceded the raise in S1.
2. P1 precedes P2 and S1 precedes S2, so P1 preceded S2.
3. So S2 saw the item, unless another worker had taken it. Then it was not missed: a contradiction.

Step 2 requires that every observer sees P1 before P2, and S1 before S2. Each pair is a store followed by a load. On
3.13 the append and the store of the flag each end by unlocking the changed object. This is an atomic exchange, which
no later load passes on x86 and AArch64.

This is a property of the implementation, not a promise of the language: hence the backstop. An idle worker rechecks
every BACKSTOP_S seconds. An item that it then finds is reported as a lost wake-up. In rare cases the pusher was about
to announce this item, after P1 and before P2.

The searching worker
--------------------
``wake_one`` lowers IDLE. It wakes an idle worker only if no worker is searching, so a burst of pushes wakes one worker
instead of all. The woken worker is the searching worker:

* If it finds an item, it calls ``found_work``. This raises IDLE, rechecks, and wakes the next worker if more items are
  queued. The announcement precedes the recheck, as S1 precedes S2, and for the same reason.
* If it finds none, it parks, which raises IDLE.

An idle worker that finds an item at S2 becomes the searching worker unless there is one. The reason is that the pusher
of this item may have read IDLE as down. So while any worker is idle, either IDLE is up, or a searching worker is about
to perform one of these two steps.

The pool's policy selects the idle worker to wake, while ``_lock`` is held. The protocol does not depend on the choice:
every statement about the searching worker applies to any worker that was removed from ``_idle``.

The wake-up lock
----------------
A wake-up lock is a lock that is acquired in advance. A release that precedes the wait of the idle worker persists, so
it cannot be lost either.

Shutdown
--------
When the last worker parks and ``_holds`` is zero, no thread can add an item. This worker was the only one awake, and
it read the deques and the global queue as empty under ``_lock``. It stops the pool. While holds are left, the pool
waits. The caller that releases the last hold performs the same check.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from taskrunner.pool.platform import Lock, Platform
from taskrunner.pool.policy import Policy

# Indexes into a worker's flags.
IDLE = 0
GLOBAL = 1

# Results of ``park``.
EXIT = 0
RETRY = 1
SEARCH = 2

BACKSTOP_S = 5.0


class Parking:
    """The cold path of the pool: parking, wake-up, the global queue and shutdown."""

    def __init__(
        self, workers: int, platform: Platform, on_lost_wakeup: Callable[[], None], policy: Policy | None = None
    ) -> None:
        self._workers = workers
        self._platform = platform
        self._on_lost_wakeup = on_lost_wakeup
        self.policy = policy or Policy()
        self._lock = platform.lock()
        self._finished = platform.lock()
        self._finished.acquire()
        self._deques: list[deque[Any]] = []
        self._flags: list[list[int]] = []
        self._idle: list[Lock] = []
        self._worker_of: dict[Lock, int] = {}
        self._global_queue: list[tuple[int, int, Any]] = []
        self._sequence = itertools.count()
        self._searching = False
        self._holds = 0
        self._stopped = False

    # -- called by workers -----------------------------------------------------------------------

    def register(self, items: deque[Any], flags: list[int]) -> None:
        """Register a worker's deque and flags. All workers register before any of them parks."""
        with self._lock:
            self._deques.append(items)
            self._flags.append(flags)
            flags[GLOBAL] = int(self._has_urgent_item())

    def find_flags(self, items: deque[Any]) -> list[int]:
        """Return the flags that were registered with a deque. The owning worker needs them for P2 during an item."""
        with self._lock:
            return next(flags for other, flags in zip(self._deques, self._flags, strict=True) if other is items)

    def create_wake_lock(self, worker: int) -> Lock:
        """Create the wake-up lock of a worker, acquired in advance. The replacement of a worker gets a separate one."""
        wake_lock = self._platform.lock()
        wake_lock.acquire()
        with self._lock:
            self._worker_of[wake_lock] = worker
        return wake_lock

    def park(self, wake_lock: Lock, *, searching: bool) -> int:
        """Sleep until woken, and return the caller's next step.

        RETRY: an item is queued; check all queues again. SEARCH: the same, as the searching worker, which must later
        call ``found_work`` or ``park``. EXIT: return from the loop.

        The caller has found every deque and the global queue empty, and holds no item.
        """
        with self._lock:
            if self._stopped:
                return EXIT
            if searching:
                self._searching = False
            self._idle.append(wake_lock)  # S1: announce first,
            self._raise(IDLE)
            if self._has_work():  # S2: then recheck
                self._remove_idle(wake_lock)
                return self._become_searcher()
            if self._is_quiescent():
                self._stop()
                return EXIT
        return self._sleep(wake_lock)  # S3

    def found_work(self) -> None:
        """End the search because the caller has an item, and wake another worker if more items are queued."""
        wake_lock = None
        with self._lock:
            self._searching = False
            if self._idle:
                self._raise(IDLE)  # announce first, then recheck, as in S1 and S2
                if self._has_work():
                    wake_lock = self._pick_searcher()
        if wake_lock is not None:
            wake_lock.release()

    def wake_one(self) -> None:
        """Wake an idle worker, unless a worker is already searching (P3)."""
        with self._lock:
            self._lower(IDLE)
            wake_lock = self._pick_searcher()
        if wake_lock is not None:
            wake_lock.release()

    def take_global(self, *, urgent: bool) -> Any:
        """Take the first item of the global queue; with ``urgent``, only if it precedes the items of the deques."""
        with self._lock:
            if not self._global_queue or (urgent and not self._has_urgent_item()):
                return None
            item = heapq.heappop(self._global_queue)[2]
            if not self._has_urgent_item():
                self._lower(GLOBAL)
            return item

    # -- called by any thread --------------------------------------------------------------------

    def inject(self, item: Any, priority: int) -> None:
        """Put an item into the global queue: higher priority first, first in first out within a priority."""
        with self._lock:
            heapq.heappush(self._global_queue, (-priority, next(self._sequence), item))
            if self._has_urgent_item():
                self._raise(GLOBAL)
            wake_lock = self._pick_searcher()
        if wake_lock is not None:
            wake_lock.release()

    def hold(self) -> None:
        """Keep the pool running until ``release``, because external work will inject its results."""
        with self._lock:
            self._holds += 1

    def release(self) -> None:
        """Undo one ``hold``. The caller has already injected the resulting items."""
        with self._lock:
            self._holds -= 1
            if self._is_quiescent() and not self._has_work():
                self._stop()

    def abandon(self) -> None:
        """Stop without waiting for holds: each worker exits when it finds no item."""
        with self._lock:
            if not self._stopped:
                self._stop()

    def wait_until_stopped(self, timeout: float) -> bool:
        """Wait until the pool has stopped, and return whether it has."""
        if self._finished.acquire(timeout=timeout):
            self._finished.release()
            return True
        return False

    # -- with _lock held --------------------------------------------------------------------------

    def _raise(self, flag: int) -> None:
        for flags in self._flags:
            flags[flag] = 1

    def _lower(self, flag: int) -> None:
        for flags in self._flags:
            flags[flag] = 0

    def _has_urgent_item(self) -> bool:
        return bool(self._global_queue) and self._global_queue[0][0] <= 0

    def _has_work(self) -> bool:
        return bool(self._global_queue) or any(map(len, self._deques))

    def _is_quiescent(self) -> bool:
        return len(self._idle) == self._workers and not self._holds and not self._stopped

    def _pick_searcher(self) -> Lock | None:
        if self._searching or not self._idle or self._stopped:
            return None
        self._searching = True
        self._lower(IDLE)
        return self._idle.pop(self.policy.pick_idle(self._idle, self._worker_of))

    def _remove_idle(self, wake_lock: Lock) -> None:
        self._idle.remove(wake_lock)
        if not self._idle:
            self._lower(IDLE)

    def _become_searcher(self) -> int:
        """Make the caller the searching worker, unless there is one.

        The pusher of the item that the caller saw may have woken no worker.
        """
        if self._searching:
            return RETRY
        self._searching = True
        return SEARCH

    def _stop(self) -> None:
        self._stopped = True
        for wake_lock in self._idle:
            wake_lock.release()
        self._idle.clear()
        self._finished.release()

    # -- while parked ------------------------------------------------------------------------------

    def _sleep(self, wake_lock: Lock) -> int:
        while not wake_lock.acquire(timeout=BACKSTOP_S):
            with self._lock:
                is_missed = wake_lock in self._idle and not self._searching and self._has_work()
                if is_missed:
                    self._remove_idle(wake_lock)
                    self._searching = True
            if is_missed:
                self._on_lost_wakeup()
                return SEARCH
        with self._lock:
            return EXIT if self._stopped else SEARCH
