"""What happens to the pools of executors when the interpreter exits, and when the process is forked.

As with ``ThreadPoolExecutor``: before the interpreter joins its threads it has all pools finish what is
queued, and takes no more. It uses the same hook, which is not public (``threading._register_atexit``):
``atexit`` would be too late, since threads that still wait for work are joined before.

In a forked child the pools' threads are gone. Each pool starts over there: what was queued is the
parent's business, and the locks that another thread held while the process was forked are made anew.
"""

import contextlib
import os
import threading
import weakref
from typing import Protocol

AFTER_EXIT = "cannot schedule new futures after interpreter shutdown"


class Pool(Protocol):
    """What has threads."""

    def close(self, why: str) -> None:
        """Take no more tasks, and say why; let the threads end when all is done."""

    def join(self) -> None:
        """Wait until the threads have ended."""

    def start_over(self) -> None:
        """Forget the threads and what was queued."""


class Lifetime:
    """The pools that have threads, until the interpreter exits.

    ``_lock`` guards ``_is_over`` and additions to ``_pools``. A set of weak references may lose members
    at any time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        self._is_over = False

    def enroll(self, pool: Pool) -> None:
        """Add a pool that is about to start threads.

        Raises:
            RuntimeError: the interpreter exits.

        """
        with self._lock:
            if self._is_over:
                raise RuntimeError(AFTER_EXIT)
            self._pools.add(pool)

    def end(self) -> None:
        """Let all pools finish, and wait for them."""
        with self._lock:
            self._is_over = True
            pools = list(self._pools)
        with contextlib.ExitStack() as stack:  # each has its turn, whatever another one raises
            for pool in pools:
                stack.callback(pool.join)
            for pool in pools:
                stack.callback(pool.close, AFTER_EXIT)

    def before_fork(self) -> None:
        """Keep additions out while the process is forked."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Have all pools start over."""
        self._lock = threading.Lock()
        pools = list(self._pools)
        self._pools.clear()
        for pool in pools:
            pool.start_over()


LIFETIME = Lifetime()
threading._register_atexit(LIFETIME.end)  # type: ignore[attr-defined]  # noqa: SLF001  see above
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LIFETIME.before_fork,
        after_in_parent=LIFETIME.after_fork_in_parent,
        after_in_child=LIFETIME.after_fork_in_child,
    )
