"""What a process does with a work that waits: an async node or a command, on one event loop of its own.

The loop has a thread of its own: a coroutine that blocks it holds up other nodes, but not what the engine has to say
to others meanwhile. ``_lock`` lets one thread start it.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from taskrunner.engines.messages import DONE, OutputFile, WorkItem
from taskrunner.engines.worker import steps
from taskrunner.engines.worker.reporter import Send, StepReporter
from taskrunner.engines.worker.step_inputs import StepInputs, bind_step, check_condition
from taskrunner.engines.worker.worker_run import StoppedError, worker_run
from taskrunner.errors import InternalError
from taskrunner.nodes.binding import bind
from taskrunner.nodes.command import Command, run_command
from taskrunner.nodes.context import LOOP_CONTEXT, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.event_loop import LoopThread
from taskrunner.plan.task import COMMAND
from taskrunner.safe.private_files import make_private
from taskrunner.storage.run_directory import output_files

_OUTPUT = ".output"

_lock = threading.Lock()
_threads: list[LoopThread] = []


def start_work(work: WorkItem, results: Sequence[Any], address: str, send: Send, scratch: Path) -> Future[Any]:
    """Start a work that waits, of one step; the future has its result, or a Broken.

    A command works in the run's folder in ``scratch``, and leaves its output there.
    """
    attempt = _Attempt(work, results, folder_of(work.run, scratch))
    return asyncio.run_coroutine_threadsafe(attempt.run(StepReporter(work, address, 0, send)), _loop())


def folder_of(run: str, scratch: Path) -> Path:
    """Return the folder in which the commands of a run work."""
    return scratch / f"taskrunner-{run}"


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _threads:
            thread = LoopThread()
            thread.start()
            _threads.append(thread)
        return _threads[0].loop


class _Attempt:
    """The attempt of an async node or a command."""

    def __init__(self, work: WorkItem, results: Sequence[Any], folder: Path) -> None:
        (self.step,) = work.steps
        self._given = StepInputs(results)
        self._made = steps.CallRecord()
        self._here = worker_run(work.run)
        self._folder = folder

    async def run(self, teller: StepReporter) -> Any:
        """Run to the end, and tell of it."""
        teller.begin(0, time.time_ns(), time.perf_counter_ns())
        try:
            value = await self._cancellable()
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            ended = time.perf_counter_ns()
            state, failure = steps.failure_report(self.step, error, self._made)
            teller.report(0, state, ended, failure=failure, output_files=self._output_files())
            return steps.failed_result(self.step, state, failure)
        ended = time.perf_counter_ns()
        entry = steps.entry_of(self.step, value)
        teller.report(
            0, DONE, ended, entry=entry, output_files=self._output_files(), is_pinned=steps.is_pinned(value, entry)
        )
        return value

    async def _cancellable(self) -> Any:
        """Run, unless the run is stopped; being cancelled because of that is no failure."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise InternalError("outside of an asyncio task")
        with self._here.attempt(self.step, lambda: _cancel(loop, task)) as cancelled:
            check_condition(self.step, self._given)
            try:
                return await self._with_timeout(cancelled)
            except asyncio.CancelledError:
                if self._here.is_cancelled and not self.step.always:
                    raise StoppedError("the run was stopped") from None
                raise

    async def _with_timeout(self, cancelled: threading.Event) -> Any:
        seconds = self.step.timeout
        if not seconds:
            return await self._awaited(cancelled)
        # What the node has handed to other threads is told of its own time-out as well.
        telling = asyncio.get_running_loop().call_later(seconds, cancelled.set)
        try:
            async with asyncio.timeout(seconds) as limit:
                value = await self._awaited(cancelled)
        except TimeoutError:
            if not limit.expired():  # the node's own
                raise
        finally:
            telling.cancel()
        if limit.expired():  # whatever the node made of its being cancelled
            raise NodeTimeoutError(seconds)
        return value

    async def _awaited(self, cancelled: threading.Event) -> Any:
        if self.step.kind == COMMAND:
            return await self._command()
        args, kwargs = self._made.arguments = bind_step(self.step, self._given)
        LOOP_CONTEXT.set(Current(self.step.node, self.step.attempt, cancelled))
        return await steps.function_of(self.step, self._here)(*args, **kwargs)

    async def _command(self) -> Any:
        templates, item = self.step.templates, self._given.unpack(self.step.item)
        result_of = self._given.result_of(self.step)
        make_private(self._folder / _OUTPUT)
        command = Command(
            bind(templates.argv, result_of, item),
            bind(templates.env, result_of, item) or {},
            str(self._folder / (self.step.cwd or "")),
            bind(templates.stdin, result_of, item),
            self.step.capture,
        )
        return await run_command(command, self._folder / _OUTPUT, self.step.node)

    def _output_files(self) -> tuple[OutputFile, OutputFile] | None:
        if self.step.kind != COMMAND:
            return None
        paths = output_files(self._folder / _OUTPUT, self.step.node)
        return steps.output_files(paths) if paths[0].exists() else None  # it was not even to be started


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    loop.call_soon_threadsafe(task.cancel)
