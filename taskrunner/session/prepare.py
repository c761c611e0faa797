"""Preparation of a run: link the graph, check permissions, resolve callables, choose an order and a backend."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskrunner.engines.backend import Backend
from taskrunner.engines.engine import Engine
from taskrunner.engines.local.backend import ThreadBackend
from taskrunner.errors import GilEnabledError, GraphError
from taskrunner.graph.graph import Graph, Handle, as_nodes
from taskrunner.nodes.permissions import Permissions
from taskrunner.nodes.resolve import resolve_all
from taskrunner.plan.ordering import replayed, shuffled
from taskrunner.plan.plan import Plan
from taskrunner.session.options import RunOptions
from taskrunner.storage.origin import find_run_of, origin_of
from taskrunner.storage.run_directory import new_run_id
from taskrunner.storage.timings import recorded_order
from taskrunner.system import gc_tuning, gil
from taskrunner.system.gil import describe_culprit
from taskrunner.system.host import processors, python_build


@contextmanager
def prepare(graph: Graph, options: RunOptions) -> Iterator[Plan]:
    """Yield the plan of a run. Until the context ends, the collector spares the plan.

    Raises:
        GraphError: the graph is invalid, names something that is not allowed, or a callable cannot be imported.
        UsageError: a target or a parameter does not exist.

    """
    dag = graph.link(options.params)
    targets = _target_ids(options)
    selected = dag.closure(targets) if targets else None
    outputs = tuple(dag.index[target] for target in targets) if targets else None
    try:
        permissions_of(options).check(dag, graph.functions)
        functions = resolve_all(dag, graph.functions, selected)
    except GraphError as error:
        raise graph.error(error) from None
    with gc_tuning.raised_threshold(len(dag.vertices)):
        yield Plan(dag, functions, selected, outputs)


def permissions_of(options: RunOptions) -> Permissions:
    """Return what the options allow a graph to call."""
    allow = (options.allow,) if isinstance(options.allow, str) else tuple(options.allow)
    return Permissions(allow, options.commands)


def _target_ids(options: RunOptions) -> list[str]:
    targets = options.targets
    return as_nodes([targets] if isinstance(targets, str | Handle) else targets)


class Ordering:
    """The start order that the options demand, if any: one derived from a seed, or that of a recorded run.

    Raises:
        UsageError: there is no such run.

    """

    def __init__(self, graph: Graph, options: RunOptions) -> None:
        self.seed, self.replay = options.shuffle, ""
        self._nodes: list[str] = []
        if options.replay and options.run_dir is not None:
            runs = Path(options.run_dir)
            own_origin = origin_of(graph.name, graph.source, runs)
            self.replay = find_run_of(runs, options.replay, own_origin, graph.link(complete=False).index)
            self._nodes = recorded_order(runs / self.replay)

    def apply(self, plan: Plan, workers: int) -> None:
        """Apply the order to a plan. Under a seed, several workers also get tasks that can be stolen."""
        if self.seed is not None:
            plan.apply_order(shuffled(self.seed, allow_stealing=workers > 1), self.seed)
        elif self.replay:
            plan.apply_order(replayed(self._nodes, {v.id for v in plan.dag.vertices if v.is_mapped}))


@contextmanager
def open_backend(graph: Graph, options: RunOptions, plan: Plan) -> Iterator[Backend]:
    """Yield the backend that executes the plan: threads of this process, or the workers of an engine.

    Raises:
        GraphError: a callable cannot be imported on a worker.
        TaskrunnerError: the engine has no workers, or cannot be reached.

    """
    if options.engine is None:
        yield ThreadBackend(processors() if options.workers is None else options.workers)
    else:
        with _open_cluster(graph, options.engine, plan) as backend:
            yield backend


@contextmanager
def _open_cluster(graph: Graph, engine: Engine, plan: Plan) -> Iterator[Backend]:
    from taskrunner.engines.cluster.backend import ClusterBackend  # needed by such runs alone

    backend = ClusterBackend(engine, graph.functions)
    try:
        backend.prepare(new_run_id(), plan)
    except GraphError as error:
        raise graph.error(error) from None
    try:
        yield backend
    finally:
        engine.close()


def cache_directory(plan: Plan, options: RunOptions) -> Path | None:
    """Return the directory of the cache, if the options name one and a node uses it."""
    is_used = any(vertex.options.cache or vertex.options.creates for vertex in plan.dag.special)
    if options.cache_dir is None or options.engine is not None or not is_used:
        return None
    return Path(options.cache_dir)


def check_gil(options: RunOptions, backend: Backend, watch: gil.GilWatch) -> None:
    """Refuse a run with the GIL on, if the options require it to be off.

    Raises:
        GilEnabledError: the GIL is on where the nodes would run.

    """
    if options.require_nogil and backend.has_gil:
        reason = _gil_reason(watch) if options.engine is None else "the GIL is on in a worker process"
        raise GilEnabledError(reason)


def _gil_reason(watch: gil.GilWatch) -> str:
    if watch.culprit:
        return f"the GIL is on: {describe_culprit(watch.culprit, watch.node)}"
    if gil.IS_FREE_THREADED:
        return "the GIL is on: by PYTHON_GIL, -X gil, or an import before this run"
    return f"the GIL is on: {python_build()} is not a free-threaded build"
