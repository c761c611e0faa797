"""Parking: how a worker goes to sleep, who wakes it, and when everybody may go home.

The words that are shared
-------------------------
``_lock`` guards all of these, and they are read and written only while it is held: ``_idle`` (the
gates of the workers that sleep, or are about to), ``_worker_at`` (whose gate each is), ``_searching``
(whether a worker that was woken, or that found work when it was about to sleep, is still on its way to
an item), ``_holds`` (how many pieces of work outside the pool will come back to it), ``_inbox`` (a heap
of items that did not come from a worker, or that have a priority), ``_stopped``.

Two words are read without the lock, and each read stands for itself:

* A worker's *flags*: a list of two small integers, made by that worker, read by it alone, written
  by anybody who holds ``_lock``. ``flags[IDLE]`` is up while somebody sleeps and nobody is
  searching, and may be up a little longer: "if you push, wake one". ``flags[INBOX]`` is up when the
  inbox holds an item that goes before the deques. A list item is loaded and stored atomically (CPython
  3.13 free-threaded: ``Objects/listobject.c``; with a GIL, by the interpreter).
* The *length of a deque*, an atomic load of one word.

The race
--------
A worker with nothing to do must not sleep past an item, and a worker that pushes must not pay for a
lock. The two sides do the same things in opposite order:

    the pusher                          the sleeper (holding _lock)
    P1  append to its own deque         S1  put its gate into _idle, raise IDLE in every flags list
    P2  read its own flags[IDLE]        S2  read the length of every deque, and of the inbox
    P3  if up: wake_one()               S3  if all are empty: release _lock, wait at the gate

A thief that keeps more than one item is a pusher as well: whoever looked between its taking and its
keeping has seen neither. So P2 stands before every item that a worker runs, not only after a push. An item
that runs on after it has pushed cannot wait for the next one: it does P2 itself (``pool/local_queue.py``).

Suppose the item is missed by both: P2 read IDLE down, so P2 came before S1 raised it; then P1, which
comes before P2, came before S2, which therefore saw the item, unless somebody took it: then it was
not missed. This needs P1 before P2 and S1 before S2 to hold for every observer: each is a store and
then a load. On 3.13 the append and the flag's store each end by unlocking the object that they change,
an atomic exchange which no later load passes on x86 and AArch64. That is a fact of the implementation,
not a promise of the language: hence the backstop. A sleeper looks again every BACKSTOP seconds, and
what it then finds is reported as a lost wake-up (or, rarely, was about to be announced: P1 done, P2 not
yet).

One searcher
------------
``wake_one`` lowers IDLE and wakes a sleeper only if nobody is searching: a burst of pushes wakes one
worker, not all. The woken worker is the searcher. If it finds work it calls ``found_work``, which
raises IDLE, looks, and wakes the next one if there is more to take: announced first, as S1 is before
S2, and for the same reason. If it finds none it parks, which raises IDLE. A sleeper that finds work at
S2 becomes the searcher unless there is one: who pushed that work may have read IDLE down. So while
somebody sleeps, either IDLE is up, or a searcher is on its way to one of the two.

Which sleeper is woken is left to the pool's policy, which is made while ``_lock`` is held. Nothing here depends on it:
all that is said of the searcher holds for any worker that was taken out of ``_idle``.

A gate is a lock that is acquired beforehand; a release that comes before the sleeper waits is
remembered, so it cannot be lost either.

Going home
----------
When the last worker parks and ``_holds`` is zero, nothing can make new work: deques and inbox were
read as empty under ``_lock`` by a worker that was the only one awake. It stops the pool. With holds,
the pool waits for whoever releases the last one, and that caller makes the same check.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from taskrunner.pool.platform import Lock, Platform
from taskrunner.pool.policy import Policy

IDLE = 0
GLOBAL = 1
BACKSTOP_S = 5.0

EXIT = 0
RETRY = 1
SEARCH = 2


class Parking:
    """The cold half of the pool: sleeping, waking, the inbox, and the end."""

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
        self._worker_at: dict[Lock, int] = {}
        self._global_queue: list[tuple[int, int, Any]] = []
        self._sequence = itertools.count()
        self._searching = False
        self._holds = 0
        self._stopped = False

    # -- called by workers -----------------------------------------------------------------------

    def enter(self, mine: deque[Any], flags: list[int]) -> None:
        """Make a worker's deque and flags known. All workers enter before any of them parks."""
        with self._lock:
            self._deques.append(mine)
            self._flags.append(flags)
            flags[GLOBAL] = int(self._global_queue_is_urgent())

    def flags_of(self, mine: deque[Any]) -> list[int]:
        """Return the flags that were entered with a deque, to their owner: for P2 in the middle of an item."""
        with self._lock:
            return next(flags for theirs, flags in zip(self._deques, self._flags, strict=True) if theirs is mine)

    def wake_lock(self, worker: int) -> Lock:
        """Return the gate at which a worker is to sleep, closed. Who takes over its place gets another one."""
        gate = self._platform.lock()
        gate.acquire()
        with self._lock:
            self._worker_at[gate] = worker
        return gate

    def park(self, gate: Lock, *, searching: bool) -> int:
        """Sleep until woken, and return what the caller has to do.

        LOOK: there is work, look again. SEARCH: the same, as the one searcher, which owes a call of
        ``found_work`` or ``park``. HOME: return. The caller has found every deque and the inbox
        empty, and holds no item.
        """
        with self._lock:
            if self._stopped:
                return EXIT
            if searching:
                self._searching = False
            self._idle.append(gate)  # S1: announce first,
            self._raise(IDLE)
            if self._has_work():  # S2: then look again.
                self._remove_idle(gate)
                return self._become_searcher()
            if self._is_quiescent():
                self._stop()
                return EXIT
        return self._sleep(gate)  # S3

    def found_work(self) -> None:
        """Tell that the searcher has an item; the caller is no searcher any more."""
        gate = None
        with self._lock:
            self._searching = False
            if self._idle:
                self._raise(IDLE)  # announce first, then look, as a sleeper does
                if self._has_work():
                    gate = self._pick_searcher()
        if gate is not None:
            gate.release()

    def wake_one(self) -> None:
        """P3: wake a sleeper, unless somebody is searching already."""
        with self._lock:
            self._lower(IDLE)
            gate = self._pick_searcher()
        if gate is not None:
            gate.release()

    def take_global(self, *, urgent: bool) -> Any:
        """Take the first item of the inbox; ``urgent``: only if it goes before the deques."""
        with self._lock:
            if not self._global_queue or (urgent and not self._global_queue_is_urgent()):
                return None
            item = heapq.heappop(self._global_queue)[2]
            if not self._global_queue_is_urgent():
                self._lower(GLOBAL)
            return item

    # -- called by anybody -----------------------------------------------------------------------

    def inject(self, item: Any, priority: int) -> None:
        """Put an item into the inbox: higher priority first, then first come, first served."""
        with self._lock:
            heapq.heappush(self._global_queue, (-priority, next(self._sequence), item))
            if self._global_queue_is_urgent():
                self._raise(GLOBAL)
            gate = self._pick_searcher()
        if gate is not None:
            gate.release()

    def hold(self) -> None:
        """Keep the pool from going home until ``release``: work outside will come back."""
        with self._lock:
            self._holds += 1

    def release(self) -> None:
        """Take back one ``hold``; what came of it was put before."""
        with self._lock:
            self._holds -= 1
            if self._is_quiescent() and not self._has_work():
                self._stop()

    def abandon(self) -> None:
        """Wait for no hold any more: each worker goes home when it finds nothing to do."""
        with self._lock:
            if not self._stopped:
                self._stop()

    def wait_until_stopped(self, timeout: float) -> bool:
        """Wait until the pool has stopped; say whether it has."""
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

    def _global_queue_is_urgent(self) -> bool:
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
        return self._idle.pop(self.policy.sleeper(self._idle, self._worker_at))

    def _remove_idle(self, gate: Lock) -> None:
        self._idle.remove(gate)
        if not self._idle:
            self._lower(IDLE)

    def _become_searcher(self) -> int:
        """Make the caller the searcher, unless there is one: who pushed what it saw may have woken nobody."""
        if self._searching:
            return RETRY
        self._searching = True
        return SEARCH

    def _stop(self) -> None:
        self._stopped = True
        for gate in self._idle:
            gate.release()
        self._idle.clear()
        self._finished.release()

    # -- asleep ------------------------------------------------------------------------------------

    def _sleep(self, gate: Lock) -> int:
        while not gate.acquire(timeout=BACKSTOP_S):
            with self._lock:
                found = gate in self._idle and not self._searching and self._has_work()
                if found:
                    self._remove_idle(gate)
                    self._searching = True
            if found:
                self._on_lost_wakeup()
                return SEARCH
        with self._lock:
            return EXIT if self._stopped else SEARCH
