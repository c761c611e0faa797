"""What a function may ask about itself while it runs as a node: ``taskrunner.current()``.

A worker's thread knows its runner, and the runner knows the task: so a node costs nothing more for it. What
waits on the event loop has a variable of its context instead, which ``asyncio.to_thread`` hands on as well.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from taskrunner.errors import UsageError


class Current:
    """A running node as its own function sees it."""

    __slots__ = ("_cancelled", "attempt", "node")

    def __init__(self, node: str, attempt: int, cancelled: threading.Event) -> None:
        self.node = node
        self.attempt = attempt
        self._cancelled = cancelled

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for this node any more: it timed out, or the run was stopped."""
        return self._cancelled.is_set()

    def sleep(self, seconds: float) -> bool:
        """Wait so long, or until the node is cancelled; say whether the whole time went by.

        It holds its thread: an async function awaits ``asyncio.sleep`` instead.
        """
        return not self._cancelled.wait(seconds)

    def __repr__(self) -> str:
        return f"<Current {self.node!r}, attempt {self.attempt}{', cancelled' if self.cancelled else ''}>"


class ThreadContext(threading.local):
    """Each thread's own: how to find what it runs."""

    find: Callable[[], Current | None] | None = None


THREAD_CONTEXT = ThreadContext()
LOOP_CONTEXT: ContextVar[Current | None] = ContextVar("taskrunner", default=None)
_RESOLVED: ContextVar[str] = ContextVar("taskrunner-resolved", default="")


def current() -> Current:
    """Return the node that the calling function runs as: its ``node``, ``attempt``, ``cancelled`` and ``sleep``.

    Raises:
        UsageError: the calling thread runs no node.

    """
    found = _find()
    if found is None:
        raise UsageError("current() is called outside of a node")
    return found


@contextlib.contextmanager
def resolving(node: str) -> Iterator[None]:
    """While entered, what this thread does is done for a node that does not run yet: its callable is imported."""
    token = _RESOLVED.set(node)
    try:
        yield
    finally:
        _RESOLVED.reset(token)


def current_node_id() -> str:
    """Return the node that this thread runs, or resolves; "" if there is none."""
    if node := _RESOLVED.get():
        return node
    found = _find()
    return found.node if found else ""


def _find() -> Current | None:
    return LOOP_CONTEXT.get() or (THREAD_CONTEXT.find() if THREAD_CONTEXT.find else None)
