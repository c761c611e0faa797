"""What a process does with a work that has come to it: run its steps, and tell of each.

Any thread runs works, and each may be asked to stop. What is shared is this:

* ``_open``: the attempts that run now. One item is set or removed by the thread that runs the attempt; ``halt``
  reads a copy. Each of these is atomic for a dict.
* ``_stopped``: set once, never taken back. An attempt is put into ``_open`` before it reads it; ``halt`` stores it
  before it copies ``_open``: so one of both sees the other.
* The reports that wait in a ``Teller``: its lock, which is held while they are sent, so that they stay in order.
"""

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from taskrunner.engines.failures import step_failure
from taskrunner.engines.messages import (
    DONE,
    FAILED,
    MAX_ENTRY_BYTES,
    PICK,
    SKIPPED,
    STOPPED,
    FailedResult,
    OutputFile,
    Step,
    StepFailure,
    WorkItem,
)
from taskrunner.engines.worker.picklable import is_movable
from taskrunner.engines.worker.reporter import Send, StepReporter
from taskrunner.engines.worker.step_inputs import SkippedError, StepInputs, bind_step, check_condition
from taskrunner.engines.worker.worker_run import StoppedError, WorkerRun, worker_run
from taskrunner.errors import InternalError
from taskrunner.nodes import inputs
from taskrunner.nodes.context import THREAD_CONTEXT, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.retry import delay_before
from taskrunner.plan.outcome import FailedCall
from taskrunner.plan.task import CALL, MAP
from taskrunner.storage.journal import Entry, bounded_entry, is_larger
from taskrunner.storage.serialization import SerializationError, serialize


def run_work(work: WorkItem, results: Sequence[Any], worker: str, send: Send) -> Any:
    """Run a work on the calling thread; return its last result, or a Broken. ``worker`` is this process's address."""
    given = StepInputs(results)
    teller = StepReporter(work, worker, threading.get_ident(), send)
    here = worker_run(work.run)
    for number, step in enumerate(work.steps):
        teller.begin(number, time.time_ns(), time.perf_counter_ns())
        made = CallRecord()
        try:
            value = _run_step(step, given, here, made)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            ended = time.perf_counter_ns()
            state, failure = failure_report(step, error, made)
            teller.report(number, state, ended, failure=failure, cpu=made.cpu)
            return failed_result(step, state, failure)
        ended = time.perf_counter_ns()
        entry = entry_of(step, value)
        found = {"entry": entry, "cpu": made.cpu, **_items_of(step, value)}
        pinned = step is work.steps[-1] and is_pinned(value, entry)
        teller.report(number, DONE, ended, is_pinned=pinned, **found)
        given.previous = value
    return given.previous


def failed_result(step: Step, state: str, failure: StepFailure | None) -> FailedResult:
    """Return what stands for the result of a work that ended with this step."""
    return FailedResult(step.node, failure.message if failure else state)


class CallRecord:
    """A call that was made: its arguments, for the case that it fails, and the nanoseconds of CPU time that it took."""

    arguments: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    cpu = 0


def function_of(step: Step, here: WorkerRun) -> Callable[..., Any]:
    """Return what a step calls.

    Raises:
        UsageError: it cannot be imported.

    """
    found: Callable[..., Any] = here.resolve(step.call) if isinstance(step.call, str) else step.call
    return found


def _run_step(step: Step, given: StepInputs, here: WorkerRun, made: CallRecord) -> Any:
    with here.attempt(step) as cancelled:
        check_condition(step, given)
        if step.kind == PICK:
            return given.unpack(step.args[0])[step.item]
        if step.kind == MAP:
            return inputs.items(step.templates.items, given.result_of(step))
        if step.kind != CALL:
            raise InternalError(f"a step of kind {step.kind} on a thread")
        made.arguments = bind_step(step, given)
        call = functools.partial(_call, Current(step.node, step.attempt, cancelled), function_of(step, here), made)
        return _with_timeout(step, call, cancelled) if step.timeout else call()


def _call(current: Current, function: Callable[..., Any], made: CallRecord) -> Any:
    THREAD_CONTEXT.find = lambda: current
    args, kwargs = made.arguments or ((), {})
    began = time.thread_time_ns()
    try:
        return function(*args, **kwargs)
    finally:
        made.cpu = time.thread_time_ns() - began
        THREAD_CONTEXT.find = None


def _with_timeout(step: Step, call: Callable[[], Any], cancelled: threading.Event) -> Any:
    """Make a call in a thread of its own, and leave it there when its time is over: Python cannot end a thread."""
    found: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001  the node's own
            errors.append(error)

    thread = threading.Thread(target=run, name=f"taskrunner-{step.node}", daemon=True)
    thread.start()
    thread.join(min(step.timeout, threading.TIMEOUT_MAX))
    if thread.is_alive():
        cancelled.set()
        raise NodeTimeoutError(step.timeout, is_lost=True)
    if errors:
        raise errors[0]
    return found[0]


def failure_report(step: Step, error: BaseException, made: CallRecord) -> tuple[str, StepFailure | None]:
    """Return the state of a step that this error has ended, and what is to be told of it."""
    if isinstance(error, StoppedError):
        return STOPPED, None
    if isinstance(error, SkippedError):
        return SKIPPED, None
    failure = step_failure(error, FailedCall(step.node, (), step.attempt, made.arguments))
    wait_s = None if step.retry is None or step.kind == MAP else delay_before(step.retry, step.attempt, error)
    return FAILED, msgspec.structs.replace(failure, wait_s=wait_s)


def entry_of(step: Step, value: Any) -> Entry | None:
    """Return the journal's entry of a step, without the result if that is large."""
    return bounded_entry(step.node, value, MAX_ENTRY_BYTES) if step.is_journaled else None


def is_pinned(value: Any, entry: Entry | None) -> bool:
    """Say whether a result cannot be moved; what the journal could store can be."""
    return (entry is None or len(entry) == 1) and not is_movable(value)


def _items_of(step: Step, value: Any) -> dict[str, Any]:
    """Return what is told of a mapped node's items: how many, and themselves if they are small."""
    if step.kind != MAP:
        return {}
    try:
        data = None if is_larger(value, MAX_ENTRY_BYTES) else serialize(value)
    except SerializationError:
        data = None
    return {"count": len(value), "items": data if data is not None and len(data) <= MAX_ENTRY_BYTES else None}


def output_files(paths: tuple[Path, Path]) -> tuple[OutputFile, OutputFile]:
    """Return what is told of the two files that a command has written, one after the other."""
    out, err = [_output_file(path) for path in paths]
    return out, err


def _output_file(path: Path) -> OutputFile:
    try:
        size = path.stat().st_size
        return OutputFile(str(path), size, path.read_bytes() if size <= MAX_ENTRY_BYTES else None)
    except OSError:  # it did not even start
        return OutputFile(str(path), 0, b"")
