"""Text of a graph view for people: a paragraph per level, or a line per level for a large graph."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from taskrunner.analysis.formatting import format_count, format_seconds
from taskrunner.analysis.graph_view import phrases
from taskrunner.analysis.graph_view.colors import omit_color
from taskrunner.analysis.graph_view.view import GraphView, NodeBox, RunHeader
from taskrunner.safe.printable import printable

_MAX_NAMES = 8  # of a list; readers skip the rest
_MAX_ALIGNED_WIDTH = 80  # a longer line does not move the states of all other lines to the right

type Painter = Callable[..., str]


def format_nodes(view: GraphView, paint: Painter = omit_color) -> str:
    """Return a paragraph per level with a line per node; the dependencies of a level are in the levels above it."""
    rows = {box.id: _row(view, box) for box in view.boxes}
    row_width = max((len(row) for row in rows.values() if len(row) <= _MAX_ALIGNED_WIDTH), default=0)
    state_width = max((len(phrases.format_state(box.status)) for box in view.boxes if box.status), default=0)
    lines = []
    for depth, boxes in _levels(view):
        lines.append(f"level {depth}")
        lines += [
            rows[box.id].ljust(row_width) + _status(box, state_width, paint) if box.status else rows[box.id]
            for box in boxes
        ]
    return "\n".join([*lines, *_footer(view)]) + "\n"


def format_levels(view: GraphView) -> str:
    """Return a line per level: the number of nodes of each kind, and of each state."""
    lines = [f"level {depth}: {_contents(boxes)}" for depth, boxes in _levels(view)]
    return "\n".join([*lines, *_footer(view)]) + "\n"


def _levels(view: GraphView) -> Iterator[tuple[int, list[NodeBox]]]:
    boxes = sorted(view.boxes, key=lambda box: box.level)  # stable: preserves the order within a level
    return ((depth, list(group)) for depth, group in itertools.groupby(boxes, key=lambda box: box.level))


def _row(view: GraphView, box: NodeBox) -> str:
    needs = _join_names([view.boxes[need.box].id for need in box.needs])
    arrow = f"  <- {needs}" if needs else ""
    hidden = f"  (+{box.hidden_predecessors:,} more before)" if box.hidden_predecessors else ""
    hidden += f"  (+{box.hidden_successors:,} more after)" if box.hidden_successors else ""
    return printable(f"  {box.id}  {box.label}{arrow}{hidden}")


def _status(box: NodeBox, width: int, paint: Painter) -> str:
    """Return the status of a node, in columns."""
    status = box.status
    if status is None:
        return ""
    star = "*" if status.critical else " "
    state = paint(phrases.format_state(status).ljust(width), status.state, bold=status.critical)
    return f"  {star} {state}  {phrases.format_time(status):>8}  {printable(phrases.format_remark(status))}".rstrip()


def _contents(boxes: Sequence[NodeBox]) -> str:
    count, kinds = format_count(len(boxes), "node"), _join_counts(Counter(box.kind for box in boxes))
    statuses = [box.status for box in boxes if box.status]
    if not statuses:
        return f"{count}: {kinds}"
    states = _join_counts(Counter(phrases.format_state(status) for status in statuses))
    return f"{count}: {kinds}; {states}, {format_seconds(sum(status.ran_s for status in statuses))}"


def _footer(view: GraphView) -> list[str]:
    has_outputs = view.outputs or not view.boxes  # a part of a graph may have no outputs
    lines = [f"outputs: {printable(_join_names(view.outputs))}"] if has_outputs else []
    return [*lines, _run_header(view.run)] if view.run else lines


def _run_header(run: RunHeader) -> str:
    path = f"; * is the critical path, {format_seconds(run.critical_path_s)}" if run.critical_path_s else ""
    return f"run: {run.id}, {run.state}, {format_seconds(run.wall_s)}{path}"


def _join_names(names: Sequence[str]) -> str:
    more = f" (+{len(names) - _MAX_NAMES:,} more)" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def _join_counts(counts: "Counter[str]") -> str:
    """Join counts, the largest first; those after the first _MAX_NAMES are added up."""
    ranked = counts.most_common()
    words = [f"{count:,} {printable(name)}" for name, count in ranked[:_MAX_NAMES]]
    others = sum(count for _, count in ranked[_MAX_NAMES:])
    return ", ".join([*words, f"{others:,} others"] if others else words)
