"""What a process does with a work that has come to it: run its steps, and tell of each.

Any thread runs works, and each may be asked to stop. What is shared is this:

* ``_open``: the attempts that run now. One item is set or removed by the thread that runs the attempt; ``halt``
  reads a copy. Each of these is atomic for a dict.
* ``_stopped``: set once, never taken back. An attempt is put into ``_open`` before it reads it; ``halt`` stores it
  before it copies ``_open``: so one of both sees the other.
* The reports that wait in a ``Teller``: its lock, which is held while they are sent, so that they stay in order.
"""

import contextlib
import functools
import io
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec

from taskrunner.engines.movable import can_move
from taskrunner.engines.teller import Send, Teller
from taskrunner.engines.work import (
    DONE,
    FAILED,
    MOST_BYTES,
    PICK,
    SKIPPED,
    STOPPED,
    Absent,
    Broken,
    Gathered,
    Slot,
    Step,
    Stuck,
    Trouble,
    Work,
    Written,
)
from taskrunner.errors import InternalError, TaskrunnerError
from taskrunner.nodes import inputs
from taskrunner.nodes.binding import MISSING, fill
from taskrunner.nodes.context import HERE, Current
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.nodes.resolve import resolve_attribute
from taskrunner.nodes.retry import wait_before
from taskrunner.plan.outcome import Call, describe
from taskrunner.plan.task import CALL, MAP
from taskrunner.storage.journal import Entry, bounded_entry, is_larger
from taskrunner.storage.serialization import NotStorableError, pack


class StoppedError(TaskrunnerError):
    """A step does not begin, or was cancelled: the run was stopped."""


class SkippedError(TaskrunnerError):
    """A step's guard is falsy."""


class NeedsBrokenError(TaskrunnerError):
    """A result that was there once is not there any more, or cannot come here."""


def check_whole(value: Any) -> None:
    """Refuse a result that is none.

    Raises:
        NeedsBrokenError: it was lost, and its node failed when it ran again; or it could not be moved.

    """
    if type(value) is Stuck:
        raise NeedsBrokenError(f"a result cannot be moved: {value.message}")
    if type(value) is Broken:
        raise NeedsBrokenError(f'needs "{value.node}", which failed when it was run again: {value.message}')


class Given:
    """What a step is given: the results that came with its work, and that of the step before."""

    def __init__(self, results: Sequence[Any]) -> None:
        self.results = results
        self.previous: Any = None

    def unpacked(self, value: Any) -> Any:
        """Return a value with the results in the places of its slots.

        Raises:
            NeedsBrokenError: one of them was lost, and its node failed when it ran again.

        """
        if type(value) is Slot:
            value = self.previous if value.number < 0 else self.results[value.number]
            check_whole(value)
            return value
        if type(value) is Gathered:
            parts = [self.unpacked(part) for part in value.parts]
            return [None if part is MISSING else part for part in parts]
        return MISSING if type(value) is Absent else value

    def result_of(self, step: Step) -> Callable[[str], Any]:
        """Return what gives a node's result, for the templates of a step."""
        return functools.cache(lambda node: self.unpacked(step.given[node]))


class LocalRun:
    """What this process keeps of one run: whether it is stopped, what runs, and the functions that its calls name."""

    def __init__(self) -> None:
        self._stopped = False
        self.is_cancelled = False
        self._open: dict[object, tuple[threading.Event, Callable[[], None]]] = {}
        self.resolve = functools.cache(resolve_attribute)

    def halt(self, *, cancel: bool) -> None:
        """Have no step begin any more; ``cancel``: cancel those that run."""
        self._stopped = True
        if cancel:
            self.is_cancelled = True
            for cancelled, call in self._open.copy().values():
                cancelled.set()
                call()

    @contextlib.contextmanager
    def opened(self, step: Step, call: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
        """Have an attempt stand among those that run; ``call`` cancels it.

        Raises:
            StoppedError: it is not to begin.

        """
        cancelled, key = threading.Event(), object()
        if step.always:
            yield cancelled
            return
        self._open[key] = cancelled, call
        try:
            if self._stopped:
                raise StoppedError("the run was stopped")
            yield cancelled
        finally:
            del self._open[key]


# By the id of the run. ``setdefault`` is atomic, so all threads get the same one.
_runs: dict[str, LocalRun] = {}


def local_run(run: str) -> LocalRun:
    """Return what this process keeps of a run."""
    return _runs.setdefault(run, LocalRun())


def forget(run: str) -> None:
    """Forget a run that is over."""
    _runs.pop(run, None)


def run_work(work: Work, results: Sequence[Any], site: str, send: Send) -> Any:
    """Run a work on the calling thread; return its last result, or a Broken. ``site`` is this process's address."""
    given = Given(results)
    teller = Teller(work, site, threading.get_ident(), send)
    here = local_run(work.run)
    for number, step in enumerate(work.steps):
        teller.begin(number, time.time_ns(), time.perf_counter_ns())
        made = Made()
        try:
            value = _run_step(step, given, here, made)
        except BaseException as error:  # noqa: BLE001  a node may raise anything; it is the node's failure
            ended = time.perf_counter_ns()
            state, trouble = ended_badly(step, error, made)
            teller.tell(number, state, ended, trouble=trouble, cpu=made.cpu)
            return broken(step, state, trouble)
        ended = time.perf_counter_ns()
        entry = entry_of(step, value)
        found = {"entry": entry, "cpu": made.cpu, **_items_of(step, value)}
        is_fixed = step is work.steps[-1] and is_stuck(value, entry)
        teller.tell(number, DONE, ended, is_fixed=is_fixed, **found)
        given.previous = value
    return given.previous


def broken(step: Step, state: str, trouble: Trouble | None) -> Broken:
    """Return what stands for the result of a work that ended with this step."""
    return Broken(step.node, trouble.message if trouble else state)


class Made:
    """A call that was made: its arguments, for the case that it fails, and the nanoseconds of CPU time that it took."""

    given: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    cpu = 0


def check_guard(step: Step, given: Given) -> None:
    """Look at a step's guard.

    Raises:
        SkippedError: it is falsy.
        BindingError: its reference leads nowhere.

    """
    if step.is_guarded and not fill(step.templates.guard, given.result_of(step)):
        raise SkippedError("its guard is falsy")


def bound(step: Step, given: Given) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a step's call.

    Raises:
        BindingError: a reference leads nowhere.

    """
    if step.is_flat:
        return [given.unpacked(value) for value in step.args], {}
    args = [fill(template, given.result_of(step), given.unpacked(step.item)) for template in step.args]
    return args, fill(step.templates.kwargs, given.result_of(step), given.unpacked(step.item)) or {}


def function_of(step: Step, here: LocalRun) -> Callable[..., Any]:
    """Return what a step calls.

    Raises:
        UsageError: it cannot be imported.

    """
    found: Callable[..., Any] = here.resolve(step.call) if isinstance(step.call, str) else step.call
    return found


def _run_step(step: Step, given: Given, here: LocalRun, made: Made) -> Any:
    with here.opened(step) as cancelled:
        check_guard(step, given)
        if step.kind == PICK:
            return given.unpacked(step.args[0])[step.item]
        if step.kind == MAP:
            return inputs.items(step.templates.items, given.result_of(step))
        if step.kind != CALL:
            raise InternalError(f"a step of kind {step.kind} on a thread")
        made.given = bound(step, given)
        call = functools.partial(_called, Current(step.node, step.attempt, cancelled), function_of(step, here), made)
        return _in_time(step, call, cancelled) if step.timeout else call()


def _called(current: Current, function: Callable[..., Any], made: Made) -> Any:
    HERE.find = lambda: current
    args, kwargs = made.given or ((), {})
    began = time.thread_time_ns()
    try:
        return function(*args, **kwargs)
    finally:
        made.cpu = time.thread_time_ns() - began
        HERE.find = None


def _in_time(step: Step, call: Callable[[], Any], cancelled: threading.Event) -> Any:
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


def ended_badly(step: Step, error: BaseException, made: Made) -> tuple[str, Trouble | None]:
    """Return the state of a step that this error has ended, and what is to be told of it."""
    if isinstance(error, StoppedError):
        return STOPPED, None
    if isinstance(error, SkippedError):
        return SKIPPED, None
    trouble = trouble_of(error, Call(step.node, (), step.attempt, made.given))
    wait_s = None if step.retry is None or step.kind == MAP else wait_before(step.retry, step.attempt, error)
    return FAILED, msgspec.structs.replace(trouble, wait_s=wait_s)


def trouble_of(error: BaseException, call: Call = Call("")) -> Trouble:  # noqa: B008  it is frozen
    """Return what is to be told of an error, which ended a call; nothing is to follow."""
    timeout_s, is_lost = (error.seconds, error.is_lost) if isinstance(error, NodeTimeoutError) else (0.0, False)
    failure = describe(msgspec.structs.replace(call, is_running=is_lost), error)
    message, trace, shown = [_readable(text) for text in (failure.message, failure.traceback, failure.arguments)]
    return Trouble(message, trace, shown, pickled(error), None, timeout_s, is_lost)


def _readable(text: str) -> str:
    """Return a text that can be encoded."""
    return text.encode(errors="backslashreplace").decode()


class _ErrorPickler(pickle.Pickler):
    """Pickles errors that their own ``__init__`` would not take back: it asks for more than it hands on as ``args``."""

    def reducer_override(self, obj: Any) -> Any:
        reduce: Any = type(obj).__reduce__
        if not isinstance(obj, BaseException) or reduce is not BaseException.__reduce__:
            return NotImplemented
        return made_anew, (type(obj), obj.args), obj.__dict__ or None


def made_anew(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Return an error as it was, by the ``__init__`` of the class that it has from Python itself."""
    error = kind.__new__(kind, *args)
    inits = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)]
    with contextlib.suppress(Exception):  # what is missing then is a field, not the error
        next(init for init in inits if not isinstance(init, FunctionType))(error, *args)
    return error


def pickled(error: BaseException) -> bytes:
    """Return an error as bytes; none, if it cannot be pickled or takes too much."""
    file = io.BytesIO()
    try:
        _ErrorPickler(file).dump(error)
    except BaseException:  # noqa: BLE001  its methods may raise anything
        return b""
    data = file.getvalue()
    return data if len(data) <= MOST_BYTES else b""


def entry_of(step: Step, value: Any) -> Entry | None:
    """Return the journal's entry of a step, without the result if that is large."""
    return bounded_entry(step.node, value, MOST_BYTES) if step.is_kept else None


def is_stuck(value: Any, entry: Entry | None) -> bool:
    """Say whether a result cannot be moved; what the journal could store can be."""
    return (entry is None or len(entry) == 1) and not can_move(value)


def _items_of(step: Step, value: Any) -> dict[str, Any]:
    """Return what is told of a mapped node's items: how many, and themselves if they are small."""
    if step.kind != MAP:
        return {}
    try:
        data = None if is_larger(value, MOST_BYTES) else pack(value)
    except NotStorableError:
        data = None
    return {"count": len(value), "items": data if data is not None and len(data) <= MOST_BYTES else None}


def what_was_written(paths: tuple[Path, Path]) -> tuple[Written, Written]:
    """Return what is told of the two files that a command has written, one after the other."""
    out, err = [_written(path) for path in paths]
    return out, err


def _written(path: Path) -> Written:
    try:
        size = path.stat().st_size
        return Written(str(path), size, path.read_bytes() if size <= MOST_BYTES else None)
    except OSError:  # it did not even start
        return Written(str(path), 0, b"")
