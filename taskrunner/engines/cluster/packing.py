"""From tasks that are ready to works that travel: what lies elsewhere becomes a slot, and calls in a row become one."""

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

# So many calls in a row become one work at most.
MAX_CHAIN = 100


class Results:
    """The results that a work takes along, each once; slots stand for them in what is packed."""

    def __init__(self) -> None:
        self.remotes: list[ResultRef] = []
        self._places: dict[int, Placeholder] = {}

    def pack(self, value: Any) -> Any:
        """Return a value as it travels."""
        if type(value) is ResultRef:
            return self._placeholder(value)
        if value is MISSING:
            return MISSING_RESULT
        if is_gathered(value):
            return GatheredResults([self.pack(part) for part in value])
        return value

    def _placeholder(self, remote: ResultRef) -> Placeholder:
        if id(remote) not in self._places:
            self._places[id(remote)] = Placeholder(len(self.remotes))
            self.remotes.append(remote)
        return self._places[id(remote)]


def is_gathered(value: Any) -> bool:
    """Say whether a value is the list of a mapped node's results of which some lie elsewhere."""
    return type(value) is list and any(type(part) is ResultRef for part in value)


class Packer:
    """Makes the works of one run. ``local_functions``: the functions that were given in Python, by node."""

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
        # For mapped nodes whose children run: the inputs that all of them share.
        self.shared: dict[int, Sequence[Any]] = {}
        self.lost: set[str] = set()  # the addresses of processes that are gone
        # Which of these the children take, and which the node itself.
        self._takes: dict[tuple[int, bool], Sequence[bool]] = {}

    def pack(self, task: Task) -> tuple[WorkItem, Sequence[ResultRef], list[Task]]:
        """Return the work of a task, the results that go with it, and its tasks: those of the chain that it begins.

        Raises:
            ApartError: it takes results that cannot be moved from different processes, or from one that is gone.

        """
        results, tasks = Results(), self._chain(task)
        steps = [self._step(task, results, None)]
        for before, after in itertools.pairwise(tasks):
            steps.append(self._step(after, results, before.input_positions[0]))
        is_waiting = task.details.kind not in (CALL, MAP)
        worker = worker_of(results.remotes)
        if worker in self.lost:
            raise lost_with(worker)
        work = WorkItem(
            self._run, self._key(task), tuple(steps), _priority(task, self._plan), worker, is_async=is_waiting
        )
        return work, results.remotes, tasks

    def pick(self, node: str, items: ResultRef, number: int) -> tuple[WorkItem, Sequence[ResultRef]]:
        """Return a work that takes one of a mapped node's items, where they are."""
        step = Step(node, PICK, args=(Placeholder(0),), item=number)
        key = f"item-{next(self._number)}-{self._run}"
        return WorkItem(self._run, key, (step,), worker=items.worker, suppress_reports=True), [items]

    def _key(self, task: Task) -> str:
        """Return a key; dashboards count together what is equal before the first number."""
        name = task.vertex.call.rpartition(":")[2] or "command"
        return f"{name}-{next(self._number)}-{self._run}"

    def _chain(self, task: Task) -> list[Task]:
        """Return the tasks that can be run in a row with this one: each has only the one before it to wait for."""
        found = [task]
        while (
            self._fuses
            and len(found) < MAX_CHAIN
            and _is_plain(task)
            and len(task.successors) == 1
            and not task.is_output
        ):
            (task,) = task.successors
            if len(task.vertex.predecessors) != 1 or not _is_plain(task) or task.blocked is not None:
                break
            if task.vertex.options.priority != found[0].vertex.options.priority:
                break
            found.append(task)
        return found

    def _step(self, task: Task, results: Results, previous: int | None) -> Step:
        """Return a task's step; ``previous`` is the place of its input that the step before it returns."""
        vertex, details = task.vertex, task.details
        inputs: list[Any] = [results.pack(value) for value in self._input_templates(task)]
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

    def _input_templates(self, task: Task) -> Sequence[Any]:
        """Return the inputs of a task; MISSING is in the place of those that only its children take, or only its node.

        What a list is taken from need not go where each of its items goes, and it may be large.
        """
        vertex, is_child = task.vertex, task.details.child >= 0
        source: Sequence[Any] = (self.shared[vertex.index] if is_child else task.inputs) or ()
        if not vertex.is_mapped or not source:
            return source
        key = vertex.index, is_child
        if key not in self._takes:
            wanted = {ref.node for template in _templates(vertex, is_child=is_child) for ref, _ in references(template)}
            self._takes[key] = [self._plan.dag.vertices[index].id in wanted for index in vertex.data_predecessors]
        return [value if is_taken else MISSING for value, is_taken in zip(source, self._takes[key], strict=True)]


def _templates(vertex: Vertex, *, is_child: bool) -> Sequence[Any]:
    """Return the templates of a mapped node that are filled in for each child, or once for all of them."""
    other = vertex.templates
    return (
        (*vertex.args, other.kwargs, other.argv, other.env, other.stdin) if is_child else (other.items, other.condition)
    )


class ScatteredInputsError(TaskrunnerError):
    """A node takes results that cannot be brought together."""


def lost_with(worker: str) -> ScatteredInputsError:
    """Return the error of a node that has to run in a process that is gone."""
    return ScatteredInputsError(f"takes a result that cannot be pickled, and was lost with {worker}")


def worker_of(results: Sequence[ResultRef]) -> str:
    """Return where a node has to run that takes these results; "": anywhere.

    Raises:
        ApartError: there is no such place.

    """
    places = sorted({result.worker for result in results if result.worker})
    if len(places) > 1:
        raise ScatteredInputsError(
            f"takes results that cannot be pickled, and lie in different processes: {', '.join(places)}"
        )
    return places[0] if places else ""


def has_remote_condition(templates: Templates) -> bool:
    """Say whether a node's guard takes the result of another: then it is looked at where that result is."""
    return templates.condition is not UNSET and next(references(templates.condition), None) is not None


def needs_results(task: Task) -> bool:
    """Say whether a mapped node's items or guard take results that are not here."""
    return any(type(value) is ResultRef or is_gathered(value) for value in task.inputs or ())


def _is_plain(task: Task) -> bool:
    """Say whether a task is a call and nothing more: no guard, no second attempt, no limits."""
    details = task.details
    is_more = details.always or details.pools or details.allow_failure or details.retry or details.timeout
    return details.kind == CALL and details.child < 0 and details.condition is UNSET and not is_more


def _priority(task: Task, plan: Plan) -> int:
    """Return the priority that the file gives a node."""
    return task.details.priority >> RANK_BITS if plan.is_ranked else task.details.priority
