"""Platform interface: the locks, deques, flags and threads of a pool.

The pool creates all of them through one object. A test can therefore supply deques and locks that yield to a seeded
scheduler before each step. The production objects are the standard ones, so the interface adds no overhead.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol


class Lock(Protocol):
    """A mutual exclusion lock; ``acquire`` returns whether it succeeded before the timeout."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...  # noqa: D102, FBT002
    def release(self) -> None: ...  # noqa: D102
    def __enter__(self) -> Any: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Thread(Protocol):
    """A started thread."""

    def join(self, timeout: float | None = None) -> None: ...  # noqa: D102
    def is_alive(self) -> bool: ...  # noqa: D102


class Platform:
    """The production platform: ``threading`` and ``collections``."""

    def lock(self) -> Lock:
        """Return a new lock, released."""
        return threading.Lock()

    def deque(self) -> deque[Any]:
        """Return a new deque, owned by the calling thread."""
        return deque()

    def flags(self, size: int) -> list[int]:
        """Return a new list of lowered flags, owned by the calling thread."""
        return [0] * size

    def spawn(self, target: Callable[[], None], name: str) -> Thread:
        """Start a thread."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread
