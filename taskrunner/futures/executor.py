"""An executor as those of ``concurrent.futures`` are, on the work-stealing pool."""

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
    """Threads as ``ThreadPoolExecutor`` has them: named ``prefix_0``, ``prefix_1``, …, and waited for at exit."""

    def __init__(self, prefix: str) -> None:
        self.started: list[threading.Thread] = []
        self._prefix = prefix

    def spawn(self, target: Callable[[], None], name: str) -> Thread:
        """Start a thread; of the name that the pool gives it, only the worker's number is used."""
        number = name.rpartition("-")[2]
        thread = threading.Thread(target=target, name=f"{self._prefix}_{number}", daemon=False)
        thread.start()
        self.started.append(thread)
        return thread


class WorkStealingExecutor(Executor):
    """Make calls in a pool of threads; in the place of ``concurrent.futures.ThreadPoolExecutor``.

    The interface is the same, and so is what happens to futures, at shutdown, at the interpreter's exit
    and to an executor that is not used any more. What differs:

    * A task may wait for another task of the same executor, also with one worker. While it waits its
      thread runs that task, or others that belong to it.
    * Tasks that a task submits go before those from outside, newest first. Tasks from outside start in
      the order in which they were submitted. Neither waits for ever for the other.
    * All workers start with the first task, and the first task starts when all are there.
    * ``map`` has the ``buffersize`` of Python 3.14.

    Args:
        max_workers: the number of threads; default: one for each core that this process may use.
        thread_name_prefix: threads are named ``prefix_N``.
        initializer: called in each thread first. If it raises, the executor is broken: tasks that are
            queued end with ``BrokenThreadPool``, and ``submit`` raises it.
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
        """Have ``fn(*args, **kwargs)`` called, and return the future of its result.

        Raises:
            RuntimeError: the executor is shut down, or the interpreter is, or there are no threads to be had.
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
            fn: is called with one item of each iterable.
            *iterables: are read at once, unless there is a ``buffersize``.
            timeout: seconds from this call in which all results must come.
            chunksize: means nothing to threads.
            buffersize: how many calls are submitted whose results have not been taken; when one is
                taken, the next items are read.

        Raises:
            TimeoutError: by the iterator, when the time is up.
            TypeError: ``buffersize`` is no integer.
            ValueError: ``buffersize`` is not positive.

        """
        if buffersize is None:
            return super().map(fn, *iterables, timeout=timeout, chunksize=chunksize)
        if not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        clock = Deadline(timeout)
        calls = zip(*iterables, strict=False)
        futures = deque(self.submit(fn, *args) for args in itertools.islice(calls, buffersize))
        return _buffered_results(weakref.ref(self), fn, calls, futures, clock)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002  as the base has it
        """Take no more tasks.

        Args:
            wait: return when all tasks that were queued have been run and the threads have ended.
            cancel_futures: cancel those that have not started; whoever waits for them is told. The first one
                of all counts as started: the workers start for it.

        Raises:
            RuntimeError: with ``wait``, when a task of this executor calls it: it would wait for itself.

        """
        self._tasks.close()
        if cancel_futures:
            self._tasks.cancel_queued()
        if wait:
            self._tasks.join()

    # Not public, but looked at in ThreadPoolExecutor by more than its own tests.

    @property
    def _threads(self) -> list[threading.Thread]:
        return self._platform.started

    @property
    def _broken(self) -> str:
        return self._tasks.broken


def _buffered_results[T](
    executor: "weakref.ref[Executor]",  # results that nobody takes do not keep it alive
    fn: Callable[..., T],
    calls: Iterator[tuple[Any, ...]],
    futures: deque[Future[T]],
    clock: Deadline,
) -> Iterator[T]:
    try:
        while futures:
            if (owner := executor()) is not None and (args := next(calls, None)) is not None:
                futures.append(owner.submit(fn, *args))
            del owner
            yield _result_or_cancel(futures.popleft(), clock)
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel[T](future: Future[T], clock: Deadline) -> T:
    try:
        return future.result(clock.left())
    finally:
        future.cancel()
        del future  # an error that is raised knows this frame
