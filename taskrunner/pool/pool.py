"""The life of the pool's threads: start together, work, go home together."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.pool.local_queue import LocalQueue
from taskrunner.pool.parking import Parking
from taskrunner.pool.platform import Lock, Platform, Thread
from taskrunner.pool.policy import Policy
from taskrunner.pool.worker import AbandonedError, Bind, take_over, work

# Seconds that a signal's handler may have to wait: the system may give the signal to a thread that runs none.
JOIN_INTERVAL_S = 0.1


class Pool:
    """A work-stealing pool of ``workers`` threads.

    ``bind(worker, push)`` is called in each worker's own thread and returns ``execute(item)``, which
    runs an item, pushes what became ready but for one, and returns that one or None. The pool ends
    by itself when nothing is queued, nothing runs and nothing is held; what is put after that is lost.
    ``on_steal`` is called by the thief with each item that it takes from another worker's deque. ``policy`` says
    who is robbed and who is woken first.
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
        self._crash: list[BaseException] = []
        # The barrier: each worker's deque in its place, each worker's door, and how many are in.
        self._deques: list[deque[Any]] = [deque()] * workers
        self._start_barrier: list[Lock] = []
        self._lock = self._platform.lock()
        self._present = 0
        self._called_off = False
        self._replaced = 0
        self.inject = self._parking.inject
        self.hold = self._parking.hold
        self.release = self._parking.release
        self.abandon = self._parking.abandon

    def start(self, items: Sequence[Any] = ()) -> None:
        """Start the workers, the items dealt out among them; none works before all are there.

        Raises:
            TaskrunnerError: the system does not give so many threads; none of them has worked.

        """
        for _ in range(self.workers):
            door = self._platform.lock()
            door.acquire()
            self._start_barrier.append(door)
        for worker in range(self.workers):
            # A worker pops its newest item first: dealt backwards, the items start in their order.
            roots = items[worker :: self.workers][::-1]
            try:
                thread = self._platform.spawn(self._thread(worker, roots), f"{self._name}-{worker}")
            except BaseException as error:  # KeyboardInterrupt, too: those that are there must not wait for ever
                self._called_off = True
                self._parking.abandon()
                self._open_start_barrier()
                if not isinstance(error, RuntimeError):
                    raise
                raise TaskrunnerError(f"cannot start {self.workers} threads: {error}") from None
            self._threads.setdefault(worker, thread)  # it may have been replaced by now

    @property
    def queues(self) -> Sequence[deque[Any]]:
        """The workers' deques, to take from as a thief does; empty ones before the workers are there."""
        return self._deques

    def local_queue(self, worker: int) -> LocalQueue:
        """Return a worker's own queue, to an item that runs in it."""
        mine = self._deques[worker]
        return LocalQueue(mine, self._parking.flags_of(mine), self._parking.wake_one)

    def replace(self, worker: int) -> None:
        """Start a thread in the place of a worker that is lost in an item, whose ``execute`` raises LostError.

        The caller holds the pool meanwhile, so that it does not go home. Nobody waits for the lost thread.

        Raises:
            RuntimeError: the system gives no more threads.

        """
        self._replaced += 1
        self._threads.pop(worker, None)  # also if there is to be no other: join must not wait for it
        name = f"{self._name}-{worker}-{self._replaced}"
        self._threads[worker] = self._platform.spawn(lambda: self._take_over(worker), name)

    def join(self) -> None:
        """Wait until the workers have gone home.

        The wait is cut into pieces, so that a signal's handler runs soon on every platform.

        Raises:
            BaseException: whatever ``execute`` raised, which it must not.

        """
        while not self._parking.wait_until_stopped(JOIN_INTERVAL_S):
            pass
        for thread in list(self._threads.values()):
            while thread.is_alive():
                thread.join(JOIN_INTERVAL_S)
        if self._crash:
            raise self._crash[0]

    def _thread(self, worker: int, roots: Sequence[Any]) -> Callable[[], None]:
        def run() -> None:
            with self._reporting():
                work(worker, roots, self._bind, self._parking, self._platform, self._wait_at_start, self._on_steal)

        return run

    def _take_over(self, worker: int) -> None:
        with self._reporting():
            take_over(worker, self._deques, self._bind, self._parking, self._on_steal)

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except AbandonedError:
            pass
        except BaseException as error:  # noqa: BLE001  kept for join, which raises it
            self._crash.append(error)
            self._parking.abandon()
            self._open_start_barrier()

    def _wait_at_start(self, worker: int, mine: deque[Any]) -> Sequence[deque[Any]]:
        """Wait until every worker has come here, the last of whom opens all doors; return all deques.

        No deques: it was called off, nobody is to work.
        """
        with self._lock:
            self._deques[worker] = mine
            self._present += 1
            is_last = self._present == self.workers
        if is_last:
            self._open_start_barrier()
        self._start_barrier[worker].acquire()
        return () if self._called_off else self._deques

    def _open_start_barrier(self) -> None:
        for door in self._start_barrier:
            with contextlib.suppress(RuntimeError):  # open already
                door.release()
