"""Prepare."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from taskrunner.engines.engine import Engine
from taskrunner.errors import GraphError, UsageError
from taskrunner.graph.graph import Graph
from taskrunner.nodes.permissions import Permissions
from taskrunner.nodes.resolve import resolve_all
from taskrunner.plan.ordering import replayed, shuffled
from taskrunner.plan.plan import Plan
from taskrunner.storage.run_directory import find_run
from taskrunner.storage.timings import recorded_order
from taskrunner.system import gc_tuning as collector


class Ordering:
    """The order that a run is asked to take, if any.

    Raises:
        UsageError: two orders are asked for, or there is no such run.

    """

    def __init__(self, seed: int | None, replay: str, run_dir: str | Path | None, engine: Engine | None) -> None:
        if seed is not None and replay:
            raise UsageError("a run can follow a seed or replay another run, not both")
        if engine is not None and (seed is not None or replay):
            raise UsageError("only the threads of this process take an order that is asked for")
        self.seed, self.replay = seed, ""
        self._nodes: list[str] = []
        if replay:
            if run_dir is None:
                raise UsageError("a run can be replayed only where runs leave folders")
            self.replay = find_run(Path(run_dir), replay)
            self._nodes = recorded_order(Path(run_dir) / self.replay)

    def arrange(self, plan: Plan, workers: int) -> None:
        """Have a plan take the order; under a seed several workers get something to steal as well."""
        if self.seed is not None:
            plan.apply_order(shuffled(self.seed, by_deques=workers > 1), self.seed)
        elif self.replay:
            plan.apply_order(replayed(self._nodes, {v.id for v in plan.dag.vertices if v.is_mapped}))


def _plan(
    graph: Graph, params: Mapping[str, Any] | None, targets: list[str], permit: Permissions, stack: ExitStack
) -> Plan:
    """Make the plan; from here to the run's end the collector is spared it."""
    dag = graph.link(params)
    among = dag.closure(targets) if targets else None
    outputs = tuple(dag.index[name] for name in targets) if targets else None
    try:
        permit.check(dag, graph.functions)
        functions = resolve_all(dag, graph.functions, among)
    except GraphError as error:
        raise graph.error(error) from None
    stack.enter_context(collector.spared(len(dag.vertices)))
    return Plan(dag, functions, among, outputs)
