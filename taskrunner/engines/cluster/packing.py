"""Packer: turns ready tasks into work items.

Results on worker processes become placeholders, and consecutive calls become one work item.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from taskrunner.engines.messages import (
    MISSING_RESULT,
    PICK,
    PREVIOUS,
    GatheredResults,
    Placeholder,
    ResultRef,
    Step,
    WorkItem,
)
from taskrunner.errors import TaskrunnerError
from taskrunner.graph.dag import Templates, Vertex
from taskrunner.graph.template import references
from taskrunner.nodes.binding import MISSING
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import ASYNC, CALL, MAP, RANK_BITS, Task

# One work item contains at most this number of consecutive calls.
MAX_CHAIN = 100


class ScatteredInputsError(TaskrunnerError):
    """The immovable inputs of a node are in different worker processes, or were lost with one."""


class Results:
    """The results that are sent with a work item, each once; placeholders represent them in the packed values."""

    def __init__(self) -> None:
        self.refs: list[ResultRef] = []
        self._placeholders: dict[int, Placeholder] = {}

    def pack(self, value: Any) -> Any:
        """Return a value with placeholders for its results."""
        if type(value) is ResultRef:
            return self._placeholder(value)
        if value is MISSING:
            return MISSING_RESULT
        if is_gathered(value):
            return GatheredResults([self.pack(part) for part in value])
        return value

    def _placeholder(self, ref: ResultRef) -> Placeholder:
        if id(ref) not in self._placeholders:
            self._placeholders[id(ref)] = Placeholder(len(self.refs))
            self.refs.append(ref)
        return self._placeholders[id(ref)]


class Packer:
    """Factory for the work items of one run. ``local_functions`` maps nodes to functions passed from Python."""

    def __init__(
        self,
        plan: Plan,
        run: str,
        local_functions: Mapping[str, Callable[..., Any]],
        *,
        fuses: bool,
        is_journaled: bool,
    ) -> None:
        self._plan = plan
        self._run = run
        self._local_functions = local_functions
        self._fuses = fuses
        self._is_journaled = is_journaled
        self._number = itertools.count()
        # For mapped nodes with running children: the inputs that all children share.
        self.shared: dict[int, Sequence[Any]] = {}
        self.lost: set[str] = set()  # the addresses of lost worker processes
        # By vertex and whether it is a child: the mask of the inputs that its templates reference.
        self._masks: dict[tuple[int, bool], Sequence[bool]] = {}

    def pack(self, task: Task) -> tuple[WorkItem, Sequence[ResultRef], list[Task]]:
        """Return the work item of a task, the results to send with it, and the tasks of the chain that it starts.

        Raises:
            ScatteredInputsError: it needs immovable results from different worker processes, or from a lost one.

        """
        results, tasks = Results(), self._chain(task)
        steps = [self._step(task, results, None)]
        for predecessor, successor in itertools.pairwise(tasks):
            steps.append(self._step(successor, results, predecessor.input_positions[0]))
        is_async = task.details.kind not in (CALL, MAP)
        worker = find_required_worker(results.refs)
        if worker in self.lost:
            raise make_lost_input_error(worker)
        item = WorkItem(
            self._run, self._key(task), tuple(steps), _priority(task, self._plan), worker, is_async=is_async
        )
        return item, results.refs, tasks

    def pick(self, node: str, items: ResultRef, number: int) -> tuple[WorkItem, Sequence[ResultRef]]:
        """Return a work item that selects one item of a mapped node on the worker process that holds the items."""
        step = Step(node, PICK, args=(Placeholder(0),), item=number)
        key = f"item-{next(self._number)}-{self._run}"
        return WorkItem(self._run, key, (step,), worker=items.worker, suppress_reports=True), [items]

    def _key(self, task: Task) -> str:
        """Return a unique key; dashboards group keys by the prefix before the first number."""
        name = task.vertex.call.rpartition(":")[2] or "command"
        return f"{name}-{next(self._number)}-{self._run}"

    def _chain(self, task: Task) -> list[Task]:
        """Return the tasks that can run in sequence from this one: each depends on its predecessor alone."""
        chain = [task]
        while (
            self._fuses
            and len(chain) < MAX_CHAIN
            and _is_fusible(task)
            and len(task.successors) == 1
            and not task.is_output
        ):
            (task,) = task.successors
            if len(task.vertex.predecessors) != 1 or not _is_fusible(task) or task.blocked is not None:
                break
            if task.vertex.options.priority != chain[0].vertex.options.priority:
                break
            chain.append(task)
        return chain

    def _step(self, task: Task, results: Results, previous: int | None) -> Step:
        """Return the step of a task; ``previous`` is the position of the input that the previous step returns."""
        vertex, details = task.vertex, task.details
        inputs: list[Any] = [results.pack(value) for value in self._required_inputs(task)]
        if previous is not None:
            inputs[previous] = PREVIOUS
        options, is_flat = vertex.options, vertex.input_positions is not None and details.kind in (CALL, ASYNC)
        names = [self._plan.dag.vertices[index].id for index in vertex.data_predecessors]
        return Step(
            node=task.id,
            kind=details.kind,
            attempt=details.attempt,
            call=self._local_functions.get(vertex.id, vertex.call),
            args=inputs if is_flat else vertex.args,
            is_flat=is_flat,
            templates=vertex.templates,
            inputs={} if is_flat else dict(zip(names, inputs, strict=True)),
            item=results.pack(details.item),
            cwd=None if options.cwd is UNSET else options.cwd,
            capture=options.capture,
            timeout=0.0 if details.kind == MAP else details.timeout,
            retry=details.retry,
            always=details.always,
            has_condition=details.child < 0 and has_remote_condition(vertex.templates),
            is_journaled=self._is_journaled and details.kind != MAP and not details.always,
        )

    def _required_inputs(self, task: Task) -> Sequence[Any]:
        """Return the inputs of a task, with MISSING for those that its own templates do not reference.

        Of a mapped node, some inputs are for its children only, others for the node only. The source of the items need
        not be sent with each item, and it may be large.
        """
        vertex, is_child = task.vertex, task.details.child >= 0
        source: Sequence[Any] = (self.shared[vertex.index] if is_child else task.inputs) or ()
        if not vertex.is_mapped or not source:
            return source
        key = vertex.index, is_child
        if key not in self._masks:
            nodes = {ref.node for template in _templates(vertex, is_child=is_child) for ref, _ in references(template)}
            self._masks[key] = [self._plan.dag.vertices[index].id in nodes for index in vertex.data_predecessors]
        return [value if is_used else MISSING for value, is_used in zip(source, self._masks[key], strict=True)]


def find_required_worker(results: Sequence[ResultRef]) -> str:
    """Return the address of the worker process that must run a node with these inputs; "": any worker process.

    Raises:
        ScatteredInputsError: immovable results are in different worker processes.

    """
    workers = sorted({result.worker for result in results if result.worker})
    if len(workers) > 1:
        raise ScatteredInputsError(
            f"takes results that cannot be pickled from different worker processes: {', '.join(workers)}"
        )
    return workers[0] if workers else ""


def make_lost_input_error(worker: str) -> ScatteredInputsError:
    """Return the error of a node that must run in a worker process that was lost."""
    return ScatteredInputsError(f"takes a result that cannot be pickled and was lost with {worker}")


def is_gathered(value: Any) -> bool:
    """Return whether a value is the list of results of a mapped node, of which at least one is on a worker."""
    return type(value) is list and any(type(part) is ResultRef for part in value)


def has_remote_condition(templates: Templates) -> bool:
    """Return whether the condition of a node references the result of another node; then a worker evaluates it."""
    return templates.condition is not UNSET and next(references(templates.condition), None) is not None


def needs_results(task: Task) -> bool:
    """Return whether the items or the condition of a mapped node depend on results on a worker."""
    return any(type(value) is ResultRef or is_gathered(value) for value in task.inputs or ())


def _templates(vertex: Vertex, *, is_child: bool) -> Sequence[Any]:
    """Return the templates of a mapped node that are evaluated for each child, or those evaluated once for all."""
    other = vertex.templates
    return (
        (*vertex.args, other.kwargs, other.argv, other.env, other.stdin) if is_child else (other.items, other.condition)
    )


def _is_fusible(task: Task) -> bool:
    """Return whether a task is a bare synchronous call: without condition, retries, limits or special options."""
    details = task.details
    has_options = details.always or details.pools or details.allow_failure or details.retry or details.timeout
    return details.kind == CALL and details.child < 0 and details.condition is UNSET and not has_options


def _priority(task: Task, plan: Plan) -> int:
    """Return the priority that the graph file assigns to a node."""
    return task.details.priority >> RANK_BITS if plan.is_ranked else task.details.priority
