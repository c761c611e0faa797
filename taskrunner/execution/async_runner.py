"""What the event loop's thread does with one task: an async node or a command, within its time-out."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP
from taskrunner.execution.attempt import Attempt
from taskrunner.execution.router import LocalRouter
from taskrunner.execution.runner import Runner, clock
from taskrunner.execution.state import RunState
from taskrunner.nodes import inputs
from taskrunner.nodes.context import LOOP_CONTEXT, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.outcome import Skip
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import COMMAND, Task


class AsyncRunner(Runner):
    """Runs tasks on the event loop; what comes of it is as on a worker.

    ``_open`` has the attempt and the start of each node that runs: changed on the loop's thread alone, and read by
    others by ``dict.copy``, which is atomic.
    """

    def __init__(self, plan: Plan, state: RunState, dispatcher: LocalRouter) -> None:
        self._open: dict[str, tuple[int, int]] = {}
        self._cancellable = dispatcher.cancellable
        super().__init__(EVENT_LOOP, plan, state, dispatcher, dispatcher.enqueue)

    def running_at(self, now: int) -> list[Running]:
        """Return what runs on the event loop at a moment; any thread may ask."""
        opened = self._open.copy()
        return [Running(node, self._worker, attempt, (now - began) / 1e9) for node, (attempt, began) in opened.items()]

    async def offloaded(self, task: Task, folder: Path) -> Task | None:
        """Run an async node or a command on the event loop."""
        from asyncio import CancelledError  # only such nodes need it

        started = clock()
        try:
            if why := self.skip_reason(task):
                return self.skip_or_fail(task, why, started)
            with contextlib.nullcontext() if task.details.always else self._cancellable():
                value = await self._tracked(task, folder, started)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            if isinstance(error, CancelledError) and self.state.cancelled.is_set():
                return self.stop(task, started)
            return self.fail(task, error, started)
        return self.complete(task, value, started)

    async def _tracked(self, task: Task, folder: Path, started: int) -> Any:
        """Run a task, and have it stand among what runs meanwhile."""
        self._open[task.id] = task.details.attempt, started
        try:
            return await self._with_timeout(task, folder)
        finally:
            del self._open[task.id]

    async def _with_timeout(self, task: Task, folder: Path) -> Any:
        from asyncio import get_running_loop, timeout

        details = task.details
        if not details.timeout:
            return await self._awaited(task, folder, self._cancelled(task))
        # What the node has handed to other threads is told of its own time-out as well.
        attempt = Attempt(details.attempt, lambda *_: None, is_always=details.always)
        self.state.open_attempt(attempt)
        telling = get_running_loop().call_later(details.timeout, attempt.cancelled.set)
        try:
            async with timeout(details.timeout) as limit:
                value = await self._awaited(task, folder, attempt.cancelled)
        except TimeoutError:
            if not limit.expired():  # the node's own
                raise
        finally:
            telling.cancel()
            self.state.settle(attempt)
        if limit.expired():  # whatever the node made of its being cancelled
            raise NodeTimeoutError(details.timeout)
        return value

    async def _awaited(self, task: Task, folder: Path, cancelled: Event) -> Any:
        if task.details.kind == COMMAND:
            return await self._command(task, folder)
        LOOP_CONTEXT.set(Current(task.id, task.details.attempt, cancelled))
        return await self._call(task)

    async def _command(self, task: Task, folder: Path) -> Any:
        from taskrunner.nodes.command import run_command

        source = task.details.templates or task.vertex
        command = inputs.command(task.vertex.options, source, self._results_of(task), task.details.item)
        run: Callable[..., Any] = run_command
        if self._reuse is not None and task.vertex.options.creates:
            run = self._reuse.command(task, self._results_of)
        if task.details.retry is None:
            task.drop_inputs()
        return await run(command, folder, task.id)

    def stop(self, task: Task, started: int) -> Task | None:
        """End a task that was cancelled because the run was interrupted."""
        why = Skip("stopped")
        return self._end(task, started, clock(), why, why)
