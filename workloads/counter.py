"""Counting by many nodes: on one shared object with and without a lock, and on one object per node."""

import threading


class Counter:
    """A number that many threads increment."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


def indexes(nodes: int) -> list[int]:
    """Return the numbers of ``nodes`` nodes."""
    return list(range(nodes))


def count_locked(_: int, counter: Counter, steps: int) -> None:
    """Increment with the lock held: the result is exact."""
    for _step in range(steps):
        with counter.lock:
            counter.value += 1


def count_unlocked(_: int, counter: Counter, steps: int) -> None:
    """Increment without a lock: load, add and store are three steps, and those of other threads may interleave."""
    for _step in range(steps):
        counter.value += 1


def count_alone(index: int, steps: int) -> int:
    """Increment an object that no other node uses: the result is exact, and no memory is shared."""
    counter = Counter()
    count_unlocked(index, counter, steps)
    return counter.value


def read(counter: Counter) -> int:
    """Return the count."""
    return counter.value
