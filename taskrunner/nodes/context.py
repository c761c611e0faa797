"""Current node: the information about its own node that a running function gets from ``taskrunner.current()``.

A worker's thread has its runner, and the runner has the task, so a node costs nothing more. A coroutine on the
event loop has a context variable instead, which ``asyncio.to_thread`` also passes to its thread.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from taskrunner.errors import UsageError


class Current:
    """A running node, as seen by its own function."""

    __slots__ = ("_cancelled", "attempt", "node")

    def __init__(self, node: str, attempt: int, cancelled: threading.Event) -> None:
        self.node = node
        self.attempt = attempt
        self._cancelled = cancelled

    @property
    def cancelled(self) -> bool:
        """Whether the run no longer waits for this node: the node timed out, or the run was stopped."""
        return self._cancelled.is_set()

    def sleep(self, seconds: float) -> bool:
        """Wait for ``seconds``, or until the node is cancelled; return whether the whole time passed.

        It blocks its thread: an async function awaits ``asyncio.sleep`` instead.
        """
        return not self._cancelled.wait(seconds)

    def __repr__(self) -> str:
        return f"<Current {self.node!r}, attempt {self.attempt}{', cancelled' if self.cancelled else ''}>"


class ThreadContext(threading.local):
    """The function that returns the node of a thread, separate for each thread."""

    find: Callable[[], Current | None] | None = None


THREAD_CONTEXT = ThreadContext()
LOOP_CONTEXT: ContextVar[Current | None] = ContextVar("taskrunner", default=None)
_RESOLVED: ContextVar[str] = ContextVar("taskrunner-resolved", default="")


def current() -> Current:
    """Return the node that the calling function runs as: its ``node``, ``attempt``, ``cancelled`` and ``sleep``.

    Raises:
        UsageError: the calling thread runs no node.

    """
    node = _find()
    if node is None:
        raise UsageError("current() is called outside of a node")
    return node


@contextlib.contextmanager
def resolving(node: str) -> Iterator[None]:
    """Attribute the actions of this thread to a node that does not run yet, while its callable is imported."""
    token = _RESOLVED.set(node)
    try:
        yield
    finally:
        _RESOLVED.reset(token)


def current_node_id() -> str:
    """Return the id of the node that this thread runs or resolves; "" if there is none."""
    if node := _RESOLVED.get():
        return node
    running = _find()
    return running.node if running else ""


def _find() -> Current | None:
    return LOOP_CONTEXT.get() or (THREAD_CONTEXT.find() if THREAD_CONTEXT.find else None)
