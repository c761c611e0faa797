"""A graph as text for people: one paragraph a level, or one line where a graph is big."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.graph_view import phrases
from taskrunner.analysis.graph_view.colors import plain
from taskrunner.analysis.graph_view.view import GraphView, NodeBox, RunHeader
from taskrunner.safe.printable import printable

# Of more names than these the first ones are shown: nobody reads on.
_NAMED = 8
# A line that is longer than this does not push the states of all others aside.
_WIDEST = 80

type Painter = Callable[..., str]


def text(sketch: GraphView, paint: Painter = plain) -> str:
    """Return one paragraph for each level: what a level needs stands in the levels above it."""
    rows = {box.id: _row(sketch, box) for box in sketch.boxes}
    width = max((len(row) for row in rows.values() if len(row) <= _WIDEST), default=0)
    states = max((len(phrases.state(box.mark)) for box in sketch.boxes if box.mark), default=0)
    lines = []
    for depth, boxes in _levels(sketch):
        lines.append(f"level {depth}")
        lines += [
            rows[box.id].ljust(width) + _status(box, states, paint) if box.mark else rows[box.id] for box in boxes
        ]
    return "\n".join([*lines, *_foot(sketch)]) + "\n"


def digest(sketch: GraphView) -> str:
    """Return one line for each level: how many nodes of which kind, and what became of them."""
    lines = [f"level {depth}: {_contents(boxes)}" for depth, boxes in _levels(sketch)]
    return "\n".join([*lines, *_foot(sketch)]) + "\n"


def _levels(sketch: GraphView) -> Iterator[tuple[int, list[NodeBox]]]:
    boxes = sorted(sketch.boxes, key=lambda box: box.level)  # which keeps the order inside a level
    return ((depth, list(group)) for depth, group in itertools.groupby(boxes, key=lambda box: box.level))


def _row(sketch: GraphView, box: NodeBox) -> str:
    needs = _named([sketch.boxes[need.box].id for need in box.needs])
    arrow = f"  <- {needs}" if needs else ""
    cut = f"  (+{box.before:,} more before)" if box.before else ""
    cut += f"  (+{box.after:,} more after)" if box.after else ""
    return printable(f"  {box.id}  {box.label}{arrow}{cut}")


def _status(box: NodeBox, width: int, paint: Painter) -> str:
    """Return what became of a node, in columns."""
    found = box.mark
    if found is None:
        return ""
    star = "*" if found.critical else " "
    state = paint(phrases.state(found).ljust(width), found.state, bold=found.critical)
    return f"  {star} {state}  {phrases.time(found):>8}  {printable(phrases.remark(found))}".rstrip()


def _contents(boxes: Sequence[NodeBox]) -> str:
    kinds = _counted(Counter(box.kind for box in boxes))
    marks = [box.mark for box in boxes if box.mark]
    if not marks:
        return f"{_nodes(len(boxes))}: {kinds}"
    fates = _counted(Counter(phrases.state(found) for found in marks))
    return f"{_nodes(len(boxes))}: {kinds}; {fates}, {format_seconds(sum(found.ran_s for found in marks))}"


def _foot(sketch: GraphView) -> list[str]:
    has_outputs = sketch.outputs or not sketch.boxes  # a part of a graph may have none
    lines = [f"outputs: {printable(_named(sketch.outputs))}"] if has_outputs else []
    return [*lines, _run_header(sketch.run)] if sketch.run else lines


def _run_header(run: RunHeader) -> str:
    path = f"; * is the critical path, {format_seconds(run.critical_path_s)}" if run.critical_path_s else ""
    return f"run: {run.id}, {run.state}, {format_seconds(run.wall_s)}{path}"


def _named(names: Sequence[str]) -> str:
    more = f" (+{len(names) - _NAMED:,} more)" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _counted(counts: "Counter[str]") -> str:
    """Write counts, the largest first; those that are too many to be read as one."""
    ranked = counts.most_common()
    words = [f"{count:,} {printable(name)}" for name, count in ranked[:_NAMED]]
    others = sum(count for _, count in ranked[_NAMED:])
    return ", ".join([*words, f"{others:,} others"] if others else words)


def _nodes(count: int) -> str:
    return f"{count:,} nodes" if count != 1 else "1 node"
