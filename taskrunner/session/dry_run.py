"""Dry run: the decisions that a run would make on its nodes. It executes no node and writes nothing."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from taskrunner.engines.local.backend import ThreadBackend
from taskrunner.execution.dry.decision import RESTORED, Decision
from taskrunner.execution.dry.runner import DryRunner
from taskrunner.execution.state import RunState
from taskrunner.graph.dag import Dag, Vertex
from taskrunner.graph.graph import Graph
from taskrunner.nodes.context import current_node_id
from taskrunner.nodes.resolve import import_paths
from taskrunner.plan.plan import Plan
from taskrunner.session.options import RunOptions
from taskrunner.session.prepare import Ordering, cache_directory, check_gil, prepare
from taskrunner.session.run_store import read_resumption
from taskrunner.storage.redaction import mask_of
from taskrunner.system.gil import GilWatch

if TYPE_CHECKING:
    from taskrunner.execution.dry.cache import DryRunCache


class DryRun(msgspec.Struct, frozen=True):
    """The decisions of a run, by node: those of the selected nodes of ``dag``, and of children of mapped nodes."""

    dag: Dag
    decisions: dict[str, Decision]

    def of_nodes(self) -> list[tuple[Vertex, Decision]]:
        """Return the nodes with their decisions, in a possible order of execution; children are left out."""
        vertices = [self.dag.vertices[index] for index in self.dag.order]
        return [(vertex, self.decisions[vertex.id]) for vertex in vertices if vertex.id in self.decisions]


def dry_run(graph: Graph, options: RunOptions) -> DryRun:
    """Return the decisions that a run would make with these options. A cluster is not contacted.

    Raises:
        GraphError: the graph is invalid, names something that is not allowed, or a callable cannot be imported.
        GilEnabledError: the GIL is on, and the options require it to be off.
        UsageError: a target, a parameter or a run does not exist, or another process resumes the run.

    """
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(import_paths(graph.source))
        watch = enter(GilWatch(current_node_id))
        plan = enter(prepare(graph, options))
        Ordering(graph, options)
        if options.engine is None:
            check_gil(options, ThreadBackend(1), watch)
        resumption = read_resumption(graph, options, plan)
        if resumption is not None:
            plan.restore(resumption.results, resumption.children)
        decisions = _decide(plan, options, {} if resumption is None else resumption.reasons)
        return DryRun(plan.dag, {decision.node: decision for decision in (*_restored(plan), *decisions)})


def _decide(plan: Plan, options: RunOptions, reasons: Mapping[int, str]) -> Collection[Decision]:
    state = RunState(0, mask=mask_of(plan.dag, options.params or {}))
    runner = DryRunner(plan, state, reasons)
    runner.decide(_open_cache(plan, options, runner))
    return runner.decisions.values()


def _restored(plan: Plan) -> Iterator[Decision]:
    """Yield the decisions on the nodes that a resumed run does not execute again."""
    for index in plan.dag.order:
        if plan.is_restored(vertex := plan.dag.vertices[index]):
            yield Decision(vertex.id, RESTORED, "it has finished in the resumed run")


def _open_cache(plan: Plan, options: RunOptions, runner: DryRunner) -> "DryRunCache | None":
    directory = cache_directory(plan, options)
    if directory is None:
        return None
    from taskrunner.execution.dry.cache import DryRunCache  # needed by nodes with a cache alone

    return DryRunCache(directory, plan, runner.leave_open, force=options.force)
