"""Task pool: the threads and queues of one executor.

The task pool has no strong reference to the executor, so that the executor can be garbage-collected.

The injector
------------
Tasks from outside go into one first-in-first-out queue, the injector. The thread pool has no access to it. It sees one
item that represents the whole injector: the fetch token. A worker that receives the token takes a task from the
injector. If more tasks are queued, it enqueues the token again for the next worker. A worker that has run a task takes
the next one directly from the injector (``TaskWorker.bind``). So while tasks arrive as fast as they run, neither side
uses the pool's locks.

``_lock`` protects ``_refusal``, ``_pool``, ``_posted``, and additions to the injector. Every thread that releases it
preserves these invariants:

1. If the injector holds a task, the token is in the pool's global queue, or a worker has it and is about to acquire
   ``_lock``.
2. If ``_posted`` is True, the token is in one of these two locations, and tasks are accepted.

``submit`` only adds its task if ``_posted`` is True. Otherwise it performs these steps in this order:

1. Check that tasks are accepted.
2. Enqueue the token.
3. Add the task.
4. Set ``_posted``.

An exception between two steps, such as a KeyboardInterrupt, leaves a surplus token, which is harmless.

The worker with the token clears ``_posted`` if it finds the injector empty. Otherwise it enqueues the token again.
Tasks are taken without ``_lock``, each by one atomic ``popleft``, which cannot violate either invariant.

The first task of the executor bypasses the injector. The workers are started for it, and from then on it belongs to
them, in ``_first``. The first token is in the pool's global queue before there are workers. It delivers the first task
without ``_lock``, because ``submit`` holds that lock while the workers start. So the task can begin before ``submit``
returns, and cancelling the queued tasks does not cancel it. In ``ThreadPoolExecutor`` it has nearly always begun by
then. ``_first`` is written under ``_lock`` until the workers are admitted, and afterwards by the worker that receives
the token.

Submit and shutdown
-------------------
A pool stops when all of its workers are parked, its queues are empty, and no hold is left. The task pool holds it from
its start until it is closed. No task is lost:

* *From outside:* ``submit`` checks ``_refusal`` and adds the task in one critical section of ``_lock``. ``close`` sets
  ``_refusal`` under ``_lock``, and releases the pool afterwards. So either ``submit`` raises, or the task and its token
  are queued when the pool is released. A pool with an item in its global queue does not stop.
* *From a task:* the worker that runs the task is not parked, and does not park before its own deque is empty. So the
  items that it pushes run, whether the pool is held or not. The refusal is checked without ``_lock``. A task that is
  submitted while the pool is being closed may still be accepted.

Release by the garbage collector
--------------------------------
When the executor is collected, its callback runs in any thread, at any point, even in a worker that holds the pool's
own lock. The callback must not acquire that lock there. So in a thread of this pool, it pushes the close token onto the
worker's own deque, which this worker checks before it parks. If the collector ran between that check and the sleep, the
worker finds the token when it wakes up, after at most BACKSTOP_S seconds.

``_closer`` is a lock that is acquired only once: the thread that acquires it releases the pool.
"""

import contextlib
import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures._base import LOGGER
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

from taskrunner.errors import TaskrunnerError
from taskrunner.futures.future import CURRENT, Args, Kwargs, TaskFuture
from taskrunner.futures.lifetime import LIFETIME
from taskrunner.futures.task_worker import SharedState, TaskWorker
from taskrunner.pool.platform import Platform
from taskrunner.pool.pool import Pool
from taskrunner.pool.worker import Execute

LOCK_COUNT = 64
# Negative: workers take tokens only when all deques are empty.
TOKEN_PRIORITY = -1
AFTER_SHUTDOWN = "cannot schedule new futures after shutdown"
BROKEN = "A thread initializer failed, the thread pool is not usable anymore"


class Token:
    """An item of the pool that is not a task."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run

    def is_pending(self) -> bool:
        """Return whether the token still has to run; only the thread that dequeues it runs it."""
        return True


class TaskPool:
    """Workers that run tasks. The first task starts all of them together.

    Each worker calls ``initializer`` before any worker runs a task. After the garbage collection of ``owner``, the
    workers exit when all tasks are done.
    """

    def __init__(
        self,
        workers: int,
        platform: Platform,
        initializer: Callable[..., object] | None = None,
        initargs: Args = (),
        owner: object = None,
    ) -> None:
        self._worker_count = workers
        self._platform = platform
        self._initializer = initializer
        self._initargs = initargs
        self._shared = SharedState(platform.deque(), tuple(threading.RLock() for _ in range(LOCK_COUNT)))
        self._next_index = itertools.count().__next__
        self._locks = self._shared.locks
        self._inject = self._shared.injector.append
        self._fetch_token = Token(self._fetch)
        self._first_token = Token(self._take_first)
        self._close_token = Token(self.release)
        self._refusal: tuple[type[RuntimeError], str] | None = None
        self._owner = None if owner is None else weakref.ref(owner)
        self._owner_callback: weakref.ref[object] | None = None
        self._initialize()

    def _initialize(self) -> None:
        self._lock = self._platform.lock()
        self._closer = self._platform.lock()
        self._posted = False
        self._pool: Pool | None = None
        self._first: TaskFuture | None = None
        self._shared.injector.clear()
        self._shared.workers.clear()

    @property
    def broken(self) -> str:
        """The reason why the pool is broken, or an empty string."""
        error_type, reason = self._refusal or (RuntimeError, "")
        return reason if error_type is BrokenThreadPool else ""

    # -- submission ----------------------------------------------------------------------------------

    def submit(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> TaskFuture:
        """Enqueue a call: in the worker's own deque if a task of this pool submits it, else in the injector.

        Raises:
            RuntimeError: the pool is closed, or the system cannot start that many threads.
            BrokenThreadPool: an initializer failed.

        """
        helper = CURRENT.helper
        if helper is not None and helper.locks is self._locks:
            self._check_open()
            return helper.submit(fn, args, kwargs)
        future = TaskFuture(self._locks[self._next_index() % LOCK_COUNT], fn, args, kwargs)
        with self._lock:
            if self._posted:
                self._inject(future)
            else:
                self._inject_with_token(future)
        return future

    def _check_open(self) -> None:
        if self._refusal is not None:
            error_type, reason = self._refusal
            raise error_type(reason)

    def _inject_with_token(self, future: TaskFuture) -> None:
        self._check_open()
        if self._pool is None:
            try:
                self._start_with(future)
            except TaskrunnerError as error:
                raise RuntimeError(str(error)) from None
            return
        self._pool.inject(self._fetch_token, TOKEN_PRIORITY)
        self._inject(future)
        self._posted = True

    def _start_with(self, future: TaskFuture) -> None:
        LIFETIME.register(self)
        self._shared.workers.clear()  # left over from a failed start
        pool = Pool(self._worker_count, lambda worker, _: self._bind(pool, worker), platform=self._platform)
        pool.hold()
        pool.inject(self._first_token, TOKEN_PRIORITY)
        try:
            self._pool, self._first = pool, future
            pool.start()
        except BaseException:  # also KeyboardInterrupt
            self._pool = self._first = None
            raise
        self._watch_owner()

    def _watch_owner(self) -> None:
        owner = self._owner and self._owner()
        if owner is not None:
            self._owner_callback = weakref.ref(owner, lambda _: self._abandon())

    # -- in the workers ------------------------------------------------------------------------------

    def _bind(self, pool: Pool, worker: int) -> Execute:
        try:
            if self._initializer is not None:
                self._initializer(*self._initargs)
        except BaseException:  # noqa: BLE001  as in ThreadPoolExecutor
            LOGGER.critical("Exception in initializer:", exc_info=True)
            self._mark_broken()
        wake_lock = self._platform.lock()
        wake_lock.acquire()
        task_worker = TaskWorker(self._shared, lambda: pool.local_queue(worker), wake_lock)
        self._shared.workers.append(task_worker)
        return task_worker.bind()

    def _take_first(self) -> TaskFuture | None:
        future, self._first = self._first, None
        return future

    def _fetch(self) -> TaskFuture | None:
        with self._lock:
            future = next(drain(self._shared.injector), None)
            if not self._shared.injector:
                self._posted = False
            elif self._pool is not None:
                self._pool.inject(self._fetch_token, TOKEN_PRIORITY)
        return future

    def _mark_broken(self) -> None:
        with self._lock:
            self._posted = False
            self._refusal = (BrokenThreadPool, BROKEN)
            futures = [self._take_first(), *drain(self._shared.injector)]
        for future in futures:
            if future is not None and future.claim():
                future.set_exception(BrokenThreadPool(BROKEN))

    # -- shutdown --------------------------------------------------------------------------------------

    def close(self, reason: str = AFTER_SHUTDOWN) -> None:
        """Accept no more tasks, and let the workers exit when they have run the queued ones."""
        with self._lock:
            self._posted = False
            if self._refusal is None:
                self._refusal = (RuntimeError, reason)
        self.release()

    def release(self) -> None:
        """Release the pool, at most once: its workers exit when no item is queued."""
        if self._pool is not None and self._closer.acquire(blocking=False):
            self._owner_callback = None
            self._pool.release()

    def _abandon(self) -> None:
        """Release the pool, at any point of the calling thread."""
        helper = CURRENT.helper
        if helper is not None and helper.locks is self._locks:
            helper.push_silently(self._close_token)
        else:
            self.release()

    def cancel_queued(self) -> None:
        """Cancel the unclaimed tasks except the executor's first, and notify the threads that wait for them."""
        queues = [self._shared.injector, *self._queues()]
        while any(queues):  # a thief may have moved items to a queue that is already drained
            for item in itertools.chain.from_iterable(map(drain, queues)):
                if isinstance(item, TaskFuture) and item.cancel():
                    item.claim()

    def join(self) -> None:
        """Wait until the workers have exited.

        Raises:
            RuntimeError: called by a task of this pool, which would wait for itself.

        """
        helper = CURRENT.helper
        if helper is not None and helper.locks is self._locks:
            raise RuntimeError("cannot join current thread")
        if self._pool is not None:
            self._pool.join()

    def _queues(self) -> Sequence[deque[Any]]:
        return () if self._pool is None else self._pool.queues

    def reset_after_fork(self) -> None:
        """Drop the workers and the queued tasks, because a forked child has none of them."""
        CURRENT.helper = None
        for queue in self._queues():
            queue.clear()  # the forking thread may be a worker, and continue to run
        for lock in self._locks:
            lock._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001  as in the standard library
        self._initialize()


def drain(queue: deque[Any]) -> Iterator[Any]:
    """Yield the items of a queue until it is empty, each removed from the left end by one atomic step."""
    with contextlib.suppress(IndexError):
        while True:
            yield queue.popleft()
