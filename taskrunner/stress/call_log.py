"""Call log: the calls of one run, with their start order, end order, results and argument objects."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from taskrunner.nodes.context import current_node_id
from taskrunner.plan.outcome import Failure
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC
from taskrunner.safe.reprs import format_arguments
from taskrunner.session.result import RunResult
from taskrunner.storage.serialization import ATOMS
from taskrunner.stress.digest import digest, digest_object
from taskrunner.stress.interleaving import Interleaving

FAILED = "failed: "
SKIPPED = "skipped"
_MAX_DEPTH = 2
_MAX_OBJECTS = 1_000  # checked objects of one call
_IMMUTABLE_TYPES = (*ATOMS, frozenset, type, type(len), type(lambda: 0))


class CallLog:
    """A log that wraps the functions of a plan, and records their calls.

    Thread safety: any thread writes, with ``list.append``, or with a separate dict key for each node.

    With ``is_tracking``, the log also records the argument objects that each call modifies. This is exact with one
    worker only.
    """

    def __init__(
        self, interleaving: Interleaving | None = None, *, is_sharing: bool = False, is_tracking: bool = False
    ) -> None:
        self.interleaving = interleaving
        self.started: list[str] = []
        self.ended: list[str] = []
        self.results: dict[str, str] = {}
        self.displayed: dict[str, str] = {}
        self.arguments: dict[str, list[Any]] = {}  # the objects themselves, so that no id is reused
        self.modified: dict[str, set[int]] = {}
        self.failure: Failure | None = None  # the first one that is not allowed
        self._is_sharing = is_sharing or is_tracking
        self._is_tracking = is_tracking

    def wrap(self, plan: Plan) -> None:
        """Wrap each function of a plan with this log."""
        for task in plan.tasks:
            if task.function is not None:
                wrap_call = self._wrap_async_call if task.details.call_kind == ASYNC else self._wrap_call
                task.function = wrap_call(task.function)

    def close(self, result: RunResult) -> None:
        """Add the outcomes of the nodes from the run's result."""
        for node, value in result.outputs.items():
            self._store(node, value)
        for node in result.skipped:
            self.results[node] = self.displayed[node] = SKIPPED
        self.failure = next((failure for failure in result.failures if not failure.allowed), None)
        for failure in result.failures:
            self.results[failure.node] = FAILED + type(failure.error).__name__
            self.displayed[failure.node] = FAILED + failure.message

    @property
    def starts(self) -> list[str]:
        """The nodes in the order of their first starts."""
        return list(dict.fromkeys(self.started))

    @property
    def ends(self) -> list[str]:
        """The nodes in the order of their first ends, including ends by an error."""
        return list(dict.fromkeys(self.ended))

    def _store(self, node: str, value: Any) -> None:
        self.results[node] = digest(value)
        self.displayed[node] = format_arguments([value], {})[1:-1]

    def _wrap_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            node = current_node_id()
            self.started.append(node)
            before = self._snapshot(node, args, kwargs)
            value = self._call_perturbed(node, functools.partial(self._call_and_log_end, node, function, args, kwargs))
            self._compare(node, before)
            self._store(node, value)
            return value

        return call

    def _call_and_log_end(
        self, node: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            return function(*args, **kwargs)
        finally:  # immediately: before any yield
            self.ended.append(node)

    def _wrap_async_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            node = current_node_id()
            value = await function(*args, **kwargs)
            self._store(node, value)
            return value

        return call

    def _call_perturbed(self, node: str, function: Callable[[], Any]) -> Any:
        """Call a function: interleaved if the node is in the pair, else with a yield before and after the call.

        A log without an interleaving calls the function directly.
        """
        if self.interleaving is None:
            return function()
        if node in self.interleaving.pair:
            return self.interleaving.call(node, function)
        time.sleep(0)
        value = function()
        time.sleep(0)
        return value

    def _snapshot(self, node: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[Any, str]]:
        """Record the argument objects of a call; with tracking, return each object with the digest of its content."""
        if not self._is_sharing:
            return []
        self.arguments[node] = objects = list(_find_mutable([*args, *kwargs.values()]))
        return [(value, digest_object(value)) for value in objects] if self._is_tracking else []

    def _compare(self, node: str, before: Iterable[tuple[Any, str]]) -> None:
        modified = {id(value) for value, old_digest in before if digest_object(value) != old_digest}
        if modified:
            self.modified[node] = modified


def _find_mutable(values: Iterable[Any]) -> Iterable[Any]:
    """Return the mutable objects among some values and their elements, each once."""
    objects: dict[int, Any] = {}
    level = list(values)
    for _ in range(_MAX_DEPTH):
        elements: list[Any] = []
        for value in level:
            if isinstance(value, _IMMUTABLE_TYPES) or id(value) in objects or len(objects) >= _MAX_OBJECTS:
                continue
            if isinstance(value, list | tuple | set):
                elements += value
            elif isinstance(value, dict):
                elements += value.values()
            if not isinstance(value, tuple):
                objects[id(value)] = value
        level = elements
    return objects.values()
