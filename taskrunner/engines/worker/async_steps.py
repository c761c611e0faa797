"""Execution of an asynchronous work item, an async node or a command, on the event loop of the worker process.

The event loop has its own thread. A coroutine that blocks the loop delays other async nodes, but not the communication
of the engine. ``_lock`` ensures that exactly one thread starts the loop.
"""

import asyncio
import functools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextvars import Context
from pathlib import Path
from typing import Any

from taskrunner.engines.messages import DONE, OutputFile, WorkItem
from taskrunner.engines.worker import steps
from taskrunner.engines.worker.reporter import Send, StepReporter
from taskrunner.engines.worker.step_inputs import StepInputs, bind_step, check_condition
from taskrunner.engines.worker.worker_run import StoppedError, get_run
from taskrunner.errors import InternalError
from taskrunner.nodes.binding import bind
from taskrunner.nodes.command import Command, run_command
from taskrunner.nodes.context import LOOP_CONTEXT, Cancellation, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.event_loop import LoopThread
from taskrunner.plan.task import COMMAND
from taskrunner.safe.private_files import make_private
from taskrunner.storage.run_directory import output_files

_OUTPUT = ".output"

_lock = threading.Lock()
_threads: list[LoopThread] = []


def start_item(
    item: WorkItem,
    results: Sequence[Any],
    worker: str,
    send: Send,
    scratch: Path,
    new_context: steps.NewContext = Context,
) -> Future[Any]:
    """Start an asynchronous work item of one step; the future yields its result, or a FailedResult.

    ``worker`` is the address of this process. A command runs in the run's directory within ``scratch``, and its output
    stays there.
    """
    attempt = _Attempt(item, results, command_directory(item.run, scratch))
    coroutine = attempt.run(StepReporter(item, worker, 0, send))
    return new_context().run(asyncio.run_coroutine_threadsafe, coroutine, _loop())


def command_directory(run: str, scratch: Path) -> Path:
    """Return the working directory for the commands of a run."""
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

    def __init__(self, item: WorkItem, results: Sequence[Any], directory: Path) -> None:
        (self.step,) = item.steps
        self._inputs = StepInputs(results)
        self._call_record = steps.CallRecord()
        self._run = get_run(item.run)
        self._directory = directory

    async def run(self, reporter: StepReporter) -> Any:
        """Run the attempt to its end, and report it."""
        reporter.begin(0, time.time_ns(), time.perf_counter_ns())
        try:
            value = await self._run_cancellable()
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            ended = time.perf_counter_ns()
            state, failure = steps.classify_error(self.step, error, self._call_record)
            reporter.report(0, state, ended, failure=failure, output_files=self._output_files())
            return steps.make_failed_result(self.step, state, failure)
        ended = time.perf_counter_ns()
        entry = steps.make_entry(self.step, value)
        reporter.report(
            0, DONE, ended, entry=entry, output_files=self._output_files(), is_pinned=steps.is_pinned(value, entry)
        )
        return value

    async def _run_cancellable(self) -> Any:
        """Run unless the run is stopped; a cancellation because of the stop does not count as a failure."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise InternalError("outside of an asyncio task")
        with self._run.attempt(self.step, functools.partial(_cancel, loop, task)) as cancellation:
            check_condition(self.step, self._inputs)
            try:
                return await self._run_with_timeout(cancellation)
            except asyncio.CancelledError:
                if self._run.is_cancelled and not self.step.always:
                    raise StoppedError("the run was stopped") from None
                raise

    async def _run_with_timeout(self, cancellation: Cancellation) -> Any:
        seconds = self.step.timeout
        if not seconds:
            return await self._run_once(cancellation)
        # Code that the node runs on other threads is notified of the timeout through ``cancelled``.
        notification = asyncio.get_running_loop().call_later(seconds, cancellation.event.set)
        try:
            async with asyncio.timeout(seconds) as limit:
                value = await self._run_once(cancellation)
        except TimeoutError:
            if not limit.expired():  # raised by the node
                raise
        finally:
            notification.cancel()
        is_seen = cancellation.is_seen and not self._run.is_cancelled  # just before the limit expired
        if limit.expired() or is_seen:  # even if the node suppressed the cancellation
            raise NodeTimeoutError(seconds)
        return value

    async def _run_once(self, cancellation: Cancellation) -> Any:
        if self.step.kind == COMMAND:
            return await self._run_command()
        args, kwargs = self._call_record.arguments = bind_step(self.step, self._inputs)
        LOOP_CONTEXT.set(Current(self.step.node, self.step.attempt, cancellation))
        return await steps.resolve_function(self.step, self._run)(*args, **kwargs)

    async def _run_command(self) -> Any:
        templates, item = self.step.templates, self._inputs.unpack(self.step.item)
        result_of = self._inputs.result_of(self.step)
        make_private(self._directory / _OUTPUT)
        command = Command(
            bind(templates.argv, result_of, item),
            bind(templates.env, result_of, item) or {},
            str(self._directory / (self.step.cwd or "")),
            bind(templates.stdin, result_of, item),
            self.step.capture,
        )
        return await run_command(command, self._directory / _OUTPUT, self.step.node)

    def _output_files(self) -> tuple[OutputFile, OutputFile] | None:
        if self.step.kind != COMMAND:
            return None
        paths = output_files(self._directory / _OUTPUT, self.step.node)
        return steps.read_output_files(paths) if paths[0].exists() else None  # it failed before its start


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], cancellation: Cancellation) -> None:
    def cancel() -> None:
        cancellation.is_seen = True  # the task is suspended, so asyncio raises CancelledError where it waits
        task.cancel()

    loop.call_soon_threadsafe(cancel)
