"""Run cache: the results and commands that one run reuses instead of running them again.

Thread safety: any worker may call it. Its shared state is safe as follows.

- ``_snapshots``, by the index of the vertex, is complete before the workers start, and before any function is
  wrapped.
- ``hits`` is only appended to, and counted at the end.
- ``_warned`` is protected by a lock.
"""

import decimal
import hashlib
import inspect
import threading
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskrunner.events.types import Event, RunWarning
from taskrunner.nodes import inputs
from taskrunner.nodes.binding import MISSING, ResultOf
from taskrunner.nodes.context import has_seen_cancellation
from taskrunner.nodes.resolve import Function
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC, Task
from taskrunner.reuse.cache import Cache
from taskrunner.reuse.code_reader import UnknownCodeError
from taskrunner.reuse.files import Contents, Stamp, expand, stamps
from taskrunner.reuse.fingerprint import Snapshot, value_digest
from taskrunner.reuse.up_to_date import CommandOutputs
from taskrunner.storage.serialization import SerializationError, canonicalize, deserialize, serialize

if TYPE_CHECKING:
    from taskrunner.nodes.command import Command, RunCommand

type ResultsOf = Callable[[Task], ResultOf]


class RunCache:
    """The cache from the view of one run; the caller of ``run`` creates it, in its own context.

    - ``emit`` receives a warning for each node that is not cached.
    - ``force``: the cache is only written.
    - ``hits``: the ids of the nodes whose results came from the cache.
    - ``arithmetic``: the settings of ``decimal`` with which each call starts.
    """

    def __init__(self, cache: Cache, plan: Plan, emit: Callable[[Event], None], *, force: bool = False) -> None:
        self.cache = cache
        self.hits: list[str] = []
        self.contents = Contents()
        self.arithmetic = copy_context().run(_decimal_settings)
        self._force = force
        self._emit: Callable[[Event], None] | None = emit
        self._lock = threading.Lock()
        self._warned: set[tuple[str, str]] = set()
        self._snapshots: dict[int, Snapshot | None] = {}
        self._take_snapshots(plan)

    def _take_snapshots(self, plan: Plan) -> None:
        """Read the code and data of every callable with ``cache``, before any of them runs and changes its module."""
        known: dict[int, Snapshot | None] = {}
        for vertex in plan.dag.special:
            task = plan.task_of(vertex) if vertex.options.cache else None
            if task is None:
                continue
            if id(task.function) not in known:
                known[id(task.function)] = self._take_snapshot(task)
            self._snapshots[vertex.index] = known[id(task.function)]

    def _take_snapshot(self, task: Task) -> Snapshot | None:
        """Return the snapshot of a task's function; if there is none, emit a warning and return None."""
        try:
            return Snapshot(task.function)
        except UnknownCodeError as error:
            self.warn(task, str(error))
            return None

    def close(self) -> None:
        """Break the reference cycle, so that reference counting alone frees the run."""
        self._emit = None

    def function(self, task: Task, results_of: ResultsOf) -> Function:
        """Return the replacement of a task's function, to be called with the same arguments.

        Raises:
            BindingError, TypeError, ValueError: a reference in ``files`` does not exist, or yields no paths.

        """
        files = self._paths(task, "files", results_of)
        code = self._snapshots[task.vertex.index]
        if code is None:
            function: Function = task.function  # the warning was emitted when the run began
            return function
        call = _CachedCall(self, task, code, files)
        return call.run_async if task.details.call_kind == ASYNC else call.run

    def command(self, task: Task, results_of: ResultsOf, run_command: "RunCommand") -> "RunCommand":
        """Return a coroutine function that runs a task's command by ``run_command``, unless it is up to date.

        Raises:
            BindingError, TypeError, ValueError: a reference in ``files`` or ``creates`` does not exist, or yields
                no paths.

        """
        files, creates = self._paths(task, "files", results_of), self._paths(task, "creates", results_of)

        async def run(command: "Command", directory: Path, name: str) -> Any:
            try:
                outputs = CommandOutputs(self.cache, command, files, creates)
                result, reason = (MISSING, "") if self._force else outputs.find()
                if result is not MISSING:
                    return self.hit(task, result)
                self.miss(task, outputs.key, reason)
                outputs.invalidate()
            except (SerializationError, OSError) as error:
                self.warn(task, _describe_error(error))
                return await run_command(command, directory, name)
            value = await run_command(command, directory, name)
            self._write(task, lambda: outputs.store(value))
            return value

        return run

    def find(self, key: str) -> Any:
        """Return the result under a key, or MISSING."""
        data = None if self._force else self.cache.get(key)
        try:
            return MISSING if data is None else deserialize(data)
        except SerializationError:  # its type has changed
            return MISSING

    def store(self, task: Task, key: str, value: Any) -> None:
        """Store a result, if it can be serialized and written."""

        def put() -> str:
            self.cache.put(key, serialize(value))
            return ""

        self._write(task, put)

    def hit(self, task: Task, value: Any) -> Any:
        """Record that a task's result came from the cache; return the result."""
        task.details.cached = True
        self.hits.append(task.id)
        return value

    def miss(self, task: Task, key: str, reason: str) -> None:
        """Take notice that no result of a task is stored under a key; a run does nothing about it, a dry run does."""

    def warn(self, task: Task, reason: str) -> None:
        """Emit why a node is not cached, once for all nodes with the same call and all children of a node."""
        node, call = task.vertex.id, task.vertex.call
        warning = (call or node, reason)
        with self._lock:
            is_known = warning in self._warned
            self._warned.add(warning)
        if not is_known and self._emit is not None:
            subject = f'node "{node}" ({call})' if call else f'node "{node}"'
            self._emit(RunWarning(f"{subject} is not cached: {reason}"))

    def _write(self, task: Task, write: Callable[[], str]) -> None:
        """Write to the cache, and emit a warning if this fails; the node does not fail."""
        try:
            reason = write()
        except (SerializationError, OSError) as error:
            reason = _describe_error(error, "its result")
        if reason:
            self.warn(task, reason)

    @staticmethod
    def _paths(task: Task, name: str, results_of: ResultsOf) -> list[str]:
        templates = (task.details.templates or task.vertex).templates
        return inputs.paths(getattr(templates, name), lambda: results_of(task), task.details.item)


class _CachedCall:
    """One call of a function whose results are cached."""

    def __init__(self, cache: RunCache, task: Task, code: Snapshot, files: list[str]) -> None:
        self._cache = cache
        self._task = task
        self._function = task.function
        self._code = code
        self._files = files
        self._stamps: dict[str, Stamp] = {}

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result, from the cache if possible."""
        key = self._key(args, kwargs)
        if (result := self._find(key)) is not MISSING:
            return result
        value = self._function(*args, **kwargs)
        self._store(key, value)
        return value

    async def run_async(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of an async function, from the cache if possible."""
        key = self._key(args, kwargs)
        if (result := self._find(key)) is not MISSING:
            return result
        value = await self._function(*args, **kwargs)
        self._store(key, value)
        return value

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of this call; if it has none, emit a warning and return an empty string."""
        if change := self._code.find_change():
            self._cache.warn(self._task, change)
            return ""
        self._stamps = stamps(expand(self._files))
        named = list(kwargs.items()) if _observes_order(self._function) else sorted(kwargs.items())
        try:
            arguments = value_digest((args, named))
            files = [(path, self._cache.contents.digest(path, stamp)) for path, stamp in self._stamps.items()]
            parts = ["call", self._code.fingerprint, self._cache.arithmetic, arguments, files]
            return hashlib.sha256(canonicalize(parts)).hexdigest()
        except UnknownCodeError as error:
            self._cache.warn(self._task, f"an argument {str(error).removeprefix('it ')}")
        except (SerializationError, OSError) as error:
            self._cache.warn(self._task, _describe_error(error))
        return ""

    def _find(self, key: str) -> Any:
        if not key:
            return MISSING
        if (result := self._cache.find(key)) is not MISSING:
            return self._cache.hit(self._task, result)
        self._cache.miss(self._task, key, "no result is stored for its code, arguments and files")
        return MISSING

    def _store(self, key: str, value: Any) -> None:
        if not key or has_seen_cancellation():  # the value of a cancelled call may be incomplete
            return
        if stamps(expand(self._files)) != self._stamps:  # the call may have read the later content
            self._cache.warn(self._task, "an input file changed while the node ran")
        elif change := self._code.find_change():
            self._cache.warn(self._task, change)
        else:
            self._cache.store(self._task, key, value)


def _decimal_settings() -> str:
    """Return the precision, rounding and traps of the current context of ``decimal``, without its flags."""
    context = decimal.getcontext().copy()
    context.clear_flags()
    return repr(context)


def _observes_order(function: Function) -> bool:
    """Return whether a function can observe the order of its keyword arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _describe_error(error: Exception, subject: str = "it") -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the cache'}: {error.strerror}"
    return f"{subject} cannot be stored: {error}"
