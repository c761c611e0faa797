"""Async runner: executes async nodes and commands on the event loop, within their timeouts."""

import contextlib
from pathlib import Path
from typing import Any

from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP
from taskrunner.execution.attempt import Attempt
from taskrunner.execution.router import LocalRouter
from taskrunner.execution.runner import Runner, clock
from taskrunner.execution.state import RunState
from taskrunner.nodes.context import LOOP_CONTEXT, Cancellation, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import COMMAND, Task


class AsyncRunner(Runner):
    """Runner for the tasks of the event loop; their outcomes are handled as on a worker.

    Thread safety: ``_active`` maps each running node to its attempt and its start. Only the loop's thread changes it.
    Other threads read it with ``dict.copy``, which is atomic.
    """

    def __init__(self, plan: Plan, state: RunState, router: LocalRouter) -> None:
        self._active: dict[str, tuple[int, int]] = {}
        self._cancellable = router.cancellable
        super().__init__(EVENT_LOOP, plan, state, router, router.enqueue)

    def running_at(self, now: int) -> list[Running]:
        """Return the nodes that run on the event loop at the timestamp ``now``; any thread may call this."""
        active = self._active.copy()
        return [Running(node, self._worker, attempt, (now - start) / 1e9) for node, (attempt, start) in active.items()]

    async def run_offloaded(self, task: Task, directory: Path) -> Task | None:
        """Run an async node or a command on the event loop."""
        from asyncio import CancelledError  # imported on demand: synchronous nodes do not use asyncio

        started, details = clock(), task.details
        attempt = Attempt(details.attempt, _never, is_always=details.always) if details.timeout else None
        cancellation = self._new_cancellation(task) if attempt is None else attempt.cancellation
        try:
            if skip := self.skip_reason(task):
                return self.skip_or_fail(task, skip, started)
            if details.always:
                self.state.record_start(task.vertex.id)
            with contextlib.nullcontext() if details.always else self._cancellable(cancellation):
                value = await self._run_tracked(task, directory, started, attempt or cancellation)
        except BaseException as error:  # noqa: BLE001  a node may raise any error; it is the node's failure
            if isinstance(error, CancelledError) and self.state.cancelled.is_set():
                return self.cancel(task, started)
            return self.fail(task, error, started)
        return self.cancel(task, started) if cancellation.is_seen else self.complete(task, value, started)

    async def _run_tracked(self, task: Task, directory: Path, started: int, cancellable: Attempt | Cancellation) -> Any:
        """Run a task, and list it among the running nodes for this time."""
        self._active[task.id] = task.details.attempt, started
        try:
            if isinstance(cancellable, Attempt):
                return await self._run_with_timeout(task, directory, cancellable)
            return await self._await_result(task, directory, cancellable)
        finally:
            del self._active[task.id]

    async def _run_with_timeout(self, task: Task, directory: Path, attempt: Attempt) -> Any:
        from asyncio import get_running_loop, timeout

        details = task.details
        # The timeout also sets ``cancelled`` for threads that the node has started, such as with asyncio.to_thread.
        self.state.open_attempt(attempt)
        cancellation = get_running_loop().call_later(details.timeout, attempt.cancelled.set)
        try:
            async with timeout(details.timeout) as limit:
                value = await self._await_result(task, directory, attempt.cancellation)
        except TimeoutError:
            if not limit.expired():  # raised by the node
                raise
        finally:
            cancellation.cancel()
            self.state.settle(attempt)
        is_seen = attempt.cancellation.is_seen and not self.state.cancelled.is_set()  # just before the limit expired
        if limit.expired() or is_seen:  # even if the node has suppressed its cancellation
            raise NodeTimeoutError(details.timeout)
        return value

    async def _await_result(self, task: Task, directory: Path, cancellation: Cancellation) -> Any:
        if task.details.kind == COMMAND:
            from taskrunner.nodes.command import run_command

            return await self._run_command(task, directory, run_command)
        LOOP_CONTEXT.set(Current(task.id, task.details.attempt, cancellation))
        return await self._call(task)


def _never(attempt: Attempt, seconds: float) -> None:
    """Do not abandon an attempt on the event loop: asyncio cancels it."""
