"""The plan of one run: the state of every node, and who may change it.

Who touches what
----------------
A task belongs to one thread at a time: to the one that made it ready, then to the one that runs it.
It is handed over through a deque, the inbox, or the event loop. Three things are shared beyond that:

* ``waits``: an ``itertools.count(1 - k)``, where k is how many tasks come before this one. Each of them
  takes a number once, when it is finished; the one that gets 0 is the last, and makes the task ready.
  ``count`` gives each number to one caller (CPython 3.13 free-threaded: a compare-and-swap; with a GIL, by
  the interpreter). None: there is at most one before.
* ``inputs``: a list with a place for each result that the task takes. The task that has the result puts
  it there before it takes its number, each into a place of its own; so whoever gets 0 sees them all.
  The results live there and nowhere else: when the last task that takes one is done with it, it is gone.
  The lists themselves stay until the run is over: an object that another thread than its maker drops is
  freed by its maker, when that one wakes.
* ``blocked``, and ``special`` with it: set to the same kind of value by any task before it that failed
  or was skipped, always before that task takes its number; so the one that gets 0 sees it, whichever
  store it was.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from taskrunner.graph.dag import DEFAULT_OPTIONS, Dag, Vertex
from taskrunner.graph.spec import Retry
from taskrunner.nodes.binding import MISSING
from taskrunner.nodes.resolve import Function, Functions, is_async
from taskrunner.plan.ordering import Rank
from taskrunner.plan.outcome import Failure, Retried, Skip
from taskrunner.plan.task import (
    ASYNC,
    CALL,
    COMMAND,
    MAP,
    NO_DETAILS,
    RANK_BITS,
    Task,
    TaskDetails,
    details_of,
    needs_routing,
)
from taskrunner.storage.journal import Entry

# What a runner notes when a task has ended: the task, when it was ready, when it began and ended (nanoseconds of
# the run's clock), and why it failed, is tried again or was skipped. A plain tuple: it is made for every node.
type AttemptRecord = tuple[Task, int, int, int, Failure | Retried | Skip | None]


class Plan:
    """The tasks of one run. Made on one thread, then shared as the module's text says."""

    def __init__(
        self,
        dag: Dag,
        functions: Functions,
        selected: set[int] | None = None,
        outputs: tuple[int, ...] | None = None,
    ) -> None:
        self.dag = dag
        self.outputs = tuple(dict.fromkeys(dag.outputs if outputs is None else outputs))
        self.children: Mapping[str, Entry] = {}
        self.is_ranked = False
        self.rank: Rank | None = None
        self.seed: int | None = None
        self._restored: set[int] = set()
        self._ready: set[int] = set()
        self._by_index: list[Any] = [None] * len(dag.vertices)
        retry, timeout = _retry(dag.file.defaults.retries), _timeout(dag.file.defaults.timeout)
        self._default = (retry, timeout)
        self._create_tasks(functions, selected)
        self.tasks: list[Task] = self._by_index if selected is None else [t for t in self._by_index if t is not None]
        for index in self.outputs:
            self._by_index[index].is_output = True

    def _create_tasks(self, functions: Functions, selected: set[int] | None) -> None:
        """Make the tasks, those that wait for others before these: so each can be told of them at once.

        This is done for every node of every run: a plain call is made here, without another call.
        """
        vertices, tasks, after, slots = self.dag.vertices, self._by_index, self.dag.successors, self.dag.input_positions
        by_call, by_node = _with_kinds(functions.by_call), _with_kinds(functions.by_node)
        by_call[""] = (None, COMMAND)
        is_plain = self._default == (None, 0.0)
        order = self.dag.order if selected is None else [index for index in self.dag.order if index in selected]
        for index in reversed(order):
            vertex = vertices[index]
            name, before = vertex.id, vertex.predecessors
            function, kind = by_call[vertex.call] if name not in by_node else by_node[name]
            waits = itertools.count(1 - len(before)) if len(before) > 1 else None  # as countdown does
            if (
                is_plain
                and kind == CALL
                and vertex.input_positions is not None
                and vertex.options is DEFAULT_OPTIONS
                and not vertex.pools
            ):
                inputs = [*vertex.args] if before else vertex.args
                task = Task(name, vertex, function, inputs, NO_DETAILS, False, False, waits)  # noqa: FBT003
            else:
                task = self._create_special(vertex, function, kind, waits)
            tasks[index] = task
            if not (successors := after[index]):
                continue
            if selected is None:
                task.successors, task.input_positions = [tasks[i] for i in successors], slots[index]
            else:
                chosen = [pair for pair in zip(successors, slots[index], strict=True) if pair[0] in selected]
                task.successors, task.input_positions = [tasks[i] for i, _ in chosen], [slot for _, slot in chosen]

    def restore(self, results: Mapping[int, Any], children: Mapping[str, Entry]) -> None:
        """Take nodes as finished that an earlier run has finished, with their results.

        ``children`` are those of mapped nodes that had not finished: each is taken as finished when its
        node is expanded.
        """
        number = self.dag.index
        self.children = {
            child: entry for child, entry in children.items() if self._by_index[number[child.rpartition("[")[0]]]
        }
        for index in self.dag.order:
            if index not in results or (task := self._by_index[index]) is None:
                continue
            self._restored.add(index)
            task.value = results[index]
            for successor, slot in zip(task.successors, task.input_positions, strict=True):
                if slot is not None:
                    successor.inputs[slot] = results[index]
                if successor.pending is None or not next(successor.pending):
                    self._ready.add(successor.vertex.index)
        self.tasks = [task for task in self.tasks if task.vertex.index not in self._restored]
        for task in self.tasks:  # one that runs again leads only to those that run as well
            ahead = zip(task.successors, task.input_positions, strict=True)
            remaining = [(after, slot) for after, slot in ahead if after.vertex.index not in self._restored]
            task.successors, task.input_positions = [after for after, _ in remaining], [slot for _, slot in remaining]

    def _create_special(
        self, vertex: Vertex, function: Function | None, kind: int, waits: Iterator[int] | None
    ) -> Task:
        """Make the task of a vertex that is more than a plain call; it leads nowhere yet."""
        if vertex.input_positions is None:
            inputs: Any = [MISSING] * len(vertex.data_predecessors)
        else:
            inputs = [*vertex.args] if vertex.predecessors else vertex.args
        details, options = details_of(vertex, kind), vertex.options
        retry, timeout = self._default
        details.retry = retry if options.retries is UNSET else _retry(options.retries)
        details.timeout = timeout if options.timeout is UNSET else _timeout(options.timeout)
        details.is_timed = bool(details.timeout) and kind == CALL
        if vertex.is_mapped:  # its pools are those of its children, and so is the effect of its priority
            details.kind, details.pools = MAP, ()
        routed = needs_routing(details) and not vertex.is_mapped
        return Task(vertex.id, vertex, function, inputs, details, True, routed, waits)  # noqa: FBT003

    def make_all_abandonable(self) -> None:
        """Make every call one that may be given up: the run itself has a time-out."""
        for task in self.tasks:
            if task.details is NO_DETAILS:
                task.details = TaskDetails()
            task.details.is_timed = task.details.call_kind == CALL
            task.is_special = True

    def apply_ranks(self, ranks: Sequence[int]) -> None:
        """Give each task a rank, not 0, by its vertex's index: of equal priority, the higher goes first."""
        self.is_ranked = True
        for task in self.tasks:
            if task.details is NO_DETAILS:
                task.details = TaskDetails()
            task.details.priority = (task.details.priority << RANK_BITS) + ranks[task.vertex.index]
            task.is_routed = True

    def apply_order(self, rank: Rank, seed: int | None = None) -> None:
        """Give each task a rank by its id, children as well: the higher goes first, whatever the file's priorities.

        A task of rank 0 goes its way as one without a priority. With a seed the pool makes its own choices by it.
        """
        self.is_ranked, self.rank, self.seed = False, rank, seed
        for task in self.tasks:
            if task.details is NO_DETAILS:
                task.details = TaskDetails()
        self.rank_all(self.tasks)

    def rank_all(self, tasks: Iterable[Task]) -> None:
        """Give these tasks their ranks, if the plan was arranged."""
        if self.rank is not None:
            for task in tasks:
                task.details.priority = self.rank(task.id)
                task.is_routed = needs_routing(task.details)

    @property
    def restored(self) -> int:
        """How many nodes were taken as finished, children of mapped nodes among them."""
        return len(self._restored) + len(self.children)

    def roots(self) -> list[Task]:
        """Return the tasks that need nothing any more: higher priority first, then in the graph's order."""
        ready = self._ready
        roots = [task for task in self.tasks if not task.vertex.predecessors or task.vertex.index in ready]
        return sorted(roots, key=lambda task: -task.details.priority)

    def path_to(self, task: Task) -> tuple[str, ...]:
        """Return the ids of a shortest chain of needs from a node that needs nothing to this task."""
        path = [task.id]
        index = task.vertex.index
        while (index := self.dag.nearest_predecessors[index]) >= 0:
            path.append(self.dag.vertices[index].id)
        return tuple(reversed(path))

    def task_of(self, vertex: Vertex) -> Task | None:
        """Return the task of a vertex; None: it is not to be run."""
        task: Task | None = self._by_index[vertex.index]
        return task

    def output_tasks(self) -> list[Task]:
        """Return the tasks of the outputs."""
        return [self._by_index[index] for index in self.outputs]

    def take_outputs(self) -> dict[str, Any]:
        """Return the results of the outputs that have one; the plan drops them."""
        found: dict[str, Any] = {}
        for index in self.outputs:
            task = self._by_index[index]
            if (value := task.value) is not MISSING:
                found[task.id] = value
                task.value = MISSING
        return found


def _with_kinds(functions: Mapping[str, Function]) -> dict[str, tuple[Function | None, int]]:
    """Return each function with its kind of task; each function is looked at once."""
    kinds = {id(f): ASYNC if is_async(f) else CALL for f in {id(f): f for f in functions.values()}.values()}
    return {name: (function, kinds[id(function)]) for name, function in functions.items()}


def _retry(asked: int | Retry | UnsetType) -> Retry | None:
    found = Retry(asked) if isinstance(asked, int) else asked
    return None if isinstance(found, UnsetType) or not found.max else found


def _timeout(asked: float | UnsetType) -> float:
    return 0.0 if isinstance(asked, UnsetType) else asked
