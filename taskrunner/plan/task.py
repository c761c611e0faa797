"""Task."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from taskrunner.graph.dag import Vertex
from taskrunner.graph.spec import Retry
from taskrunner.nodes.binding import MISSING
from taskrunner.nodes.inputs import ChildTemplates
from taskrunner.plan.outcome import Failure, Skip

CALL = 0


ASYNC = 1


COMMAND = 2


MAP = 3


GATHER = 4


# The pool that every command takes a place in. A file could only name it by meaning to.
COMMAND_SLOTS = "\0commands"


# A rank, in microseconds, stays below the file's priorities.
RANK_BITS = 48


class TaskDetails(msgspec.Struct, eq=False):
    """What a task asks for beyond a plain call; all that ask for nothing share one.

    ``kind``: what is to be done now, and ``call_kind``: what is to be done with the node, or with each of
    its children. ``templates``: those of a child, which share what is filled in. ``holding``: it has a place
    in each of its ``limits``. ``child``: its number among the children of a mapped node, or -1, and
    ``item`` what it is there for. ``expanding``: nanoseconds that a mapped node spent on its children.

    ``retry`` and ``timeout`` (seconds, 0: none) are those of one call. ``is_timed``: a call that may be given
    up. ``attempt`` counts from 1, ``given`` is what it was called with, and ``failed`` the failure of the
    attempt before it.
    ``cached``: its result came from the cache.
    """

    kind: int = CALL
    call_kind: int = CALL
    always: bool = False
    condition: Any = UNSET
    priority: int = 0
    pools: tuple[str, ...] = ()
    holds_slots: bool = False
    templates: ChildTemplates | None = None
    item: Any = None
    child: int = -1
    expanding: int = 0
    retry: Retry | None = None
    timeout: float = 0.0
    is_timed: bool = False
    allow_failure: bool = False
    attempt: int = 1
    arguments: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    last_failure: Failure | None = None
    cached: bool = False


NO_DETAILS = TaskDetails()


class Task(msgspec.Struct, eq=False):
    """The state of one node, or of one child of a mapped node, during one run.

    ``inputs``: the arguments of a flat call, as they are; of any other task the results that it takes,
    in the order of its vertex's ``used``. ``after``: the tasks that wait for this one, and ``slots``:
    for each of them the place in its ``inputs`` for the result of this one, or None.

    ``special``: there is more to do than to call ``function`` with ``inputs``. ``routed``: it does not
    simply go on the deque of whoever made it ready. ``kept``: its result outlives the run. There is one
    for each node: what few ask for is elsewhere, and a Struct is made in a third of the time of a class.
    """

    id: str
    vertex: Vertex
    function: Any
    inputs: Any
    details: TaskDetails
    is_special: bool = False
    is_routed: bool = False
    pending: Iterator[int] | None = None
    successors: Sequence["Task"] = ()
    input_positions: Sequence[int | None] = ()
    ready_at: int = 0
    stolen: bool = False
    is_output: bool = False
    value: Any = MISSING
    blocked: Skip | None = None

    def drop_inputs(self) -> None:
        """Drop what the task has taken: it has what it needs of it. Once is enough."""
        if type(self.inputs) is list:
            self.inputs.clear()
        if self.details is not NO_DETAILS:
            self.details.templates = self.details.item = self.details.arguments = None

    def expand(self, items: list[Any]) -> list["Task"]:
        """Make one child for each item, and become the one that gathers their results.

        The children get this task's templates; results that nobody takes are not gathered. What comes
        before the node is over by now: the gathering task waits for its children alone, and does not run
        when one of them failed. There must be an item: nothing would arrive at the gathering task otherwise.
        """
        mapped = self.details
        templates, mapped.templates = mapped.templates, None
        is_wanted = self.is_output or any(slot is not None for slot in self.input_positions)
        children = []
        for number, item in enumerate(items):
            details = details_of(self.vertex, mapped.call_kind)
            details.condition, details.priority, details.is_timed = UNSET, mapped.priority, mapped.is_timed
            details.retry, details.timeout = mapped.retry, mapped.timeout
            details.templates, details.item, details.child = templates, item, number
            child = Task(f"{self.id}[{number}]", self.vertex, self.function, (), details, is_special=True)
            child.is_routed = needs_routing(details)
            child.successors, child.input_positions = (self,), (number if is_wanted else None,)
            children.append(child)
        self.details = TaskDetails(GATHER, mapped.call_kind, priority=mapped.priority, expanding=mapped.expanding)
        self.blocked = None
        self.inputs = [MISSING] * len(children)
        self.pending = countdown(len(children))
        return children

    def __repr__(self) -> str:
        return f"<Task {self.id}>"


def details_of(vertex: Vertex, kind: int) -> TaskDetails:
    """Return the details of a task of the given kind."""
    options = vertex.options
    limits = (*vertex.pools, COMMAND_SLOTS) if kind == COMMAND else vertex.pools
    guard, priority, allow_failure = vertex.templates.condition, options.priority, options.allow_failure
    return TaskDetails(kind, kind, options.always, guard, priority, limits, allow_failure=allow_failure)


def needs_routing(details: TaskDetails) -> bool:
    """Return whether a task must not simply go on the deque of the worker that made it ready."""
    return bool(details.kind != CALL or details.pools or details.priority)


def countdown(count: int) -> Iterator[int] | None:
    """Return an iterator whose ``count``-th number, and no other, is 0; None for at most one."""
    return itertools.count(1 - count) if count > 1 else None
