"""Plan: the tasks of one run, their edges and their ranks.

Guarantees:

- One thread creates the plan and its tasks. The plan is shared afterwards.
- From then on each task belongs to one thread at a time: first to the thread that makes it ready, then to the thread
  that runs it. The handover goes through a deque, the global queue, or the event loop.
- Threads share three more things, ``pending``, ``inputs`` and ``blocked`` of a task. The module ``task`` defines
  the rules for them and explains why no lock is necessary.
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

# The record that a runner appends after each attempt: the task, the times at which it became ready, began and ended
# (nanoseconds of the run's clock), and its failure, retry or skip. It is a tuple because every node creates one.
type AttemptRecord = tuple[Task, int, int, int, Failure | Retried | Skip | None]


class Plan:
    """The tasks of one run. One thread creates it; then threads share it by the rules of this module."""

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
        """Create the tasks, successors first, so that each task gets its successors at once.

        This loop visits every node of every run, so it creates a synchronous call inline, without a function call.
        """
        vertices, tasks = self.dag.vertices, self._by_index
        all_successors, all_positions = self.dag.successors, self.dag.input_positions
        by_call, by_node = _with_kinds(functions.by_call), _with_kinds(functions.by_node)
        by_call[""] = (None, COMMAND)
        has_no_defaults = self._default == (None, 0.0)
        order = self.dag.order if selected is None else [index for index in self.dag.order if index in selected]
        for index in reversed(order):
            vertex = vertices[index]
            name, predecessors = vertex.id, vertex.predecessors
            function, kind = by_call[vertex.call] if name not in by_node else by_node[name]
            count = len(predecessors)
            pending = itertools.count(1 - count) if count > 1 else None  # as in countdown
            if (
                has_no_defaults
                and kind == CALL
                and vertex.input_positions is not None
                and vertex.options is DEFAULT_OPTIONS
                and not vertex.pools
            ):
                inputs = [*vertex.args] if predecessors else vertex.args
                task = Task(name, vertex, function, inputs, NO_DETAILS, False, False, pending)  # noqa: FBT003
            else:
                task = self._create_special(vertex, function, kind, pending)
            tasks[index] = task
            if not (successors := all_successors[index]):
                continue
            positions = all_positions[index]
            if selected is None:
                task.successors, task.input_positions = [tasks[i] for i in successors], positions
            else:
                edges = [edge for edge in zip(successors, positions, strict=True) if edge[0] in selected]
                task.successors = [tasks[i] for i, _ in edges]
                task.input_positions = [position for _, position in edges]

    def restore(self, results: Mapping[int, Any], children: Mapping[str, Entry]) -> None:
        """Mark the nodes that an earlier run has finished as finished, with their results.

        ``children`` are the children of mapped nodes that had not finished. Each is marked as finished when its
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
            for successor, position in zip(task.successors, task.input_positions, strict=True):
                if position is not None:
                    successor.inputs[position] = results[index]
                if successor.pending is None or not next(successor.pending):
                    self._ready.add(successor.vertex.index)
        self.tasks = [task for task in self.tasks if task.vertex.index not in self._restored]
        for task in self.tasks:  # a task that runs again keeps only the successors that run as well
            edges = zip(task.successors, task.input_positions, strict=True)
            remaining = [edge for edge in edges if edge[0].vertex.index not in self._restored]
            task.successors = [successor for successor, _ in remaining]
            task.input_positions = [position for _, position in remaining]

    def _create_special(
        self, vertex: Vertex, function: Function | None, kind: int, pending: Iterator[int] | None
    ) -> Task:
        """Create the task of a vertex that is more than a synchronous call; its successors are not set yet."""
        if vertex.input_positions is None:
            inputs: Any = [MISSING] * len(vertex.data_predecessors)
        else:
            inputs = [*vertex.args] if vertex.predecessors else vertex.args
        details, options = details_of(vertex, kind), vertex.options
        retry, timeout = self._default
        details.retry = retry if options.retries is UNSET else _retry(options.retries)
        details.timeout = timeout if options.timeout is UNSET else _timeout(options.timeout)
        details.is_timed = bool(details.timeout) and kind == CALL
        if vertex.is_mapped:  # its pools and the effect of its priority apply to its children
            details.kind, details.pools = MAP, ()
        is_routed = needs_routing(details) and not vertex.is_mapped
        return Task(vertex.id, vertex, function, inputs, details, True, is_routed, pending)  # noqa: FBT003

    def make_all_abandonable(self) -> None:
        """Make every call abandonable, because the run itself has a timeout."""
        for task in self.tasks:
            if task.details is NO_DETAILS:
                task.details = TaskDetails()
            task.details.is_timed = task.details.call_kind == CALL
            task.is_special = True

    def apply_ranks(self, ranks: Sequence[int]) -> None:
        """Set the rank of each task, by the index of its vertex; no rank may be 0.

        Among ready tasks of equal priority, the task with the highest rank starts first.
        """
        self.is_ranked = True
        for task in self.tasks:
            if task.details is NO_DETAILS:
                task.details = TaskDetails()
            task.details.priority = (task.details.priority << RANK_BITS) + ranks[task.vertex.index]
            task.is_routed = True

    def apply_order(self, rank: Rank, seed: int | None = None) -> None:
        """Set the rank of each task by its id, children included, and ignore the priorities of the graph file.

        The ready task with the highest rank starts first. A task of rank 0 is treated as a task without a priority.
        With a seed, the pool derives its own choices from it.
        """
        self.is_ranked, self.rank, self.seed = False, rank, seed
        for task in self.tasks:
            if task.details is NO_DETAILS:
                task.details = TaskDetails()
        self.rank_all(self.tasks)

    def rank_all(self, tasks: Iterable[Task]) -> None:
        """Set the ranks of these tasks if the plan has an order."""
        if self.rank is not None:
            for task in tasks:
                task.details.priority = self.rank(task.id)
                task.is_routed = needs_routing(task.details)

    @property
    def restored(self) -> int:
        """The number of nodes restored as finished, children of mapped nodes included."""
        return len(self._restored) + len(self.children)

    def is_restored(self, vertex: Vertex) -> bool:
        """Return whether a vertex was restored as finished."""
        return vertex.index in self._restored

    def roots(self) -> list[Task]:
        """Return the tasks without pending dependencies: higher priority first, then in the order of the graph."""
        ready = self._ready
        roots = [task for task in self.tasks if not task.vertex.predecessors or task.vertex.index in ready]
        return sorted(roots, key=lambda task: -task.details.priority)

    def path_to(self, task: Task) -> tuple[str, ...]:
        """Return the ids of a shortest chain of dependencies, from a node without dependencies to this task."""
        path = [task.id]
        index = task.vertex.index
        while (index := self.dag.nearest_predecessors[index]) >= 0:
            path.append(self.dag.vertices[index].id)
        return tuple(reversed(path))

    def task_of(self, vertex: Vertex) -> Task | None:
        """Return the task of a vertex; None if it is not to run."""
        task: Task | None = self._by_index[vertex.index]
        return task

    def output_tasks(self) -> list[Task]:
        """Return the tasks of the outputs."""
        return [self._by_index[index] for index in self.outputs]

    def take_outputs(self) -> dict[str, Any]:
        """Return the results of the outputs that have one, and drop them from the plan."""
        results: dict[str, Any] = {}
        for index in self.outputs:
            task = self._by_index[index]
            if (value := task.value) is not MISSING:
                results[task.id] = value
                task.value = MISSING
        return results


def _with_kinds(functions: Mapping[str, Function]) -> dict[str, tuple[Function | None, int]]:
    """Return each function with its kind of task; each function is examined once."""
    kinds = {id(f): ASYNC if is_async(f) else CALL for f in {id(f): f for f in functions.values()}.values()}
    return {name: (function, kinds[id(function)]) for name, function in functions.items()}


def _retry(option: int | Retry | UnsetType) -> Retry | None:
    retry = Retry(option) if isinstance(option, int) else option
    return None if isinstance(retry, UnsetType) or not retry.max else retry


def _timeout(option: float | UnsetType) -> float:
    return 0.0 if isinstance(option, UnsetType) else option
