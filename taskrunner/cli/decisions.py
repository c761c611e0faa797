"""Decisions of a dry run, as text and as JSON."""

import msgspec

from taskrunner.analysis.labels import label
from taskrunner.execution.dry.decision import MAY_RUN
from taskrunner.safe.printable import printable
from taskrunner.safe.strict_json import indent
from taskrunner.session.dry_run import DryRun


def executions(dry: DryRun) -> str:
    """Return a line for each node that would be executed, or may be, in a possible order of execution."""
    lines = []
    for vertex, decision in dry.of_nodes():
        if not decision.is_executed:
            continue
        executed = [name for name in _predecessors(dry, vertex.id) if dry.decisions[name].is_executed]
        remarks = [f"after {', '.join(executed)}"] if executed else []
        remarks += [f"may run: {decision.reason}"] if decision.status == MAY_RUN else []
        lines.append(f"{vertex.id}: {label(vertex)}" + (f" ({'; '.join(remarks)})" if remarks else ""))
    return _to_text(lines)


def explanations(dry: DryRun) -> str:
    """Return a line for each node: whether it is executed, and why."""
    return _to_text([f"{vertex.id}: {decision.status}: {decision.reason}" for vertex, decision in dry.of_nodes()])


def to_json(dry: DryRun) -> bytes:
    """Return the decisions as a JSON object; those of children follow those of the nodes."""
    nodes = [
        {**msgspec.structs.asdict(decision), "after": _predecessors(dry, vertex.id)}
        for vertex, decision in dry.of_nodes()
    ]
    children = [decision for node, decision in dry.decisions.items() if node not in dry.dag.index]
    return indent(msgspec.json.encode({"nodes": nodes, "children": children}))


def _predecessors(dry: DryRun, node: str) -> list[str]:
    vertices = dry.dag.vertices
    return [vertices[index].id for index in vertices[dry.dag.index[node]].predecessors]


def _to_text(lines: list[str]) -> str:
    return "".join([f"{printable(line)}\n" for line in lines])
