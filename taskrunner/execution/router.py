"""Where a task goes that does not simply go on a deque: into the inbox, to the event loop, or to wait."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from taskrunner.errors import InternalError
from taskrunner.execution.resources import ResourcePools
from taskrunner.execution.timer import Timer, nanoseconds
from taskrunner.plan.task import ASYNC, COMMAND, Task
from taskrunner.pool.pool import Pool

type Push = Callable[[Task], None]


class OffloadRunner(Protocol):
    """Whatever runs a task on the event loop."""

    async def offloaded(self, task: Task, folder: Path) -> Task | None:
        """Run a task to its end; return one that became ready by that."""


class EventLoop(Protocol):
    """The thread on which async nodes and commands wait."""

    def submit(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the coroutine that ``make`` returns."""

    def cancellable(self) -> AbstractContextManager[None]:
        """Let an interrupt cancel the asyncio task that is inside."""


class Router(ABC):
    """Places tasks that are ready, within the named pools. Any thread may call it, with a task that is its own."""

    def __init__(self, limits: ResourcePools, timer: Timer) -> None:
        self._limits = limits
        self.timer = timer

    def route(self, task: Task, push: Push) -> None:
        """Place a task; one that finds a named pool full waits until another gives its place back."""
        if task.details.pools and not to_be_skipped(task):
            if not self._limits.acquire(task, task.details.pools, task.details.priority):
                return
            task.details.holds_slots = True
        self._enqueue_ready(task, push)

    def release_slots(self, task: Task, push: Push) -> None:
        """Give back a finished task's places, and place the tasks that got them."""
        task.details.holds_slots = False
        for admitted in self._limits.release(task.details.pools):
            admitted.details.holds_slots = True
            self._enqueue_ready(admitted, push)

    @abstractmethod
    def enqueue(self, task: Task) -> None:
        """Place a task that is not the caller's own any more."""

    @abstractmethod
    def enqueue_later(self, task: Task, seconds: float) -> None:
        """Place a task after some time. It holds no worker and no place meanwhile."""

    @abstractmethod
    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        """Put another thread in the place of a worker whose call is given up, and end its task."""

    @abstractmethod
    def _enqueue_ready(self, task: Task, push: Push) -> None:
        """Place a task that has its places in the pools."""


class LocalRouter(Router):
    """Places tasks on the pool of this process, or on its event loop."""

    def __init__(
        self,
        limits: ResourcePools,
        pool: Pool,
        loop: EventLoop | None,
        folder: Path,
        timer: Timer,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        super().__init__(limits, timer)
        self._pool = pool
        self._loop = loop
        self._folder = folder
        self.runner: OffloadRunner
        self._on_crash = on_crash

    def close(self) -> None:
        """Let go of what leads back here: then a run is freed when nobody holds it, without the collector."""
        del self.runner, self._pool

    def enqueue_later(self, task: Task, seconds: float) -> None:
        """Place a task after some time; the pool waits for it."""

        def place() -> None:
            try:
                task.ready_at = time.perf_counter_ns()
                self.route(task, self.enqueue)
            finally:
                self._pool.release()

        self._pool.hold()
        try:
            self.timer.at(time.perf_counter_ns() + nanoseconds(seconds), place, keeps_delay=task.details.always)
        except BaseException:
            self._pool.release()
            raise

    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        """Put another thread in the place of a worker whose call is given up, and end its task."""
        self._pool.hold()
        try:
            self._pool.replace(worker)
            following = end()
            if following is not None:
                self.enqueue(following)
        except BaseException as error:  # noqa: BLE001  the system gives no more threads, or a bug of ours
            self._on_crash(error)
            self._pool.abandon()
        finally:
            self._pool.release()

    def cancellable(self) -> AbstractContextManager[None]:
        """Let an interrupt cancel the asyncio task that is inside."""
        return self._event_loop().cancellable()

    def _offload(self, task: Task) -> None:
        """Run a task on the event loop; the pool waits for it."""
        loop = self._event_loop()
        self._pool.hold()
        try:
            loop.submit(lambda: self._run(task))
        except BaseException:
            self._pool.release()
            raise

    def enqueue(self, task: Task) -> None:
        """Put a task into the pool's inbox: whichever worker takes it has stolen it from nobody."""
        self._pool.inject(task, task.details.priority)

    def _enqueue_ready(self, task: Task, push: Push) -> None:
        if task.details.kind in (ASYNC, COMMAND) and not to_be_skipped(task):
            self._offload(task)
        elif task.details.priority:
            self.enqueue(task)
        else:
            push(task)

    def _event_loop(self) -> EventLoop:
        if self._loop is None:
            raise InternalError("a plan with async nodes or commands has no event loop")
        return self._loop

    async def _run(self, task: Task) -> None:
        try:
            following = await self.runner.offloaded(task, self._folder)
            if following is not None:
                self.enqueue(following)
        except BaseException as error:  # noqa: BLE001  a bug of ours: it must not leave the pool waiting
            self._on_crash(error)
        finally:
            self._pool.release()


def to_be_skipped(task: Task) -> bool:
    """Say whether a task is not to be run, because of what came before it."""
    return task.blocked is not None and not task.details.always
