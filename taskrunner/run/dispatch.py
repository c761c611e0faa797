"""Where a task goes that does not simply go on a deque: into the inbox, to the event loop, or to wait."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from taskrunner.errors import InternalError
from taskrunner.pool.pool import Pool
from taskrunner.run.limits import Limits
from taskrunner.run.plan import ASYNC, COMMAND, Task
from taskrunner.tasks.loop import LoopThread

type Push = Callable[[Task], None]


class OffloadRunner(Protocol):
    """Whatever runs a task on the event loop."""

    async def offloaded(self, task: Task, folder: Path) -> Task | None:
        """Run a task to its end; return one that became ready by that."""


class Dispatcher:
    """Places tasks that are ready. Any thread may call it, with a task that is its own."""

    def __init__(
        self,
        limits: Limits,
        pool: Pool,
        loop: LoopThread | None,
        commands: int,
        folder: Path,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._limits = limits
        self._pool = pool
        self._loop = loop
        self._folder = folder
        self.command_places = asyncio.Semaphore(commands)
        self.runner: OffloadRunner | None = None
        self._on_crash = on_crash

    def route(self, task: Task, push: Push) -> None:
        """Place a task; one that finds a named pool full waits until another gives its place back."""
        if task.limits and not _to_be_skipped(task):
            if not self._limits.acquire(task, task.limits, task.priority):
                return
            task.holding = True
        self._place(task, push)

    def give_back(self, task: Task, push: Push) -> None:
        """Give back a finished task's places, and place the tasks that got them."""
        task.holding = False
        for admitted in self._limits.release(task.limits):
            admitted.holding = True
            self._place(admitted, push)

    def offload(self, task: Task) -> None:
        """Run a task on the event loop; the pool waits for it."""
        if self._loop is None or self.runner is None:
            raise InternalError(f"no event loop for {task}")
        runner = self.runner
        self._pool.hold()
        self._loop.submit(lambda: self._run(task, runner))

    def put(self, task: Task) -> None:
        """Put a task into the pool's inbox."""
        self._pool.put(task, task.priority)

    def _place(self, task: Task, push: Push) -> None:
        if task.kind in (ASYNC, COMMAND) and not _to_be_skipped(task):
            self.offload(task)
        elif task.priority:
            self.put(task)
        else:
            push(task)

    async def _run(self, task: Task, runner: "OffloadRunner") -> None:
        try:
            following = await runner.offloaded(task, self._folder)
            if following is not None:
                self.put(following)
        except BaseException as error:  # noqa: BLE001  a bug of ours: it must not leave the pool waiting
            self._on_crash(error)
        finally:
            self._pool.release()


def _to_be_skipped(task: Task) -> bool:
    return task.blocked is not None and not task.always
