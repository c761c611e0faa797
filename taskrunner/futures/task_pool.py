"""The threads and queues of one executor. It does not know the executor, so that that can be collected.

The injector
------------
Tasks from outside go into one queue, the injector, first in, first out. The pool itself does not know
it. It knows one item that stands for all that is in there, the fetch token: a worker that gets it takes a
task from the injector, and if there are more it puts the token back for the next worker. A worker that
has run a task takes the next one straight from the injector (``TaskWorker.bind``), so while tasks come as
fast as they are run neither side has anything to do with the pool's locks.

``_lock`` guards ``_refusal``, ``_pool``, ``_posted``, and additions to the injector. Whoever lets go of it
leaves this true:

1. If the injector holds a task, then the token is in the pool's inbox, or a worker has it and is about
   to take ``_lock``.
2. If ``_posted`` is up, the token is in one of these two places, and tasks are taken.

``submit`` just adds its task if ``_posted`` is up. Otherwise it sees whether tasks are taken, puts the
token, adds its task, and raises ``_posted``, in this order: should an exception come between, a
KeyboardInterrupt say, there is a token too many, which does no harm. The worker with the token lowers
``_posted`` if it finds the injector empty, and puts the token back if it does not. Tasks are taken out
without ``_lock``, each by one atomic ``popleft``, which cannot make either untrue.

The first task of all is not in the injector: the workers are started for it, and it is theirs from then on, in
``_first``. The first token, which is in the pool's inbox before there are workers, hands it out without
``_lock``, since ``submit`` has that while the workers start. So the task can begin before ``submit`` returns, and
to cancel what is queued does not cancel it: in ``ThreadPoolExecutor`` it has begun by then, as good as always.
``_first`` is written under ``_lock`` until the workers are let in, and then by the one that gets the token.

Submit and shutdown
-------------------
A pool stops when all of its workers are parked, nothing is queued that it knows, and nobody holds it. The
task pool holds it from its start until it is closed. Nothing is lost:

* *From outside:* ``submit`` looks at ``_refusal`` and adds the task under one hold of ``_lock``; ``close``
  sets ``_refusal`` under ``_lock`` and lets go of the pool after that. So either ``submit`` raises, or the task
  and its token are there when the pool is let go of. A pool with an item in its inbox does not stop.
* *From a task:* the worker that runs it is not parked, and will not be before its own deque is empty. So
  what it pushes is run, whether the pool is held or not. The refusal is looked at without ``_lock``: a
  task that is submitted while the pool is being closed may still be taken.

Giving up
---------
When the executor is collected its callback runs in any thread, at any place, even in a worker that holds
the pool's own lock. There it must not take that lock. So in a thread of this pool it leaves the close token
in the worker's own deque, which this worker looks into before it parks. (If the collector ran between that
look and the sleep, the worker finds the token when it wakes up, after BACKSTOP seconds at the latest.)
``_closer`` is a lock that is taken once: whoever gets it lets go of the pool.
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
AFTER_ALL_ELSE = -1
AFTER_SHUTDOWN = "cannot schedule new futures after shutdown"
BROKEN = "A thread initializer failed, the thread pool is not usable anymore"


class Token:
    """An item of the pool that is no task."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run

    def is_pending(self) -> bool:
        """Say whether it is still to be run: nobody runs it but who takes it out of its queue."""
        return True


class TaskPool:
    """Workers that run tasks. They start with the first task, all together.

    ``initializer`` is called in each of them before any runs a task. Without ``owner``, once it has been
    collected, they go home when all tasks are done.
    """

    def __init__(
        self,
        workers: int,
        platform: Platform,
        initializer: Callable[..., object] | None = None,
        initargs: Args = (),
        owner: object = None,
    ) -> None:
        self._number_of_workers = workers
        self._platform = platform
        self._initializer = initializer
        self._initargs = initargs
        self._shared = SharedState(platform.deque(), tuple(threading.RLock() for _ in range(LOCK_COUNT)))
        self._next_number = itertools.count().__next__
        self._locks = self._shared.locks
        self._inject = self._shared.injector.append
        self._fetch_token = Token(self._fetch)
        self._first_token = Token(self._take_first)
        self._close_token = Token(self.release)
        self._refusal: tuple[type[RuntimeError], str] | None = None
        self._owner = None if owner is None else weakref.ref(owner)
        self._watch: weakref.ref[object] | None = None
        self._set_up()

    def _set_up(self) -> None:
        self._lock = self._platform.lock()
        self._closer = self._platform.lock()
        self._posted = False
        self._pool: Pool | None = None
        self._first: TaskFuture | None = None
        self._shared.injector.clear()
        self._shared.workers.clear()

    @property
    def broken(self) -> str:
        """Why the pool is broken; empty: it is not."""
        kind, why = self._refusal or (RuntimeError, "")
        return why if kind is BrokenThreadPool else ""

    # -- tasks in ------------------------------------------------------------------------------------

    def submit(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> TaskFuture:
        """Queue a call: from a task of this pool in its worker's own deque, else in the injector.

        Raises:
            RuntimeError: the pool is closed, or the system does not give so many threads.
            BrokenThreadPool: an initializer failed.

        """
        helper = CURRENT.helper
        if helper is not None and helper.locks is self._locks:
            self._check_open()
            return helper.submit(fn, args, kwargs)
        future = TaskFuture(self._locks[self._next_number() % LOCK_COUNT], fn, args, kwargs)
        with self._lock:
            if self._posted:
                self._inject(future)
            else:
                self._inject_first(future)
        return future

    def _check_open(self) -> None:
        if self._refusal is not None:
            kind, why = self._refusal
            raise kind(why)

    def _inject_first(self, future: TaskFuture) -> None:
        self._check_open()
        if self._pool is None:
            try:
                self._start_with(future)
            except TaskrunnerError as error:
                raise RuntimeError(str(error)) from None
            return
        self._pool.inject(self._fetch_token, AFTER_ALL_ELSE)
        self._inject(future)
        self._posted = True

    def _start_with(self, future: TaskFuture) -> None:
        LIFETIME.enroll(self)
        self._shared.workers.clear()  # of a start that failed
        pool = Pool(self._number_of_workers, lambda worker, _: self._bind(pool, worker), platform=self._platform)
        pool.hold()
        pool.inject(self._first_token, AFTER_ALL_ELSE)
        try:
            self._pool, self._first = pool, future
            pool.start()
        except BaseException:  # KeyboardInterrupt, too
            self._pool = self._first = None
            raise
        self._watch_owner()

    def _watch_owner(self) -> None:
        owner = self._owner and self._owner()
        if owner is not None:
            self._watch = weakref.ref(owner, lambda _: self._abandon())

    # -- in the workers ------------------------------------------------------------------------------

    def _bind(self, pool: Pool, worker: int) -> Execute:
        try:
            if self._initializer is not None:
                self._initializer(*self._initargs)
        except BaseException:  # noqa: BLE001  as ThreadPoolExecutor does
            LOGGER.critical("Exception in initializer:", exc_info=True)
            self._break()
        gate = self._platform.lock()
        gate.acquire()
        task_worker = TaskWorker(self._shared, lambda: pool.local_queue(worker), gate)
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
                self._pool.inject(self._fetch_token, AFTER_ALL_ELSE)
        return future

    def _break(self) -> None:
        with self._lock:
            self._posted = False
            self._refusal = (BrokenThreadPool, BROKEN)
            futures = [self._take_first(), *drain(self._shared.injector)]
        for future in futures:
            if future is not None and future.claim():
                future.set_exception(BrokenThreadPool(BROKEN))

    # -- the end ---------------------------------------------------------------------------------------

    def close(self, why: str = AFTER_SHUTDOWN) -> None:
        """Take no more tasks, and let the workers go home when they have run those that are queued."""
        with self._lock:
            self._posted = False
            if self._refusal is None:
                self._refusal = (RuntimeError, why)
        self.release()

    def release(self) -> None:
        """Let go of the pool, once: its workers go home when nothing is queued."""
        if self._pool is not None and self._closer.acquire(blocking=False):
            self._watch = None
            self._pool.release()

    def _abandon(self) -> None:
        """Let go of the pool, wherever the calling thread is."""
        helper = CURRENT.helper
        if helper is not None and helper.locks is self._locks:
            helper.leave(self._close_token)
        else:
            self.release()

    def cancel_queued(self) -> None:
        """Cancel the tasks that nobody has taken yet, and tell those who wait for them; not the first of all."""
        queues = [self._shared.injector, *self._queues()]
        while any(queues):  # a thief may have put something behind our back
            for item in itertools.chain.from_iterable(map(drain, queues)):
                if isinstance(item, TaskFuture) and item.cancel():
                    item.claim()

    def join(self) -> None:
        """Wait until the workers have gone home.

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

    def start_over(self) -> None:
        """Forget the workers and what is queued: this process is a fork, and has none of them."""
        CURRENT.helper = None
        for queue in self._queues():
            queue.clear()  # the forking thread may be a worker, and go on
        for lock in self._locks:
            lock._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001  as the library does with its own
        self._set_up()


def drain(queue: deque[Any]) -> Iterator[Any]:
    """Take items out of a queue from its left end, each by one atomic step, until it is empty."""
    with contextlib.suppress(IndexError):
        while True:
            yield queue.popleft()
