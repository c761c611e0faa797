"""Hot loop: the execution of items by one worker thread, from its first item to its last.

Each worker owns a deque. The owner pushes and pops at the right end, newest first, while the data is warm. Thieves take
from the left end, oldest first, where the largest subproblems are (Blumofe and Leiserson, "Scheduling multithreaded
computations by work stealing", 1999).

Cost: the worker's own thread creates every object that the loop touches for each item. On free-threaded CPython,
access to an object that another thread created costs several times as much.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from taskrunner.pool.parking import EXIT, GLOBAL, IDLE, SEARCH, Parking
from taskrunner.pool.platform import Platform

MAX_STOLEN = 16

# Executes one item, pushes all but one of the items that became ready, and returns that one, or None.
type Execute = Callable[[Any], Any]
# Creates the Execute function of one worker, in that worker's own thread: (worker, push) -> execute.
type Bind = Callable[[int, Callable[[Any], None]], Execute]


class AbandonedError(Exception):
    """Raised by ``execute`` in a worker that was replaced: its thread exits silently."""


class Victim:
    """Another worker's deque, through methods that the thief's own thread has bound."""

    __slots__ = ("size", "take")

    def __init__(self, items: deque[Any]) -> None:
        self.size = items.__len__
        self.take = items.popleft


def steal(victims: Iterable[Victim], push: Callable[[Any], None], on_steal: Callable[[Any], None]) -> Any:
    """Take half of the first nonempty deque, at most MAX_STOLEN items: return the oldest item, push the others.

    ``on_steal`` receives each item while only this thread has it, before any other thread can take it again.
    ``deque.popleft`` is atomic: each item reaches one thief or its owner. The length may be stale when it is used.
    In this case ``popleft`` raises on an empty deque, and the thief tries the next victim.
    """
    for victim in victims:
        if size := victim.size():
            try:
                item = victim.take()
            except IndexError:
                continue
            on_steal(item)
            try:
                for _ in range(min(size // 2, MAX_STOLEN) - 1):
                    extra = victim.take()
                    on_steal(extra)
                    push(extra)
            except IndexError:
                pass
            return item
    return None


def run_worker(
    worker: int,
    roots: Sequence[Any],
    bind: Bind,
    parking: Parking,
    platform: Platform,
    wait_at_start: Callable[[int, deque[Any]], Sequence[deque[Any]]],
    on_steal: Callable[[Any], None],
) -> None:
    """Execute items until the pool stops. ``wait_at_start`` waits for all workers and returns all deques."""
    items = platform.deque()
    flags = platform.flags(2)
    execute = bind(worker, items.append)
    items.extend(roots)
    parking.register(items, flags)
    if deques := wait_at_start(worker, items):
        _run_loop(worker, deques, flags, execute, parking, on_steal)


def take_over(
    worker: int,
    deques: Sequence[deque[Any]],
    bind: Bind,
    parking: Parking,
    on_steal: Callable[[Any], None],
) -> None:
    """Continue as the replacement of a worker whose thread is abandoned, with its deque and its flags.

    Both stay registered with all other workers. The abandoned thread never accesses either again.
    """
    items = deques[worker]
    _run_loop(worker, deques, parking.find_flags(items), bind(worker, items.append), parking, on_steal)


def _run_loop(  # noqa: C901  the hot loop is one page on purpose
    worker: int,
    deques: Sequence[deque[Any]],
    flags: list[int],
    execute: Execute,
    parking: Parking,
    on_steal: Callable[[Any], None],
) -> None:
    items = deques[worker]
    wake_lock = parking.create_wake_lock(worker)
    push, pop = items.append, items.pop
    others = [Victim(other_items) for other_items in (*deques[worker + 1 :], *deques[:worker])]
    victims = parking.policy.order_victims(worker, others)
    searching = False
    while True:
        item = None
        if flags[GLOBAL]:
            item = parking.take_global(urgent=True)
        if item is None and items:
            try:
                item = pop()
            except IndexError:  # a thief took the last item
                item = None
        if item is None:
            item = steal(victims, push, on_steal)
        if item is None:
            item = parking.take_global(urgent=False)
        if item is None:
            next_step = parking.park(wake_lock, searching=searching)
            if next_step == EXIT:
                return
            searching = next_step == SEARCH
            continue
        if searching:
            searching = False
            parking.found_work()
        while item is not None:
            if flags[IDLE] and items:  # pushed by the last item, or retained from stolen items
                parking.wake_one()
            item = execute(item)
            if flags[GLOBAL] and item is not None:  # an urgent item precedes it
                push(item)
                item = None
