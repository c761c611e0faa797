"""Executor with the interface of ``concurrent.futures``, on a work-stealing thread pool."""

import itertools
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

from taskrunner.futures.task_pool import TaskPool
from taskrunner.futures.waiting import Deadline
from taskrunner.pool.platform import Platform, Thread


class ExecutorThreads(Platform):
    """Threads as in ``ThreadPoolExecutor``: named ``prefix_0``, ``prefix_1``, …, and joined at interpreter exit."""

    def __init__(self, prefix: str) -> None:
        self.started: list[threading.Thread] = []
        self._prefix = prefix

    def spawn(self, target: Callable[[], None], name: str) -> Thread:
        """Start a thread; only the worker number is taken from the name."""
        number = name.rpartition("-")[2]
        thread = threading.Thread(target=target, name=f"{self._prefix}_{number}", daemon=False)
        thread.start()
        self.started.append(thread)
        return thread


class WorkStealingExecutor(Executor):
    """Drop-in replacement for ``concurrent.futures.ThreadPoolExecutor`` on a work-stealing thread pool.

    The interface is the same. So is the behavior of futures, of shutdown, of interpreter exit, and of an executor
    that is no longer referenced. The differences are:

    * A task may wait for another task of the same executor, even with one worker. Meanwhile its thread runs
      that task, or tasks related to it.
    * Tasks submitted by a task precede tasks submitted from outside, newest first. Tasks from outside start in
      submission order. Neither kind starves the other.
    * The first task starts all workers, and begins when all of them have started.
    * ``map`` has the ``buffersize`` of Python 3.14.

    Args:
        max_workers: the number of threads; default: one for each core that this process may use.
        thread_name_prefix: threads are named ``prefix_N``.
        initializer: called in each thread first. If it raises, the executor is broken: queued tasks
            fail with ``BrokenThreadPool``, and ``submit`` raises it.
        initargs: the initializer's arguments.

    Raises:
        ValueError: ``max_workers`` is not positive.
        TypeError: ``initializer`` is not callable.

    """

    _counter = itertools.count().__next__

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers is None:
            max_workers = os.process_cpu_count() or 1
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = max_workers
        self._platform = ExecutorThreads(thread_name_prefix or f"WorkStealingExecutor-{self._counter()}")
        self._tasks = TaskPool(max_workers, self._platform, initializer, initargs, owner=self)

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(*args, **kwargs)``, and return the future of its result.

        Raises:
            RuntimeError: the executor or the interpreter is shut down, or the system cannot start the threads.
            BrokenThreadPool: an initializer failed.

        """
        return self._tasks.submit(fn, args, kwargs)

    def map[T](
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over the results of ``map(fn, *iterables)``, in that order.

        Args:
            fn: called with one item of each iterable.
            *iterables: consumed immediately, unless there is a ``buffersize``.
            timeout: the seconds from this call within which all results must be available.
            chunksize: ignored, because the workers are threads.
            buffersize: the maximum number of submitted calls whose results the caller has not consumed. When the
                caller consumes a result, the next items are read.

        Raises:
            TimeoutError: raised by the iterator when the timeout expires.
            TypeError: ``buffersize`` is not an integer.
            ValueError: ``buffersize`` is not positive.

        """
        if buffersize is None:
            return super().map(fn, *iterables, timeout=timeout, chunksize=chunksize)
        if not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        deadline = Deadline(timeout)
        calls = zip(*iterables, strict=False)
        futures = deque(self.submit(fn, *args) for args in itertools.islice(calls, buffersize))
        return _buffered_results(weakref.ref(self), fn, calls, futures, deadline)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002  as in the base class
        """Accept no more tasks.

        Args:
            wait: return when all queued tasks have run and the threads have exited.
            cancel_futures: cancel the tasks that have not started, and wake the threads that wait for them. The
                executor's first task counts as started, because the workers start for it.

        Raises:
            RuntimeError: a task of this executor calls this with ``wait``; it would wait for itself.

        """
        self._tasks.close()
        if cancel_futures:
            self._tasks.cancel_queued()
        if wait:
            self._tasks.join()

    # Not public, but other code than the tests of ThreadPoolExecutor reads these two attributes.

    @property
    def _threads(self) -> list[threading.Thread]:
        return self._platform.started

    @property
    def _broken(self) -> str:
        return self._tasks.broken


def _buffered_results[T](
    executor: "weakref.ref[Executor]",  # unconsumed results do not keep it alive
    fn: Callable[..., T],
    calls: Iterator[tuple[Any, ...]],
    futures: deque[Future[T]],
    deadline: Deadline,
) -> Iterator[T]:
    try:
        while futures:
            if (owner := executor()) is not None and (args := next(calls, None)) is not None:
                futures.append(owner.submit(fn, *args))
            del owner
            yield _result_or_cancel(futures.popleft(), deadline)
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel[T](future: Future[T], deadline: Deadline) -> T:
    try:
        return future.result(deadline.remaining())
    finally:
        future.cancel()
        del future  # the traceback of a raised error references this frame
