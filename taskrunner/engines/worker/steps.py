"""Execution of a work item on a thread of a worker process: its steps run in sequence, and each is reported.

Thread safety: any thread executes work items. The shared state is in ``worker_run``, and the reports that wait to be
sent are in a ``StepReporter``; both protect themselves.
"""

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any

import msgspec

from taskrunner.engines.failures import make_step_failure
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
from taskrunner.engines.worker.worker_run import StoppedError, WorkerRun, get_run
from taskrunner.errors import InternalError
from taskrunner.nodes import inputs as node_inputs
from taskrunner.nodes.context import THREAD_CONTEXT, Cancellation, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.retry import delay_before
from taskrunner.plan.outcome import FailedCall
from taskrunner.plan.task import CALL, MAP
from taskrunner.storage.journal import Entry, bounded_entry, is_larger
from taskrunner.storage.serialization import SerializationError, serialize


class CallRecord:
    """Record of a call: its arguments, for the description of a failure, and its CPU time in nanoseconds."""

    arguments: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    cpu = 0


# Returns a new context for a step. It holds the variables of the engine, if any, and none of the caller of ``run``.
type NewContext = Callable[[], Context]


def run_item(item: WorkItem, results: Sequence[Any], worker: str, send: Send, new_context: NewContext = Context) -> Any:
    """Execute a work item on the calling thread; return its last result, or a FailedResult.

    ``worker`` is the address of this process.
    """
    inputs = StepInputs(results)
    reporter = StepReporter(item, worker, threading.get_ident(), send)
    run = get_run(item.run)
    for number, step in enumerate(item.steps):
        reporter.begin(number, time.time_ns(), time.perf_counter_ns())
        call_record = CallRecord()
        try:
            value = new_context().run(_run_step, step, inputs, run, call_record)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            ended = time.perf_counter_ns()
            state, failure = new_context().run(classify_error, step, error, call_record)
            reporter.report(number, state, ended, failure=failure, cpu=call_record.cpu)
            return make_failed_result(step, state, failure)
        ended = time.perf_counter_ns()
        entry = make_entry(step, value)
        fields = {"entry": entry, "cpu": call_record.cpu, **_item_fields(step, value)}
        pinned = step is item.steps[-1] and is_pinned(value, entry)
        reporter.report(number, DONE, ended, is_pinned=pinned, **fields)
        inputs.previous = value
    return inputs.previous


def make_failed_result(step: Step, state: str, failure: StepFailure | None) -> FailedResult:
    """Return the substitute for the result of a work item that ended at this step."""
    return FailedResult(step.node, failure.message if failure else state)


def resolve_function(step: Step, run: WorkerRun) -> Callable[..., Any]:
    """Return the function that a step calls.

    Raises:
        UsageError: it cannot be imported.

    """
    function: Callable[..., Any] = run.resolve(step.call) if isinstance(step.call, str) else step.call
    return function


def _run_step(step: Step, inputs: StepInputs, run: WorkerRun, call_record: CallRecord) -> Any:
    with run.attempt(step) as cancellation:
        check_condition(step, inputs)
        if step.kind == PICK:
            return inputs.unpack(step.args[0])[step.item]
        if step.kind == MAP:
            return node_inputs.items(step.templates.items, inputs.result_of(step))
        if step.kind != CALL:
            raise InternalError(f"a thread cannot execute a step of kind {step.kind}")
        call_record.arguments = bind_step(step, inputs)
        current = Current(step.node, step.attempt, cancellation)
        call = functools.partial(_call, current, resolve_function(step, run), call_record)
        return _call_with_timeout(step, call, cancellation) if step.timeout else call()


def _call(current: Current, function: Callable[..., Any], call_record: CallRecord) -> Any:
    previous, THREAD_CONTEXT.find = THREAD_CONTEXT.find, lambda: current
    args, kwargs = call_record.arguments or ((), {})
    began = time.thread_time_ns()
    try:
        return function(*args, **kwargs)
    finally:
        call_record.cpu = time.thread_time_ns() - began
        THREAD_CONTEXT.find = previous


def _call_with_timeout(step: Step, call: Callable[[], Any], cancellation: Cancellation) -> Any:
    """Run a call in a separate thread, and abandon the thread after the timeout: Python cannot kill a thread."""
    values: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001  raised by the node
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name=f"taskrunner-{step.node}", daemon=True)
    thread.start()
    thread.join(min(step.timeout, threading.TIMEOUT_MAX))
    if thread.is_alive():
        cancellation.event.set()
        raise NodeTimeoutError(step.timeout, is_lost=True)
    if errors:
        raise errors[0]
    return values[0]


def classify_error(step: Step, error: BaseException, call_record: CallRecord) -> tuple[str, StepFailure | None]:
    """Return the state of a step that this error ended, and the description of its failure, if any."""
    if isinstance(error, StoppedError):
        return STOPPED, None
    if isinstance(error, SkippedError):
        return SKIPPED, None
    failure = make_step_failure(error, FailedCall(step.node, (), step.attempt, call_record.arguments))
    wait_s = None if step.retry is None or step.kind == MAP else delay_before(step.retry, step.attempt, error)
    return FAILED, msgspec.structs.replace(failure, wait_s=wait_s)


def make_entry(step: Step, value: Any) -> Entry | None:
    """Return the journal entry of a step, without the result if it is large; None: the step is not journaled."""
    return bounded_entry(step.node, value, MAX_ENTRY_BYTES) if step.is_journaled else None


def is_pinned(value: Any, entry: Entry | None) -> bool:
    """Return whether a result is immovable; a result that the journal can store is movable."""
    return (entry is None or len(entry) == 1) and not is_movable(value)


def _item_fields(step: Step, value: Any) -> dict[str, Any]:
    """Return the report fields for the items of a mapped node: their number, and the items if they are small."""
    if step.kind != MAP:
        return {}
    try:
        data = None if is_larger(value, MAX_ENTRY_BYTES) else serialize(value)
    except SerializationError:
        data = None
    return {"count": len(value), "items": data if data is not None and len(data) <= MAX_ENTRY_BYTES else None}


def read_output_files(paths: tuple[Path, Path]) -> tuple[OutputFile, OutputFile]:
    """Return the report fields for the two output files of a command, in the same order."""
    out, err = [_read_output_file(path) for path in paths]
    return out, err


def _read_output_file(path: Path) -> OutputFile:
    try:
        size = path.stat().st_size
        return OutputFile(str(path), size, path.read_bytes() if size <= MAX_ENTRY_BYTES else None)
    except OSError:  # the command was never started
        return OutputFile(str(path), 0, b"")
