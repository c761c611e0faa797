"""Task: the state of one node during one run, and the rules by which threads share it.

A task belongs to one thread at a time: first to the thread that makes it ready, then to the thread that runs it.
The handover goes through a deque, the global queue, or the event loop. Threads share three things beyond that:

- ``pending`` counts the predecessors. It is an ``itertools.count(1 - k)``, where k is their number. Each predecessor
  takes one number, once, when it is finished. The predecessor that gets 0 is the last one, and makes the task ready.
  None: the task has at most one predecessor, so no count is necessary.
- ``inputs`` is a list with a position for each result that the task consumes. The predecessor that has the result
  stores it before it takes its number. Each predecessor stores into its own position.
- ``blocked``, and ``is_special`` with it, is set by each predecessor that failed or was skipped, always before that
  predecessor takes its number. All of them store the same kind of value.

Guarantees:

- Exactly one predecessor gets 0, so exactly one thread makes the task ready.
- The thread that gets 0 sees all results in ``inputs``: every predecessor stored its result before it took its number.
- The thread that gets 0 sees ``blocked`` if any predecessor set it, whichever of these stores was the last.
- Only ``inputs`` holds the results. When the last consumer of a result is done with it, the result is freed.
- The lists themselves stay until the end of the run. Otherwise a thread could drop a list that another thread
  created, and such an object is freed by its creator, when that thread wakes.

Assumes:

- ``count`` gives each number to one caller: in free-threaded CPython 3.13 by a compare-and-swap, with a GIL by the
  interpreter.
- A thread that takes a number sees the stores that other threads made before they took the earlier numbers.
"""

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

# Kinds of tasks. A mapped node is a MAP task first; once expanded, it is the GATHER task of its children.
CALL = 0
ASYNC = 1
COMMAND = 2
MAP = 3
GATHER = 4

# The pool in which every command takes a slot. A graph file cannot contain this name by accident.
COMMAND_SLOTS = "\0commands"
# A rank, in microseconds, stays below this bit; the priorities of the graph file start at it.
RANK_BITS = 48


class TaskDetails(msgspec.Struct, eq=False):
    """The requirements of a task beyond a synchronous call; all tasks without any share one object.

    Fields of the node:

    - ``kind``: the next action of the task. ``call_kind``: the action of the node, or of each of its children.
    - ``holds_slots``: the task holds a slot in each of its ``pools``.
    - ``retry`` and ``timeout`` (seconds, 0: none) apply to one call.
    - ``is_timed``: the call may be abandoned.

    Fields of a mapped node and its children:

    - ``templates``: the templates of a child. All children share their bound parts.
    - ``child``: the number of a child among the children of its mapped node, else -1. ``item``: the item of this child.
    - ``expanding``: nanoseconds that a mapped node spent on the creation of its children.

    Fields of an attempt:

    - ``attempt``: its number, from 1. ``arguments``: the arguments of its call.
    - ``last_failure``: the failure of the attempt before it.
    - ``cached``: its result came from the cache.
    - ``files``: the declared files of the node, for its journal entry.
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
    files: Any = None


NO_DETAILS = TaskDetails()


class Task(msgspec.Struct, eq=False):
    """The state of one node, or of one child of a mapped node, during one run.

    - ``inputs``: for a flat call, its arguments in order. For any other task, the results that it consumes, in
      the order of ``data_predecessors`` of its vertex.
    - ``successors``: the tasks that wait for this one. ``input_positions``: for each successor, the position in its
      ``inputs`` for the result of this task, or None.
    - ``is_special``: the task needs more than a call of ``function`` with ``inputs``.
    - ``is_routed``: the task does not simply go to the deque of the worker that makes it ready.
    - ``is_output``: the result outlives the run.

    Cost: one object for each node. Attributes that few tasks need are therefore in ``details``. A Struct is
    created in a third of the time of a class.
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
        """Drop the inputs, which the task no longer needs. A second call has no effect."""
        if type(self.inputs) is list:
            self.inputs.clear()
        if self.details is not NO_DETAILS:
            self.details.templates = self.details.item = self.details.arguments = None

    def expand(self, items: list[Any]) -> list["Task"]:
        """Create one child for each item, and become the task that gathers their results.

        The children get the templates of this task. Results without a consumer are not gathered. The predecessors of
        the node are finished by now: the gathering task waits only for its children, and does not run if one of them
        failed. At least one item is required: without a child, nothing would make the gathering task ready.
        """
        mapped = self.details
        templates, mapped.templates = mapped.templates, None
        is_consumed = self.is_output or any(position is not None for position in self.input_positions)
        children = []
        for number, item in enumerate(items):
            details = details_of(self.vertex, mapped.call_kind)
            details.condition, details.priority, details.is_timed = UNSET, mapped.priority, mapped.is_timed
            details.retry, details.timeout = mapped.retry, mapped.timeout
            details.templates, details.item, details.child = templates, item, number
            child = Task(f"{self.id}[{number}]", self.vertex, self.function, (), details, is_special=True)
            child.is_routed = needs_routing(details)
            child.successors, child.input_positions = (self,), (number if is_consumed else None,)
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
    pools = (*vertex.pools, COMMAND_SLOTS) if kind == COMMAND else vertex.pools
    condition, priority, allow_failure = vertex.templates.condition, options.priority, options.allow_failure
    return TaskDetails(kind, kind, options.always, condition, priority, pools, allow_failure=allow_failure)


def needs_routing(details: TaskDetails) -> bool:
    """Return whether a task must be routed and cannot simply go to the deque of the worker that made it ready."""
    return bool(details.kind != CALL or details.pools or details.priority)


def countdown(count: int) -> Iterator[int] | None:
    """Return an iterator whose ``count``-th number, and no other, is 0; None if ``count`` is at most one."""
    return itertools.count(1 - count) if count > 1 else None
