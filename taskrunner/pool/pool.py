"""Thread pool: the life cycle of the worker threads, which start together and exit together."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.pool.local_queue import LocalQueue
from taskrunner.pool.parking import Parking
from taskrunner.pool.platform import Lock, Platform, Thread
from taskrunner.pool.policy import Policy
from taskrunner.pool.worker import AbandonedError, Bind, run_worker, take_over

# The longest delay of a signal handler: the system may deliver the signal to a thread that runs no handlers.
JOIN_INTERVAL_S = 0.1


class Pool:
    """Work-stealing pool of ``workers`` threads.

    Each worker calls ``bind(worker, push)`` in its own thread, which returns ``execute(item)``. ``execute`` runs an
    item, pushes all but one of the items that became ready, and returns that one, or None.

    The pool stops when no item is queued or running and no hold is left. Items that are injected later are lost.

    The thief calls ``on_steal`` with each item that it takes from another worker's deque. ``policy`` determines the
    victim order and which idle worker wakes first.
    """

    def __init__(
        self,
        workers: int,
        bind: Bind,
        *,
        platform: Platform | None = None,
        on_steal: Callable[[Any], None] = lambda _: None,
        on_lost_wakeup: Callable[[], None] = lambda: None,
        policy: Policy | None = None,
        name: str = "taskrunner",
    ) -> None:
        if workers < 1:
            raise UsageError(f"a pool needs at least 1 worker, not {workers}")
        self.workers = workers
        self._bind = bind
        self._on_steal = on_steal
        self._name = name
        self._platform = platform or Platform()
        self._parking = Parking(workers, self._platform, on_lost_wakeup, policy)
        self._threads: dict[int, Thread] = {}
        self._errors: list[BaseException] = []
        # Start barrier: each worker's deque at its index, a lock for each worker, and the number of arrived workers.
        self._deques: list[deque[Any]] = [deque()] * workers
        self._start_barrier: list[Lock] = []
        self._lock = self._platform.lock()
        self._arrived = 0
        self._is_start_cancelled = False
        self._replacements = 0
        self.inject = self._parking.inject
        self.hold = self._parking.hold
        self.release = self._parking.release
        self.abandon = self._parking.abandon

    def start(self, items: Sequence[Any] = ()) -> None:
        """Start the workers, with the items distributed among them; no item runs before all workers have arrived.

        Raises:
            TaskrunnerError: the system cannot start that many threads; no item has run.

        """
        for _ in range(self.workers):
            lock = self._platform.lock()
            lock.acquire()
            self._start_barrier.append(lock)
        for worker in range(self.workers):
            # A worker pops its newest item first: in reverse, the items start in their order.
            roots = items[worker :: self.workers][::-1]
            try:
                thread = self._platform.spawn(self._create_target(worker, roots), f"{self._name}-{worker}")
            except BaseException as error:  # also KeyboardInterrupt: the arrived workers must not wait forever
                self._is_start_cancelled = True
                self._parking.abandon()
                self._open_start_barrier()
                if not isinstance(error, RuntimeError):
                    raise
                raise TaskrunnerError(f"cannot start {self.workers} threads: {error}") from None
            self._threads.setdefault(worker, thread)  # it may have been replaced by now

    @property
    def queues(self) -> Sequence[deque[Any]]:
        """The workers' deques, to take from as a thief does; empty deques until the workers have arrived."""
        return self._deques

    def local_queue(self, worker: int) -> LocalQueue:
        """Return a worker's local queue, for an item that runs on this worker."""
        items = self._deques[worker]
        return LocalQueue(items, self._parking.find_flags(items), self._parking.wake_one)

    def replace(self, worker: int) -> None:
        """Replace a worker whose thread is stuck in an item, and whose ``execute`` later raises AbandonedError.

        The caller holds the pool until this returns, so that the pool cannot stop. ``join`` does not wait for the
        abandoned thread.

        Raises:
            RuntimeError: the system cannot start another thread.

        """
        self._replacements += 1
        self._threads.pop(worker, None)  # also if the replacement fails: join must not wait for this thread
        name = f"{self._name}-{worker}-{self._replacements}"
        self._threads[worker] = self._platform.spawn(lambda: self._take_over(worker), name)

    def join(self) -> None:
        """Wait until the workers have exited.

        The wait is split into short intervals, so that a signal handler runs soon on every platform.

        Raises:
            BaseException: an exception of ``execute``, which must not raise.

        """
        while not self._parking.wait_until_stopped(JOIN_INTERVAL_S):
            pass
        for thread in list(self._threads.values()):
            while thread.is_alive():
                thread.join(JOIN_INTERVAL_S)
        if self._errors:
            raise self._errors[0]

    def _create_target(self, worker: int, roots: Sequence[Any]) -> Callable[[], None]:
        def run() -> None:
            with self._capturing_errors():
                run_worker(
                    worker, roots, self._bind, self._parking, self._platform, self._wait_at_start, self._on_steal
                )

        return run

    def _take_over(self, worker: int) -> None:
        with self._capturing_errors():
            take_over(worker, self._deques, self._bind, self._parking, self._on_steal)

    @contextlib.contextmanager
    def _capturing_errors(self) -> Iterator[None]:
        try:
            yield
        except AbandonedError:
            pass
        except BaseException as error:  # noqa: BLE001  stored for join, which raises it
            self._errors.append(error)
            self._parking.abandon()
            self._open_start_barrier()

    def _wait_at_start(self, worker: int, items: deque[Any]) -> Sequence[deque[Any]]:
        """Wait until every worker has arrived, and return all deques; the last worker opens the barrier.

        Return no deques if the start was cancelled; no worker may run an item then.
        """
        with self._lock:
            self._deques[worker] = items
            self._arrived += 1
            is_last = self._arrived == self.workers
        if is_last:
            self._open_start_barrier()
        self._start_barrier[worker].acquire()
        return () if self._is_start_cancelled else self._deques

    def _open_start_barrier(self) -> None:
        for lock in self._start_barrier:
            with contextlib.suppress(RuntimeError):  # already released
                lock.release()
