"""Dry cache: the cache of a dry run. It finds the results that a run would find, and stores none."""

from collections.abc import Callable
from pathlib import Path

from taskrunner.events.types import Event
from taskrunner.execution.dry.unknown import UndecidedError
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import Task
from taskrunner.reuse.cache import Cache
from taskrunner.reuse.run_cache import RunCache


class _CacheView(Cache):
    """The entries of a cache; nothing changes them, and a read does not count as a use."""

    def get(self, key: str) -> bytes | None:
        return self.peek(key)

    def put(self, key: str, payload: bytes) -> None:
        """Store nothing."""

    def remove(self, key: str) -> None:
        """Remove nothing."""


class DryRunCache(RunCache):
    """The cache from the view of a dry run.

    - ``on_repeat`` is called with the id of a node that the cache lacks, and an equal task: the first of them that is
      executed stores the result for the other one.

    Thread safety: one thread uses it.
    """

    def __init__(self, directory: Path, plan: Plan, on_repeat: Callable[[str, Task], None], *, force: bool) -> None:
        self._reasons: dict[int, str] = {}
        self._missed: dict[str, str] = {}
        self._on_repeat = on_repeat
        super().__init__(_CacheView(directory), plan, _ignore, force=force)

    def reason(self, task: Task) -> str:
        """Return why the result of a task that was not found does not come from the cache."""
        return self._reasons.get(task.vertex.index, "the run is forced" if self._force else "")

    def miss(self, task: Task, key: str, reason: str) -> None:
        """Record why a result is missing.

        Raises:
            UndecidedError: an equal node lacks the result as well.

        """
        if self._force:
            return
        self._reasons[task.vertex.index] = reason
        first = self._missed.setdefault(key, task.id)
        if first != task.id:
            self._on_repeat(first, task)
            raise UndecidedError(f"it equals {first}, and the first of them stores its result")

    def warn(self, task: Task, reason: str) -> None:
        """Record why a node is not cached."""
        self._reasons[task.vertex.index] = f"it is not cached: {reason}"


def _ignore(_: Event) -> None:
    """Drop an event."""
