"""What a run need not do because it was done before: calls whose results are cached, commands that are up to date.

Any worker calls it. What it keeps is shared so: ``_codes``, by the vertex, is made before the workers start and before
anything is put around a function, ``hits`` is appended to and counted at the end, ``_told`` is guarded by a lock.
"""

import hashlib
import inspect
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskrunner.events.types import Event, RunWarning
from taskrunner.nodes import inputs
from taskrunner.nodes.binding import MISSING, ResultOf
from taskrunner.nodes.resolve import Function
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC, Task
from taskrunner.reuse.cache import Cache
from taskrunner.reuse.files import Contents, Stamp, expand, stamps
from taskrunner.reuse.fingerprint import UnknownCodeError, fingerprint
from taskrunner.reuse.up_to_date import CommandOutputs
from taskrunner.storage.serialization import SerializationError, deserialize, serialize

if TYPE_CHECKING:
    from taskrunner.nodes.command import Command

type ResultsOf = Callable[[Task], ResultOf]


class RunCache:
    """The cache as one run uses it. ``note`` is told why a node is not cached; ``force``: write it only.

    ``hits``: the ids of the nodes whose results came from the cache.
    """

    def __init__(self, cache: Cache, plan: Plan, note: Callable[[Event], None], *, force: bool = False) -> None:
        self.cache = cache
        self.hits: list[str] = []
        self.contents = Contents()
        self._force = force
        self._note: Callable[[Event], None] | None = note
        self._lock = threading.Lock()
        self._told: set[tuple[str, str]] = set()
        self._codes: dict[int, str] = {}
        self._read_codes(plan)

    def _read_codes(self, plan: Plan) -> None:
        """Read the code of all that is called with ``cache``, before any of it runs and may change its module."""
        known: dict[int, str] = {}
        for vertex in plan.dag.special:
            task = plan.task_of(vertex) if vertex.options.cache else None
            if task is None:
                continue
            if id(task.function) not in known:
                known[id(task.function)] = self._read_code(task)
            self._codes[vertex.index] = known[id(task.function)]

    def _read_code(self, task: Task) -> str:
        """Return what stands for a task's code; empty if nothing does, as is told."""
        try:
            return fingerprint(task.function)
        except UnknownCodeError as error:
            self.warn(task, str(error))
            return ""

    def close(self) -> None:
        """Let go of what leads back here: then a run is freed when nobody holds it, without the collector."""
        self._note = None

    def function(self, task: Task, results_of: ResultsOf) -> Function:
        """Return what is called in place of a task's function, with the same arguments.

        Raises:
            BindingError, TypeError, ValueError: what stands in ``files`` leads nowhere, or to no paths.

        """
        files = self._paths(task, "files", results_of)
        code = self._codes[task.vertex.index]
        if not code:
            function: Function = task.function  # as was told when the run began
            return function
        call = _Call(self, task, code, files)
        return call.run_async if task.details.call_kind == ASYNC else call.run

    def command(self, task: Task, results_of: ResultsOf) -> Callable[["Command", Path, str], Coroutine[Any, Any, Any]]:
        """Return what runs a task's command unless it is up to date.

        Raises:
            BindingError, TypeError, ValueError: ``files`` or ``creates`` lead nowhere, or to no paths.

        """
        files, creates = self._paths(task, "files", results_of), self._paths(task, "creates", results_of)

        async def run(command: "Command", folder: Path, name: str) -> Any:
            from taskrunner.nodes.command import run_command  # only commands need it, and what it imports

            try:
                outputs = CommandOutputs(self.cache, command, files, creates)
                found = MISSING if self._force else outputs.result()
                if found is not MISSING:
                    return self.hit(task, found)
                outputs.begin()
            except (SerializationError, OSError) as error:
                self.warn(task, _reason(error))
                return await run_command(command, folder, name)
            value = await run_command(command, folder, name)
            self._write(task, lambda: outputs.store(value))
            return value

        return run

    def find(self, key: str) -> Any:
        """Return the result under a key, or MISSING."""
        found = None if self._force else self.cache.get(key)
        try:
            return MISSING if found is None else deserialize(found)
        except SerializationError:  # its type is not what it was
            return MISSING

    def store(self, task: Task, key: str, value: Any) -> None:
        """Keep a result, if it can be kept."""

        def put() -> str:
            self.cache.put(key, serialize(value))
            return ""

        self._write(task, put)

    def hit(self, task: Task, value: Any) -> Any:
        """Note that a task's result came from the cache; return it."""
        task.details.cached = True
        self.hits.append(task.id)
        return value

    def warn(self, task: Task, why: str) -> None:
        """Say why a node is not cached: once for all that call the same, and for all children of a node."""
        node, call = task.vertex.id, task.vertex.call
        told = (call or node, why)
        with self._lock:
            is_known = told in self._told
            self._told.add(told)
        if not is_known and self._note is not None:
            what = f'node "{node}" ({call})' if call else f'node "{node}"'
            self._note(RunWarning(f"{what} is not cached: {why}"))

    def _write(self, task: Task, write: Callable[[], str]) -> None:
        """Write to the cache; a cache that cannot be written fails no node."""
        try:
            why = write()
        except (SerializationError, OSError) as error:
            why = _reason(error, "its result")
        if why:
            self.warn(task, why)

    @staticmethod
    def _paths(task: Task, name: str, results_of: ResultsOf) -> list[str]:
        templates = (task.details.templates or task.vertex).templates
        return inputs.paths(getattr(templates, name), lambda: results_of(task), task.details.item)


class _Call:
    """One call of a function whose results are cached."""

    def __init__(self, reuse: RunCache, task: Task, code: str, files: list[str]) -> None:
        self._reuse = reuse
        self._task = task
        self._function = task.function
        self._code = code
        self._files = files
        self._stamps: dict[str, Stamp] = {}

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result, from the cache if it is there."""
        key = self._key(args, kwargs)
        if (found := self._find(key)) is not MISSING:
            return found
        value = self._function(*args, **kwargs)
        self._store(key, value)
        return value

    async def run_async(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of an async function, from the cache if it is there."""
        key = self._key(args, kwargs)
        if (found := self._find(key)) is not MISSING:
            return found
        value = await self._function(*args, **kwargs)
        self._store(key, value)
        return value

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of this call; empty if it has none."""
        self._stamps = stamps(expand(self._files))
        named = list(kwargs.items()) if _sees_order(self._function) else sorted(kwargs.items())
        try:
            files = [(path, self._reuse.contents.digest(path, stamp)) for path, stamp in self._stamps.items()]
            return hashlib.sha256(serialize(["call", self._code, args, named, files])).hexdigest()
        except (SerializationError, OSError) as error:
            self._reuse.warn(self._task, _reason(error, "an argument"))
            return ""

    def _find(self, key: str) -> Any:
        found = self._reuse.find(key) if key else MISSING
        return found if found is MISSING else self._reuse.hit(self._task, found)

    def _store(self, key: str, value: Any) -> None:
        if key and stamps(expand(self._files)) != self._stamps:  # it may have read what was there later
            self._reuse.warn(self._task, "a file that it reads was written to while it ran")
        elif key:
            self._reuse.store(self._task, key, value)


def _sees_order(function: Function) -> bool:
    """Say whether a function can see in which order it was given its keyword arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _reason(error: Exception, what: str = "it") -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the cache'}: {error.strerror}"
    return f"{what} cannot be stored: {error}"
