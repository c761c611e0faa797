"""Task router: sends ready tasks to a deque, to the global queue or to the event loop, or lets them wait for slots."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from taskrunner.errors import InternalError
from taskrunner.execution.resources import ResourcePools
from taskrunner.execution.timer import Timer, nanoseconds
from taskrunner.nodes.context import Cancellation
from taskrunner.plan.task import ASYNC, COMMAND, Task
from taskrunner.pool.pool import Pool

type Push = Callable[[Task], None]


class OffloadRunner(Protocol):
    """Runner of tasks on the event loop."""

    async def run_offloaded(self, task: Task, directory: Path) -> Task | None:
        """Run a task until it is complete; return a task that became ready as a result."""


class EventLoop(Protocol):
    """The thread that awaits async nodes and commands."""

    def submit(self, create: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the coroutine that ``create`` returns."""

    def cancellable(self, cancellation: Cancellation) -> AbstractContextManager[None]:
        """Let an interrupt cancel the asyncio task inside this context."""


class Router(ABC):
    """Router of ready tasks within the named pools. Any thread may call it with a task that the thread owns."""

    def __init__(self, resources: ResourcePools, timer: Timer) -> None:
        self._resources = resources
        self.timer = timer

    def route(self, task: Task, push: Push) -> None:
        """Route a ready task; if a named pool is full, the task waits until another task releases its slot."""
        if task.details.pools and not to_be_skipped(task):
            if not self._resources.acquire(task, task.details.pools, task.details.priority):
                return
            task.details.holds_slots = True
        self._enqueue_ready(task, push)

    def release_slots(self, task: Task, push: Push) -> None:
        """Release the slots of a finished task, and enqueue the tasks that acquire them."""
        task.details.holds_slots = False
        for admitted in self._resources.release(task.details.pools):
            admitted.details.holds_slots = True
            self._enqueue_ready(admitted, push)

    @abstractmethod
    def enqueue(self, task: Task) -> None:
        """Enqueue a task, which the caller then no longer owns."""

    @abstractmethod
    def enqueue_later(self, task: Task, seconds: float) -> None:
        """Enqueue a task after a delay. It holds no worker and no slot during this time."""

    @abstractmethod
    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        """Replace a worker whose call was abandoned, and complete its task with ``end``."""

    @abstractmethod
    def _enqueue_ready(self, task: Task, push: Push) -> None:
        """Enqueue a task that holds its slots in the named pools."""


class LocalRouter(Router):
    """Router to the worker pool of this process and to its event loop."""

    def __init__(
        self,
        resources: ResourcePools,
        pool: Pool,
        loop: EventLoop | None,
        directory: Path,
        timer: Timer,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        super().__init__(resources, timer)
        self._pool = pool
        self._loop = loop
        self._directory = directory
        self.runner: OffloadRunner
        self._on_crash = on_crash

    def close(self) -> None:
        """Break the reference cycles, so that reference counting alone frees the run."""
        del self.runner, self._pool

    def enqueue(self, task: Task) -> None:
        """Enqueue a task in the global queue of the pool; its worker does not count as a thief."""
        self._pool.inject(task, task.details.priority)

    def enqueue_later(self, task: Task, seconds: float) -> None:
        """Enqueue a task after a delay; the pool waits for it."""

        def enqueue() -> None:
            try:
                task.ready_at = time.perf_counter_ns()
                self.route(task, self.enqueue)
            finally:
                self._pool.release()

        self._pool.hold()
        try:
            self.timer.at(time.perf_counter_ns() + nanoseconds(seconds), enqueue, keeps_delay=task.details.always)
        except BaseException:
            self._pool.release()
            raise

    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        """Replace a worker whose call was abandoned, and complete its task with ``end``."""
        self._pool.hold()
        try:
            self._pool.replace(worker)
            next_task = end()
            if next_task is not None:
                self.enqueue(next_task)
        except BaseException as error:  # noqa: BLE001  the system cannot start a thread, or our bug
            self._on_crash(error)
            self._pool.abandon()
        finally:
            self._pool.release()

    def cancellable(self, cancellation: Cancellation) -> AbstractContextManager[None]:
        """Let an interrupt cancel the asyncio task inside this context."""
        return self._event_loop().cancellable(cancellation)

    def _offload(self, task: Task) -> None:
        """Run a task on the event loop; the pool waits for it."""
        loop = self._event_loop()
        self._pool.hold()
        try:
            loop.submit(lambda: self._run(task))
        except BaseException:
            self._pool.release()
            raise

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
            next_task = await self.runner.run_offloaded(task, self._directory)
            if next_task is not None:
                self.enqueue(next_task)
        except BaseException as error:  # noqa: BLE001  our bug: the pool must not wait forever
            self._on_crash(error)
        finally:
            self._pool.release()


def to_be_skipped(task: Task) -> bool:
    """Return whether a task is skipped because of a predecessor."""
    return task.blocked is not None and not task.details.always
