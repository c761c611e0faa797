"""What the calls of one run did: in which order they began, what they returned, and what they were handed."""

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
from taskrunner.stress.digest import content, digest
from taskrunner.stress.interleaving import Interleaving

FAILED = "failed: "
SKIPPED = "skipped"
_DEEPEST = 2
_MOST = 1_000  # objects of one call that are looked at
_UNCHANGING = (*ATOMS, frozenset, type, type(len), type(lambda: 0))


class CallLog:
    """Wraps the functions of a plan, whose nodes then leave what they did here.

    Any thread writes: ``list.append``, and into dicts one key of its own for each node. ``is_tracking``: look for what
    each call changes of what it was handed. That is exact with one worker only.
    """

    def __init__(
        self, meeting: Interleaving | None = None, *, is_sharing: bool = False, is_tracking: bool = False
    ) -> None:
        self.meeting = meeting
        self.began: list[str] = []
        self.ended: list[str] = []
        self.results: dict[str, str] = {}
        self.shown: dict[str, str] = {}
        self.handed: dict[str, list[Any]] = {}  # the objects themselves: so no other gets the number of one of them
        self.changed: dict[str, set[int]] = {}
        self.failure: Failure | None = None  # the first that is not allowed
        self._is_sharing = is_sharing or is_tracking
        self._is_tracking = is_tracking

    def wrap(self, plan: Plan) -> None:
        """Put this watch around each function of a plan."""
        for task in plan.tasks:
            if task.function is not None:
                around = self._around_async if task.details.call_kind == ASYNC else self._around
                task.function = around(task.function)

    def close(self, result: RunResult) -> None:
        """Add what became of the nodes, from the run's result."""
        for node, value in result.outputs.items():
            self._store(node, value)
        for node in result.skipped:
            self.results[node] = self.shown[node] = SKIPPED
        self.failure = next((failure for failure in result.failures if not failure.allowed), None)
        for failure in result.failures:
            self.results[failure.node] = FAILED + type(failure.error).__name__
            self.shown[failure.node] = FAILED + failure.message

    @property
    def starts(self) -> list[str]:
        """The nodes in the order in which they first began."""
        return list(dict.fromkeys(self.began))

    @property
    def ends(self) -> list[str]:
        """The nodes in the order in which they first ended, by an error as well."""
        return list(dict.fromkeys(self.ended))

    def _store(self, node: str, value: Any) -> None:
        self.results[node] = digest(value)
        self.shown[node] = format_arguments([value], {})[1:-1]

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            node = current_node_id()
            self.began.append(node)
            before = self._snapshot(node, args, kwargs)
            value = self._disturbed(node, functools.partial(self._to_its_end, node, function, args, kwargs))
            self._compare(node, before)
            self._store(node, value)
            return value

        return call

    def _to_its_end(
        self, node: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        try:
            return function(*args, **kwargs)
        finally:  # at once: before any yield
            self.ended.append(node)

    def _around_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            node = current_node_id()
            value = await function(*args, **kwargs)
            self._store(node, value)
            return value

        return call

    def _disturbed(self, node: str, function: Callable[[], Any]) -> Any:
        """Call a function: in turns with another where it is to meet one, else with a yield on either side."""
        if self.meeting is None:
            return function()
        if node in self.meeting.pair:
            return self.meeting.call(node, function)
        time.sleep(0)
        value = function()
        time.sleep(0)
        return value

    def _snapshot(self, node: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[Any, str]]:
        """Note what a call is handed; return each object with its content, if that is to be tracked."""
        if not self._is_sharing:
            return []
        self.handed[node] = found = list(_objects([*args, *kwargs.values()]))
        return [(value, content(value)) for value in found] if self._is_tracking else []

    def _compare(self, node: str, before: Iterable[tuple[Any, str]]) -> None:
        changed = {id(value) for value, was in before if content(value) != was}
        if changed:
            self.changed[node] = changed


def _objects(values: Iterable[Any]) -> Iterable[Any]:
    """Return the objects that can change among some values and what these hold, each once."""
    found: dict[int, Any] = {}
    level = list(values)
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, _UNCHANGING) or id(value) in found or len(found) >= _MOST:
                continue
            if isinstance(value, list | tuple | set):
                inner += value
            elif isinstance(value, dict):
                inner += value.values()
            if not isinstance(value, tuple):
                found[id(value)] = value
        level = inner
    return found.values()
