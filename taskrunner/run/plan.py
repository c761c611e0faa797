"""The plan of one run: the state of every node, and who may change it.

Who touches what
----------------
A task belongs to one thread at a time: to the one that made it ready, then to the one that runs it.
It is handed over through a deque, the inbox, or the event loop. Three things are shared beyond that:

* ``arrive``: the bound ``__next__`` of an ``itertools.count(1 - k)``, where k is how many tasks come
  before this one. Each of them calls it once when it is finished; the call that returns 0 is the
  last, and makes the task ready. ``count.__next__`` hands each number to one caller (CPython 3.13
  free-threaded: a compare-and-swap; with a GIL, the interpreter). None: there is at most one before.
* ``uses``: the same for those that take the result; the last one drops it.
* ``blocked``, and ``special`` with it: set to the same kind of value by any task before it that failed
  or was skipped, always before that task arrives; so the one that arrives last sees it, whichever
  store it was.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import UNSET

from taskrunner.errors import InternalError
from taskrunner.graph.dag import Dag, Vertex
from taskrunner.graph.template import DictOf, is_constant
from taskrunner.run.outcome import Skip
from taskrunner.tasks.binding import MISSING
from taskrunner.tasks.resolve import is_async

CALL = 0
ASYNC = 1
COMMAND = 2
MAP = 3
GATHER = 4

# The pool that every command takes a place in. A file could only name it by meaning to.
COMMAND_PLACES = "\0commands"

type Arrive = Callable[[], int]


class Inputs(Protocol):
    """The templates of a node's inputs: a vertex, or those of a mapped node's children."""

    args: tuple[Any, ...]
    kwargs: DictOf | None
    argv: Any
    env: Any
    stdin: Any


class Task:
    """The state of one node, or of one child of a mapped node, during one run.

    ``special``: there is more to do than to call ``function``. ``routed``: it does not simply go on
    the deque of whoever made it ready. ``holding``: it has a place in each of its ``limits``.
    ``wanted``: somebody takes its result. ``kept``: its result outlives the run. ``constants``: its
    arguments, where they are the same at every call.
    """

    __slots__ = (
        "after", "always", "arrive", "blocked", "call_kind", "children", "constants", "expanding",
        "function", "guard", "holding", "id", "inputs", "item", "kept", "kind", "limits",
        "made_by", "priority", "ready_at", "routed", "special", "uses", "value", "vertex",
        "wanted",
    )  # fmt: skip

    def __init__(self, id: str, vertex: Vertex, function: Callable[..., Any] | None, kind: int) -> None:  # noqa: A002
        spec = vertex.spec
        self.id = id
        self.vertex = vertex
        self.function: Any = function
        self.kind = kind
        self.constants: tuple[Any, ...] | None = None
        self.inputs: Inputs | None = vertex
        self.item: Any = None
        self.after: tuple[Task, ...] = ()
        self.arrive: Arrive | None = None
        self.uses: Arrive | None = None
        self.wanted = self.kept = False
        self.value: Any = MISSING
        self.blocked: Skip | None = None
        self.always = spec.always
        self.guard = vertex.guard
        self.priority = spec.priority
        self.limits = (*vertex.pools, COMMAND_PLACES) if kind == COMMAND else vertex.pools
        self.holding = False
        self.call_kind = kind
        self.children: tuple[Task, ...] = ()
        self.ready_at = 0
        self.expanding = 0
        self.made_by = -1
        self.special = kind != CALL or self.guard is not UNSET
        self.routed = bool(kind != CALL or self.limits or self.priority)

    def become_map(self) -> None:
        """Stand for a mapped node: expand it first, gather its children's results then.

        Pools and priority are those of the children.
        """
        self.kind = MAP
        self.special = True
        self.routed = False
        self.limits = ()

    def expand(self, items: list[Any]) -> None:
        """Make one child for each item, and become the one that gathers their results.

        The children get this task's inputs. What comes before the node is over by now: the gathering
        task waits for its children alone, and does not run when one of them failed. There must be an
        item: nothing would arrive at the gathering task otherwise.
        """
        vertex = self.vertex
        kind = self.call_kind
        inputs, self.inputs = self.inputs, None
        children = []
        for number, item in enumerate(items):
            child = Task(f"{self.id}[{number}]", vertex, self.function, kind)
            child.inputs, child.item = inputs, item
            child.guard = UNSET
            child.special = kind != CALL
            child.after = (self,)
            child.wanted = child.kept = self.wanted
            children.append(child)
        self.children = tuple(children)
        self.kind = GATHER
        self.guard = UNSET
        self.blocked, self.always = None, False
        self.arrive = countdown(len(children))

    def __repr__(self) -> str:
        return f"<Task {self.id}>"


class Plan:
    """The tasks of one run. Made on one thread, then shared as the module's text says."""

    def __init__(
        self,
        dag: Dag,
        functions: Mapping[int, Callable[..., Any]],
        among: set[int] | None = None,
        outputs: tuple[int, ...] | None = None,
    ) -> None:
        self.dag = dag
        self.outputs = tuple(dict.fromkeys(dag.outputs if outputs is None else outputs))
        chosen = [v for v in dag.vertices if among is None or v.index in among]
        kinds = {id(f): ASYNC if is_async(f) else CALL for f in functions.values()}
        kinds[id(None)] = COMMAND
        self.tasks: dict[int, Task] = {}
        for vertex in chosen:
            function = functions.get(vertex.index)
            self.tasks[vertex.index] = Task(vertex.id, vertex, function, kinds[id(function)])
        self.by_id = {task.id: task for task in self.tasks.values()}
        takers = dict.fromkeys(self.tasks, 0)
        for vertex in chosen:
            task = self.tasks[vertex.index]
            self._prepare(task)
            for index in vertex.used:
                takers[index] += 1
        for index, count in takers.items():
            self.tasks[index].wanted = bool(count)
            self.tasks[index].uses = countdown(count)
        for index in self.outputs:
            self.tasks[index].wanted = self.tasks[index].kept = True

    def _prepare(self, task: Task) -> None:
        vertex = task.vertex
        if vertex.is_mapped:
            task.become_map()
        elif vertex.argv is None and not vertex.kwargs and all(map(is_constant, vertex.args)):
            task.constants = vertex.args
        after = [self.tasks[i] for i in vertex.after if i in self.tasks]
        task.after = tuple(sorted(after, key=_first_served))
        task.arrive = countdown(len(vertex.before))

    def roots(self) -> list[Task]:
        """Return the tasks that need nothing: higher priority first, then in the graph's order."""
        return sorted([task for task in self.tasks.values() if not task.vertex.before], key=_first_served)

    def path_to(self, task: Task) -> tuple[str, ...]:
        """Return the ids of a shortest chain of needs from a node that needs nothing to this task."""
        vertices = self.dag.vertices
        index = task.vertex.index
        behind: dict[int, int] = {}
        queue = [index]
        for index in queue:  # it grows while it is read: breadth first, backwards
            if not vertices[index].before:
                break
            for other in vertices[index].before:
                if other not in behind:
                    behind[other] = index
                    queue.append(other)
        path: list[str] = []
        while index != task.vertex.index:
            path.append(vertices[index].id)
            index = behind[index]
        return (*path, task.id)

    def take_result(self, index: int) -> Any:
        """Return the result of an output, which the plan then drops; MISSING if there is none."""
        task = self.tasks[index]
        if not task.kept:
            raise InternalError(f'the result of "{task.id}" was not kept')
        value, task.value = task.value, MISSING
        return value


def _first_served(task: Task) -> int:
    """Of tasks that become ready at once, those of higher priority are placed first."""
    return -task.priority


def countdown(count: int) -> Arrive | None:
    """Return a function whose ``count``-th call, and no other, returns 0; None for at most one."""
    return itertools.count(1 - count).__next__ if count > 1 else None


def consume(task: Task) -> None:
    """Tell that one taker has the task's result, or needs it no more; the last one drops it."""
    if not task.kept and (task.uses is None or not task.uses()):
        task.value = MISSING
