"""Current node: the information about its own node that a running function gets from ``taskrunner.current()``.

A worker's thread has its runner, and the runner has the task, so a node costs nothing more. A coroutine on the
event loop has a context variable instead, which ``asyncio.to_thread`` also passes to its thread. The thread decides
first: a thread may have inherited the variables of another node.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from taskrunner.errors import UsageError


class Cancellation:
    """The cancellation of one attempt. ``event`` is set when it is cancelled; attempts may share the event.

    ``is_seen``: the node has seen the cancellation, so the value that it returns may be incomplete. It is set once and
    never reset, by any thread; the runner reads it after the node has returned.
    """

    __slots__ = ("event", "is_seen")

    def __init__(self, event: threading.Event) -> None:
        self.event = event
        self.is_seen = False

    def check(self) -> bool:
        """Return whether the attempt is cancelled, for its node, which then has seen it."""
        is_cancelled = self.event.is_set()
        if is_cancelled:
            self.is_seen = True
        return is_cancelled


class Current:
    """A running node, as seen by its own function."""

    __slots__ = ("_cancellation", "attempt", "node")

    def __init__(self, node: str, attempt: int, cancellation: Cancellation) -> None:
        self.node = node
        self.attempt = attempt
        self._cancellation = cancellation

    @property
    def cancelled(self) -> bool:
        """Whether the run no longer waits for this node: the node timed out, or the run was stopped.

        A node that has read true is cancelled: the run drops the value that it returns.
        """
        return self._cancellation.check()

    def sleep(self, seconds: float) -> bool:
        """Wait for ``seconds``, or until the node is cancelled; return whether the whole time passed.

        A node that got false is cancelled: the run drops the value that it returns. It blocks its thread: an async
        function awaits ``asyncio.sleep`` instead.
        """
        return not (self._cancellation.event.wait(seconds) and self._cancellation.check())

    def __repr__(self) -> str:
        # Not a decision of the node: a log line must not turn its result into an incomplete one.
        suffix = ", cancelled" if self._cancellation.event.is_set() else ""
        return f"<Current {self.node!r}, attempt {self.attempt}{suffix}>"


class ThreadContext(threading.local):
    """The function that returns the node of a thread, and the node whose callable it imports, for each thread."""

    find: Callable[[], Current | None] | None = None
    resolving: str = ""


THREAD_CONTEXT = ThreadContext()
LOOP_CONTEXT: ContextVar[Current | None] = ContextVar("taskrunner", default=None)


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
    previous, THREAD_CONTEXT.resolving = THREAD_CONTEXT.resolving, node
    try:
        yield
    finally:
        THREAD_CONTEXT.resolving = previous


def current_node_id() -> str:
    """Return the id of the node that this thread runs or resolves; "" if there is none."""
    if node := THREAD_CONTEXT.resolving:
        return node
    running = _find()
    return running.node if running else ""


def has_seen_cancellation() -> bool:
    """Return whether the node that this thread or coroutine runs has seen its cancellation."""
    running = _find()
    return running is not None and running._cancellation.is_seen  # noqa: SLF001  not for the node itself


def _find() -> Current | None:
    find = THREAD_CONTEXT.find
    return LOOP_CONTEXT.get() if find is None else find()
