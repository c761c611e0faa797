"""Classes that are made and dropped: where classes are immortal their memory does not come back."""

import gc

COLLECT_EVERY = 500


def classes(count: int) -> int:
    """Make so many classes with a method each, and keep none; return the number."""
    for number in range(count):
        type("Short", (), {"method": lambda self: self})
        if number % COLLECT_EVERY == 0:
            gc.collect()  # a class is a cycle
    return count
