"""Lifetime of executor pools: their shutdown at interpreter exit, and their reset in a forked child.

Before the interpreter joins its threads, all pools finish their queued tasks and accept no more, as in
``ThreadPoolExecutor``. The hook is the same one, ``threading._register_atexit``, which is not public. ``atexit`` runs
too late: the interpreter joins threads that still wait for tasks before that.

A forked child does not have the threads of the pools. Each pool is reset there: the queued tasks belong to the parent,
and locks that another thread held during the fork are replaced.
"""

import contextlib
import os
import threading
import weakref
from typing import Protocol

AFTER_EXIT = "cannot schedule new futures after interpreter shutdown"


class Pool(Protocol):
    """An object that owns threads."""

    def close(self, reason: str) -> None:
        """Accept no more tasks, with this reason; let the threads exit when all tasks are done."""

    def join(self) -> None:
        """Wait until the threads have exited."""

    def reset_after_fork(self) -> None:
        """Drop the threads and the queued tasks."""


class Lifetime:
    """The pools that own threads, until the interpreter exits.

    Thread safety: ``_lock`` protects ``_is_over`` and additions to ``_pools``. A set of weak references may lose
    members at any time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        self._is_over = False

    def register(self, pool: Pool) -> None:
        """Register a pool that is about to start threads.

        Raises:
            RuntimeError: the interpreter exits.

        """
        with self._lock:
            if self._is_over:
                raise RuntimeError(AFTER_EXIT)
            self._pools.add(pool)

    def shut_down(self) -> None:
        """Close all pools, and wait until they have finished."""
        with self._lock:
            self._is_over = True
            pools = list(self._pools)
        with contextlib.ExitStack() as stack:  # every pool is closed and joined, even if another one raises
            for pool in pools:
                stack.callback(pool.join)
            for pool in pools:
                stack.callback(pool.close, AFTER_EXIT)

    def before_fork(self) -> None:
        """Prevent additions during a fork."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Allow additions again."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Reset all pools."""
        self._lock = threading.Lock()
        pools = list(self._pools)
        self._pools.clear()
        for pool in pools:
            pool.reset_after_fork()


LIFETIME = Lifetime()
threading._register_atexit(LIFETIME.shut_down)  # type: ignore[attr-defined]  # noqa: SLF001  see above
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LIFETIME.before_fork,
        after_in_parent=LIFETIME.after_fork_in_parent,
        after_in_child=LIFETIME.after_fork_in_child,
    )
