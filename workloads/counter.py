"""Many nodes on one shared object, with a lock and without; and each on its own."""

import threading


class Counter:
    """A number that many threads count up."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


def indexes(nodes: int) -> list[int]:
    """Return the numbers of so many nodes."""
    return list(range(nodes))


def count_locked(_: int, counter: Counter, steps: int) -> None:
    """Count up with the lock held: exact."""
    for _step in range(steps):
        with counter.lock:
            counter.value += 1


def count_unlocked(_: int, counter: Counter, steps: int) -> None:
    """Count up without a lock: load, add and store are three steps, and another thread's may come between."""
    for _step in range(steps):
        counter.value += 1


def count_alone(index: int, steps: int) -> int:
    """Count up an object that no other node sees: exact, and nothing is shared."""
    counter = Counter()
    count_unlocked(index, counter, steps)
    return counter.value


def read(counter: Counter) -> int:
    """Return the count."""
    return counter.value
