"""What the pool takes from the platform: locks, deques, flags, threads.

The pool makes them through one object, so that a test can give it deques and locks which hand over
to a seeded scheduler before each step. The real ones are the plain objects: the seam costs nothing.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol


class Lock(Protocol):
    """A mutual exclusion lock; ``acquire`` says whether it was got before the time-out."""

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
    """The real platform."""

    def lock(self) -> Lock:
        """Return a new lock, released."""
        return threading.Lock()

    def deque(self) -> deque[Any]:
        """Return a new deque, owned by the calling thread."""
        return deque()

    def flags(self, size: int) -> list[int]:
        """Return a new list of flags, all down, owned by the calling thread."""
        return [0] * size

    def spawn(self, target: Callable[[], None], name: str) -> Thread:
        """Start a thread."""
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread
