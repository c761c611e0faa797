"""A graph as text: levels for people, dot and mermaid for drawing programs, JSON for others."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from taskrunner.graph.dag import Dag, Vertex
from taskrunner.safe.printable import printable


def text(dag: Dag) -> str:
    """Return one paragraph for each level: what a level needs stands in the levels above it."""
    lines = []
    for depth, level in enumerate(dag.levels()):
        lines.append(f"level {depth}")
        for vertex in level:
            needs = ", ".join(dag.vertices[i].id for i in vertex.before)
            lines.append(printable(f"  {vertex.id}  {label(vertex)}" + (f"  <- {needs}" if needs else "")))
    outputs = printable(", ".join(dag.vertices[i].id for i in dag.outputs))
    return "\n".join([*lines, f"outputs: {outputs}"]) + "\n"


def dot(dag: Dag) -> str:
    """Return the graph in Graphviz's language (https://graphviz.org/doc/info/lang.html)."""
    lines = [f"digraph {_quote(dag.file.name or 'taskrunner')} {{", "  rankdir=LR;", "  node [shape=box];"]
    for vertex in dag.vertices:
        shape = ", peripheries=2" if vertex.is_mapped else ""
        style = ", style=rounded" if not vertex.call else ""
        lines.append(f"  {_quote(vertex.id)} [tooltip={_quote(label(vertex))}{shape}{style}];")
    for vertex in dag.vertices:
        for index in vertex.before:
            dashed = "" if index in vertex.used else " [style=dashed]"
            lines.append(f"  {_quote(dag.vertices[index].id)} -> {_quote(vertex.id)}{dashed};")
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(dag: Dag) -> str:
    """Return the graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    lines = ["flowchart LR"]
    for vertex in dag.vertices:
        name = printable(vertex.id).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        left, right = ("[[", "]]") if vertex.is_mapped else ("(", ")") if not vertex.call else ("[", "]")
        lines.append(f'  n{vertex.index}{left}"{name}"{right}')
    for vertex in dag.vertices:
        for index in vertex.before:
            arrow = "-->" if index in vertex.used else "-.->"
            lines.append(f"  n{index} {arrow} n{vertex.index}")
    return "\n".join(lines) + "\n"


def as_json(dag: Dag) -> str:
    """Return the nodes with what they need and their level, as one JSON object."""
    level_of = {vertex.index: depth for depth, level in enumerate(dag.levels()) for vertex in level}
    nodes = [
        {
            "id": vertex.id,
            "label": label(vertex),
            "level": level_of[vertex.index],
            "needs": [dag.vertices[i].id for i in vertex.before],
        }
        for vertex in dag.vertices
    ]
    graph = {"name": dag.file.name, "nodes": nodes, "outputs": [dag.vertices[i].id for i in dag.outputs]}
    return msgspec.json.format(msgspec.json.encode(graph), indent=2).decode() + "\n"


def label(vertex: Vertex) -> str:
    """Say in a few words what a node does."""
    spec = vertex.options
    if vertex.call:
        what = vertex.call
    else:
        words = spec.run if isinstance(spec.run, str) else " ".join(map(_word, spec.run or ()))
        what = f"$ {words}"
    marks = [name for name in ("map", "when") if getattr(spec, name) is not UNSET]
    marks += ["always"] if spec.always else []
    return what + (f" [{', '.join(marks)}]" if marks else "")


def _word(part: object) -> str:
    return part if isinstance(part, str) else msgspec.json.encode(part, enc_hook=repr).decode()


def _quote(name: str) -> str:
    """Quote a name so that no two names become one: the backslashes of escapes stay single, all others do not."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


FORMS: dict[str, Callable[[Dag], str]] = {"text": text, "dot": dot, "mermaid": mermaid, "json": as_json}
