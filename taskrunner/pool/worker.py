"""The hot loop: what one worker thread does from its first item to its last.

A worker owns a deque. It pushes and pops at the right end, newest first, while the data is warm;
thieves take from the left end, oldest first, where the largest pieces of work lie (Blumofe and
Leiserson, "Scheduling multithreaded computations by work stealing", 1999). Everything that the loop
touches for each item was made by this thread: on free-threaded CPython an object that another
thread made costs several times as much to touch.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from taskrunner.pool.parking import EXIT, GLOBAL, IDLE, SEARCH, Parking
from taskrunner.pool.platform import Platform

MAX_STOLEN = 16

# Runs one item, pushes what became ready but for one, and returns that one (None: nothing).
type Execute = Callable[[Any], Any]
# Makes the Execute of one worker, in that worker's own thread: (worker, push) -> execute.
type Bind = Callable[[int, Callable[[Any], None]], Execute]


class Victim:
    """Another worker's deque, through methods that the thief's own thread has bound."""

    __slots__ = ("size", "take")

    def __init__(self, theirs: deque[Any]) -> None:
        self.size = theirs.__len__
        self.take = theirs.popleft


def steal(victims: Iterable[Victim], push: Callable[[Any], None], on_steal: Callable[[Any], None]) -> Any:
    """Take half of the first deque that holds something: return its oldest item, push the others.

    Each is told to ``on_steal`` while it is this thread's own, before anybody can take it again.
    ``deque.popleft`` is atomic: each item goes to one thief or to its owner. The length may be out
    of date when it is used; an empty deque then raises, and the next victim is tried.
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
                    kept = victim.take()
                    on_steal(kept)
                    push(kept)
            except IndexError:
                pass
            return item
    return None


class AbandonedError(Exception):
    """Raised by ``execute`` in a worker whose place another one has taken: its thread ends without a word."""


def work(
    worker: int,
    roots: Sequence[Any],
    bind: Bind,
    parking: Parking,
    platform: Platform,
    meet: Callable[[int, deque[Any]], Sequence[deque[Any]]],
    on_steal: Callable[[Any], None],
) -> None:
    """Work until the pool goes home. ``meet`` waits for all workers and returns all deques."""
    mine = platform.deque()
    flags = platform.flags(2)
    execute = bind(worker, mine.append)
    mine.extend(roots)
    parking.enter(mine, flags)
    if deques := meet(worker, mine):
        _work(worker, deques, flags, execute, parking, on_steal)


def take_over(
    worker: int,
    deques: Sequence[deque[Any]],
    bind: Bind,
    parking: Parking,
    on_steal: Callable[[Any], None],
) -> None:
    """Work on in the place of a worker that is lost in an item, with its deque and its flags.

    Both stay known to all others; who is lost touches neither again.
    """
    mine = deques[worker]
    _work(worker, deques, parking.flags_of(mine), bind(worker, mine.append), parking, on_steal)


def _work(  # noqa: C901  the hot loop is one page on purpose
    worker: int,
    deques: Sequence[deque[Any]],
    flags: list[int],
    execute: Execute,
    parking: Parking,
    on_steal: Callable[[Any], None],
) -> None:
    mine = deques[worker]
    gate = parking.wake_lock(worker)
    push, pop = mine.append, mine.pop
    others = [Victim(theirs) for theirs in (*deques[worker + 1 :], *deques[:worker])]
    victims = parking.policy.victims(worker, others)
    searching = False
    while True:
        item = None
        if flags[GLOBAL]:
            item = parking.take_global(urgent=True)
        if item is None and mine:
            try:
                item = pop()
            except IndexError:  # a thief was faster
                item = None
        if item is None:
            item = steal(victims, push, on_steal)
        if item is None:
            item = parking.take_global(urgent=False)
        if item is None:
            verdict = parking.park(gate, searching=searching)
            if verdict == EXIT:
                return
            searching = verdict == SEARCH
            continue
        if searching:
            searching = False
            parking.found_work()
        while item is not None:
            if flags[IDLE] and mine:  # pushed by the last item, or kept from what was stolen
                parking.wake_one()
            item = execute(item)
            if flags[GLOBAL] and item is not None:  # something goes before it
                push(item)
                item = None
