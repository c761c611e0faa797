"""A simulation as text for people."""

import textwrap
from collections.abc import Iterator, Sequence

from taskrunner.analysis.formatting import counted, seconds
from taskrunner.analysis.simulation.advice import WORTH, Advice, Small
from taskrunner.analysis.simulation.overhead import Overhead
from taskrunner.analysis.simulation.simulate import NEAR, Prediction, Simulation
from taskrunner.analysis.simulation.speedup_curve import BLOCKS, Marks, bars, workers
from taskrunner.safe.printable import printable_name

_LONGEST_NAME = 60
_HEADS = ("workers", "wall", "speed-up", "efficiency", "bound", "over bound", "bound by")


def simulation_text(simulation: Simulation, width: int, marks: Marks = BLOCKS) -> str:
    """Return the whole of it, in lines of at most so many columns where its numbers allow it."""
    parts = [
        _rows(_head(simulation), width),
        _path(simulation, width),
        _table(simulation.predictions),
        [
            f"speed-up {marks.full}, and what the bound allows {marks.light}",
            *bars(simulation.predictions, width, marks),
        ],
        [f"advice for {workers(simulation.advice.workers)}", *_listed(_advice(simulation), width)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _head(found: Simulation) -> Iterator[tuple[str, str]]:
    measured = "" if found.measured_s is None else f"; measured {seconds(found.measured_s)}"
    if found.measured_s:
        measured += f" ({_more(found.predicted_s / found.measured_s - 1)})"
    graph = f"{_name(found.graph)}, " if found.graph else ""
    order = "critical path first" if found.ranked else "newest first"
    yield "run", f"{found.run}: {graph}{counted(found.nodes, 'node')} on {workers(found.workers)}"
    yield "simulated", f"{seconds(found.predicted_s)} on as many{measured}"
    yield "overhead", _overhead(found.overhead)
    yield "order", f"{order}, as in the run"
    for note in found.notes:
        yield "note", note


def _overhead(lost: Overhead) -> str:
    """Name what was measured: a run with one worker does not tell what it takes to wake one up."""
    parts = (
        (lost.node_s, "from a node to the next"),
        (lost.wake_s, "to wake up"),
        (lost.fixed_s, "before and after all"),
    )
    return ", ".join([f"{seconds(spent)} {what}" for spent, what in parts if spent]) or "none measured"


def _path(found: Simulation, width: int) -> list[str]:
    room = max(width - len("  100%   123.4 ms  "), 20)
    links = [
        f"{link.share:>6.0%}  {seconds(link.seconds):>9}  {printable_name(link.node, room)}"
        for link in found.critical_path
    ]
    return [f"critical path, {seconds(found.critical_path_s)}", *links]


def _rows(rows: Iterator[tuple[str, str]], width: int) -> list[str]:
    return [line for head, text in rows for line in _wrapped(f"{head:<15}", text, width)]


def _listed(texts: Iterator[str], width: int) -> list[str]:
    return [line for text in texts for line in _wrapped("  ", text, width)]


def _wrapped(first: str, text: str, width: int) -> list[str]:
    width = max(width, 40)
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
    ) or [first.rstrip()]


def _table(predictions: Sequence[Prediction]) -> list[str]:
    rows = [_HEADS, *[_cells(prediction) for prediction in predictions]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS) - 1)]
    return [
        "  ".join([*[cell.rjust(width) for cell, width in zip(row, widths, strict=False)], row[-1]]) for row in rows
    ]


def _cells(found: Prediction) -> tuple[str, ...]:
    wall, bound = seconds(found.wall_s), seconds(found.bound_s)
    over = _more(found.over_bound)
    return (
        str(found.workers),
        wall,
        f"{found.speedup:.2f}",
        f"{found.efficiency:.0%}",
        bound,
        over,
        _name(found.bound_by),
    )


def _more(share: float) -> str:
    return f"{round(share, 3) + 0.0:+.1%}"  # nothing is +0.0%, not -0.0%


def _advice(simulation: Simulation) -> Iterator[str]:
    advice = simulation.advice
    yield from _changes(advice)
    yield from _order(advice)
    for small in advice.small:
        yield _small(small, simulation.overhead.node_s)
    if len(simulation.predictions) > 1:
        yield _enough(simulation)


def _enough(simulation: Simulation) -> str:
    if simulation.enough == simulation.predictions[-1].workers:
        return f"The shortest run of the table needs all its {workers(simulation.enough)}."
    near = f"within {NEAR:.0%} of the shortest run of the table"
    return f"{workers(simulation.enough)} {'comes' if simulation.enough == 1 else 'come'} {near}."


def _changes(advice: Advice) -> Iterator[str]:
    if advice.halving:
        gain = _saved(advice.halving.saved_s, advice)
        yield f"If {_name(advice.halving.node)} took half of its {seconds(advice.halving.seconds)}, {gain}."
    else:
        yield "No single node is worth a change: halving any of those that were tried saves less than 1%."
    if advice.cut:
        source, target = _name(advice.cut.source), _name(advice.cut.target)
        result = "which takes its result" if advice.cut.passes_result else "which does not take its result"
        yield f"If {target}, {result}, did not wait for {source}, {_saved(advice.cut.saved_s, advice)}."


def _order(advice: Advice) -> Iterator[str]:
    """Say what the next run may win: it knows the times of this one."""
    if advice.ranked_s is not None and advice.ranked_s < advice.wall_s * (1 - WORTH):
        gain = _saved(advice.wall_s - advice.ranked_s, advice)
        yield f"With the critical path first, as in a run of a graph that has run before, {gain}."


def _saved(saved_s: float, advice: Advice) -> str:
    return f"that would save {seconds(saved_s)} of {seconds(advice.wall_s)} ({saved_s / advice.wall_s:.0%})"


def _small(small: Small, each_s: float) -> str:
    lost = f"{seconds(small.mean_s)} on average, where {seconds(each_s)} are lost from one to the next"
    return f"{small.nodes} nodes of {_name(small.call)} are small: {lost}; put {small.batch} of them into one."


def _name(text: str) -> str:
    return printable_name(text, _LONGEST_NAME)
