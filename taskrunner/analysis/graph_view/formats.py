"""A sketch for others: dot and mermaid for drawing programs, JSON for programs of one's own."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from taskrunner.analysis.graph_view import phrases
from taskrunner.analysis.graph_view import text as levels
from taskrunner.analysis.graph_view.colors import BLACK, FILLS
from taskrunner.analysis.graph_view.status import NodeStatus
from taskrunner.analysis.graph_view.view import EdgeView, GraphView, NodeBox
from taskrunner.safe.printable import printable

# More of a name makes a box that nobody looks at.
_LONGEST = 200
# What Mermaid might take for its own syntax, or for markdown: all but letters and digits, and what joins them.
_SPECIAL = re.compile(r"[^\w ,-]|(?<![\w,]) |(?<!\w)[_-]|[_-](?!\w)")


def dot(sketch: GraphView) -> str:
    """Return a sketch in Graphviz's language (https://graphviz.org/doc/info/lang.html)."""
    lines = [f"digraph {_quote(sketch.name or 'taskrunner')} {{", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quote(box.id)} [{_attributes(box)}];" for box in sketch.boxes]
    lines += [
        f"  {_quote(sketch.boxes[need.box].id)} -> {_quote(box.id)}{_line(need)};"
        for box in sketch.boxes
        for need in box.needs
    ]
    for place, box in enumerate(sketch.boxes):
        lines += _stubs(place, box)
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(sketch: GraphView) -> str:
    """Return a sketch as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    lines = ["flowchart LR"]
    for place, box in enumerate(sketch.boxes):
        left, right = ("[[", "]]") if box.is_mapped else ("(", ")") if box.is_command else ("[", "]")
        lines.append(f'  n{place}{left}"{"<br/>".join(map(_entities, _words(box)))}"{right}')
    for place, box in enumerate(sketch.boxes):
        lines += [f"  n{need.box} {_arrow(need)} n{place}" for need in box.needs]
        lines += [f'  before{place}(["+{box.before}"]) -.-> n{place}'] if box.before else []
        lines += [f'  n{place} -.-> after{place}(["+{box.after}"])'] if box.after else []
    return "\n".join([*lines, *_classes(sketch)]) + "\n"


def as_json(sketch: GraphView) -> str:
    """Return the nodes with what they need, their level and what became of them, as one JSON object."""
    graph: dict[str, Any] = {
        "name": sketch.name,
        "nodes": [_fields(sketch, box) for box in sketch.boxes],
        "outputs": sketch.outputs,
    }
    if sketch.run:
        graph["run"] = sketch.run
    return msgspec.json.format(msgspec.json.encode(graph), indent=2).decode() + "\n"


def _words(box: NodeBox) -> list[str]:
    """Return the lines that stand in a box."""
    name = box.id if len(box.id) <= _LONGEST else f"{box.id[:_LONGEST]}…"
    if box.mark is None:
        return [name]
    state = " ".join(filter(None, (phrases.state(box.mark), phrases.time(box.mark))))
    return [line for line in (name, state, phrases.remark(box.mark)) if line]


def _attributes(box: NodeBox) -> str:
    styles = ["rounded"] if box.is_command else []
    parts = [f"label={_label(_words(box))}", f"tooltip={_label([box.label[:_LONGEST]])}"]
    parts += ["peripheries=2"] if box.is_mapped else []
    if box.mark:
        styles.append("filled")
        parts += [f'fillcolor="{FILLS[box.mark.state]}"', f'fontcolor="{BLACK}"']
        parts += ["penwidth=3"] if box.mark.critical else []
    return ", ".join([*parts, f'style="{",".join(styles)}"'] if styles else parts)


def _line(need: EdgeView) -> str:
    parts = ([] if need.is_used else ["style=dashed"]) + (["penwidth=3"] if need.is_critical else [])
    return f" [{', '.join(parts)}]" if parts else ""


def _stubs(place: int, box: NodeBox) -> Iterator[str]:
    r"""Yield what stands for the neighbours that are left out.

    Its name is no node's: in those a backslash is doubled, or part of the escape of one character, which is never
    ``\<`` nor ``\>``.
    """
    for sign, count in (("<", box.before), (">", box.after)):
        if count:
            stub, node = f'"\\{sign}{place}"', _quote(box.id)
            yield f'  {stub} [label="+{count}", tooltip="{count} more", style=dashed];'
            yield f"  {f'{stub} -> {node}' if sign == '<' else f'{node} -> {stub}'} [style=dashed];"


def _quote(name: str) -> str:
    """Quote a name so that no two names become one: the backslashes of escapes stay single, all others do not."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def _label(lines: list[str]) -> str:
    r"""Quote lines that Graphviz is to show as they are: it takes ``\`` and ``&`` for the beginning of an escape."""
    shown = [printable(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines]
    return f'"{"\\n".join(shown)}"'


def _arrow(need: EdgeView) -> str:
    if need.is_critical:
        return "==>"
    return "-->" if need.is_used else "-.->"


def _entities(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"#{ord(match[0])};", printable(text))


def _classes(sketch: GraphView) -> Iterator[str]:
    """Yield the colours of the states that there are, and who has them."""
    marks = {f"n{place}": box.mark for place, box in enumerate(sketch.boxes) if box.mark}
    for state, fill in FILLS.items():
        nodes = [node for node, mark in marks.items() if mark.state == state]
        if nodes:
            name = state.replace(" ", "_")
            yield f"  classDef {name} fill:{fill},color:{BLACK},stroke:{BLACK}"
            yield f"  class {','.join(nodes)} {name}"
    critical = [node for node, mark in marks.items() if mark.critical]
    if critical:
        yield "  classDef critical stroke-width:4px"
        yield f"  class {','.join(critical)} critical"


def _fields(sketch: GraphView, box: NodeBox) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": box.id,
        "label": box.label,
        "level": box.level,
        "needs": [sketch.boxes[need.box].id for need in box.needs],
    }
    more = {"more_before": box.before, "more_after": box.after}
    fields |= {name: count for name, count in more.items() if count}
    return fields | _mark_fields(box.mark) if box.mark else fields


def _mark_fields(mark: NodeStatus) -> dict[str, Any]:
    """Return what became of a node; why it was skipped and its children only where there is such a thing."""
    optional = {"reason", "because", "children"}
    return {name: value for name, value in msgspec.structs.asdict(mark).items() if value or name not in optional}


FORMS: dict[str, Callable[[GraphView], str]] = {"text": levels.text, "dot": dot, "mermaid": mermaid, "json": as_json}
