"""Output formats of a graph view: dot and Mermaid for drawing programs, JSON for any other program."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from taskrunner.analysis.graph_view import phrases
from taskrunner.analysis.graph_view.colors import BLACK, FILLS
from taskrunner.analysis.graph_view.status import NodeStatus
from taskrunner.analysis.graph_view.text import format_nodes
from taskrunner.analysis.graph_view.view import EdgeView, GraphView, NodeBox
from taskrunner.safe.printable import printable

_MAX_NAME = 200  # characters; a longer name makes the box too large to be useful
# All characters that Mermaid might interpret as its syntax or as Markdown: all except letters, digits and connectors.
_SPECIAL = re.compile(r"[^\w ,-]|(?<![\w,]) |(?<!\w)[_-]|[_-](?!\w)")


def to_dot(view: GraphView) -> str:
    """Return a view in the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""
    lines = [f"digraph {_quote(view.name or 'taskrunner')} {{", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quote(box.id)} [{_attributes(box)}];" for box in view.boxes]
    lines += [
        f"  {_quote(view.boxes[need.box].id)} -> {_quote(box.id)}{_line(need)};"
        for box in view.boxes
        for need in box.needs
    ]
    for index, box in enumerate(view.boxes):
        lines += _stubs(index, box)
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(view: GraphView) -> str:
    """Return a view as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    lines = ["flowchart LR"]
    for index, box in enumerate(view.boxes):
        left, right = ("[[", "]]") if box.is_mapped else ("(", ")") if box.is_command else ("[", "]")
        lines.append(f'  n{index}{left}"{"<br/>".join(map(_entities, _box_lines(box)))}"{right}')
    for index, box in enumerate(view.boxes):
        lines += [f"  n{need.box} {_arrow(need)} n{index}" for need in box.needs]
        before, after = box.hidden_predecessors, box.hidden_successors
        lines += [f'  before{index}(["+{before}"]) -.-> n{index}'] if before else []
        lines += [f'  n{index} -.-> after{index}(["+{after}"])'] if after else []
    return "\n".join([*lines, *_classes(view)]) + "\n"


def to_json(view: GraphView) -> str:
    """Return the nodes with their dependencies, levels and statuses, as one JSON object."""
    graph: dict[str, Any] = {
        "name": view.name,
        "nodes": [_fields(view, box) for box in view.boxes],
        "outputs": view.outputs,
    }
    if view.run:
        graph["run"] = view.run
    return msgspec.json.format(msgspec.json.encode(graph), indent=2).decode() + "\n"


def _box_lines(box: NodeBox) -> list[str]:
    """Return the lines inside a box."""
    name = box.id if len(box.id) <= _MAX_NAME else f"{box.id[:_MAX_NAME]}…"
    if box.status is None:
        return [name]
    state = " ".join(filter(None, (phrases.format_state(box.status), phrases.format_time(box.status))))
    return [line for line in (name, state, phrases.format_remark(box.status)) if line]


def _attributes(box: NodeBox) -> str:
    styles = ["rounded"] if box.is_command else []
    parts = [f"label={_label(_box_lines(box))}", f"tooltip={_label([box.label[:_MAX_NAME]])}"]
    parts += ["peripheries=2"] if box.is_mapped else []
    if box.status:
        styles.append("filled")
        parts += [f'fillcolor="{FILLS[box.status.state]}"', f'fontcolor="{BLACK}"']
        parts += ["penwidth=3"] if box.status.critical else []
    return ", ".join([*parts, f'style="{",".join(styles)}"'] if styles else parts)


def _line(need: EdgeView) -> str:
    parts = ([] if need.is_used else ["style=dashed"]) + (["penwidth=3"] if need.is_critical else [])
    return f" [{', '.join(parts)}]" if parts else ""


def _stubs(index: int, box: NodeBox) -> Iterator[str]:
    r"""Yield placeholders for the hidden neighbors.

    The name of a placeholder cannot be the name of a node. In a node's name a second backslash escapes a backslash, or
    the backslash is part of the escape of a character. That escape is never ``\<`` nor ``\>``.
    """
    for sign, count in (("<", box.hidden_predecessors), (">", box.hidden_successors)):
        if count:
            stub, node = f'"\\{sign}{index}"', _quote(box.id)
            yield f'  {stub} [label="+{count}", tooltip="{count} more", style=dashed];'
            yield f"  {f'{stub} -> {node}' if sign == '<' else f'{node} -> {stub}'} [style=dashed];"


def _quote(name: str) -> str:
    """Quote a name so that distinct names stay distinct: only the backslashes of escapes remain single."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def _label(lines: list[str]) -> str:
    r"""Quote lines that Graphviz must show literally, although ``\`` and ``&`` begin its escapes."""
    escaped = [printable(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines]
    return f'"{"\\n".join(escaped)}"'


def _arrow(need: EdgeView) -> str:
    if need.is_critical:
        return "==>"
    return "-->" if need.is_used else "-.->"


def _entities(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"#{ord(match[0])};", printable(text))


def _classes(view: GraphView) -> Iterator[str]:
    """Yield the definition of the color of each present state, and the assignment of its nodes."""
    statuses = {f"n{index}": box.status for index, box in enumerate(view.boxes) if box.status}
    for state, fill in FILLS.items():
        nodes = [node for node, status in statuses.items() if status.state == state]
        if nodes:
            name = state.replace(" ", "_")
            yield f"  classDef {name} fill:{fill},color:{BLACK},stroke:{BLACK}"
            yield f"  class {','.join(nodes)} {name}"
    critical = [node for node, status in statuses.items() if status.critical]
    if critical:
        yield "  classDef critical stroke-width:4px"
        yield f"  class {','.join(critical)} critical"


def _fields(view: GraphView, box: NodeBox) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": box.id,
        "label": box.label,
        "level": box.level,
        "needs": [view.boxes[need.box].id for need in box.needs],
    }
    more = {"more_before": box.hidden_predecessors, "more_after": box.hidden_successors}
    fields |= {name: count for name, count in more.items() if count}
    return fields | _status_fields(box.status) if box.status else fields


def _status_fields(status: NodeStatus) -> dict[str, Any]:
    """Return the fields of a status, without an empty skip reason and without absent children."""
    optional = {"reason", "because", "children"}
    return {name: value for name, value in msgspec.structs.asdict(status).items() if value or name not in optional}


FORMATS: dict[str, Callable[[GraphView], str]] = {
    "text": format_nodes,
    "dot": to_dot,
    "mermaid": to_mermaid,
    "json": to_json,
}
