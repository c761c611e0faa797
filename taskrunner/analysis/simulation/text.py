"""Text form of a simulation."""

import textwrap
from collections.abc import Iterator, Sequence

from taskrunner.analysis.formatting import format_count, format_seconds
from taskrunner.analysis.simulation.advice import MIN_SHARE, Advice, SmallNodes
from taskrunner.analysis.simulation.overhead import Overhead
from taskrunner.analysis.simulation.simulate import NEAR_BEST, Prediction, Simulation
from taskrunner.analysis.simulation.speedup_curve import BLOCKS, Marks, bars, format_workers
from taskrunner.safe.printable import printable_name

_MAX_NAME_CHARS = 60
_HEADERS = ("workers", "wall", "speed-up", "efficiency", "bound", "over bound", "bound by")


def simulation_text(simulation: Simulation, width: int, marks: Marks = BLOCKS) -> str:
    """Return the simulation as text; its lines have at most ``width`` columns, unless the numbers need more."""
    parts = [
        _rows(_head(simulation), width),
        _path(simulation, width),
        _table(simulation.predictions),
        [f"speed-up {marks.full}, allowed by the bound {marks.light}", *bars(simulation.predictions, width, marks)],
        [f"advice for {format_workers(simulation.advice.workers)}", *_indented(_advice(simulation), width)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _head(simulation: Simulation) -> Iterator[tuple[str, str]]:
    measured = "" if simulation.measured_s is None else f"; measured {format_seconds(simulation.measured_s)}"
    if simulation.measured_s:
        measured += f" ({_difference(simulation.predicted_s / simulation.measured_s - 1)})"
    graph = f"{_name(simulation.graph)}, " if simulation.graph else ""
    order = "critical path first" if simulation.ranked else "newest first"
    on_workers = f"on {format_workers(simulation.workers)}"
    yield "run", f"{simulation.run}: {graph}{format_count(simulation.nodes, 'node')} {on_workers}"
    yield "simulated", f"{format_seconds(simulation.predicted_s)} {on_workers}{measured}"
    yield "overhead", _overhead(simulation.overhead)
    yield "order", f"{order}, as in the run"
    for caveat in simulation.notes:
        yield "caveat", caveat


def _overhead(overhead: Overhead) -> str:
    """Return the measured overheads; a run with one worker has no wake-up time, for example."""
    parts = (
        (overhead.node_s, "between nodes"),
        (overhead.wake_s, "to wake up"),
        (overhead.fixed_s, "before the first and after the last node"),
    )
    return ", ".join([f"{format_seconds(spent)} {phase}" for spent, phase in parts if spent]) or "none measured"


def _path(simulation: Simulation, width: int) -> list[str]:
    name_width = max(width - len("  100%   123.4 ms  "), 20)
    links = [
        f"{link.share:>6.0%}  {format_seconds(link.seconds):>9}  {printable_name(link.node, name_width)}"
        for link in simulation.critical_path
    ]
    return [f"critical path, {format_seconds(simulation.critical_path_s)}", *links]


def _rows(rows: Iterator[tuple[str, str]], width: int) -> list[str]:
    return [line for head, text in rows for line in _wrapped(f"{head:<15}", text, width)]


def _indented(sentences: Iterator[str], width: int) -> list[str]:
    return [line for sentence in sentences for line in _wrapped("  ", sentence, width)]


def _wrapped(first: str, text: str, width: int) -> list[str]:
    width = max(width, 40)
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
    ) or [first.rstrip()]


def _table(predictions: Sequence[Prediction]) -> list[str]:
    rows = [_HEADERS, *[_cells(prediction) for prediction in predictions]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADERS) - 1)]
    return [
        "  ".join([*[cell.rjust(width) for cell, width in zip(row, widths, strict=False)], row[-1]]) for row in rows
    ]


def _cells(prediction: Prediction) -> tuple[str, ...]:
    return (
        str(prediction.workers),
        format_seconds(prediction.wall_s),
        f"{prediction.speedup:.2f}",
        f"{prediction.efficiency:.0%}",
        format_seconds(prediction.bound_s),
        _difference(prediction.over_bound),
        _name(prediction.bound_by),
    )


def _difference(share: float) -> str:
    return f"{round(share, 3) + 0.0:+.1%}"  # zero is +0.0%, not -0.0%


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
        return f"The shortest run of the table needs all of its {format_workers(simulation.enough)}."
    near = f"within {NEAR_BEST:.0%} of the shortest run of the table"
    return f"{format_workers(simulation.enough)} {'comes' if simulation.enough == 1 else 'come'} {near}."


def _changes(advice: Advice) -> Iterator[str]:
    if advice.halving:
        gain = _saved(advice.halving.saved_s, advice)
        yield f"Halving the {format_seconds(advice.halving.seconds)} of {_name(advice.halving.node)} would save {gain}."
    else:
        yield "No single node is worth a change: halving any of the tested nodes saves less than 1%."
    if advice.cut:
        source, target = _name(advice.cut.source), _name(advice.cut.target)
        result = "passes a result" if advice.cut.passes_result else "passes no result"
        gain = _saved(advice.cut.saved_s, advice)
        yield f"Removing the edge from {source} to {target}, which {result}, would save {gain}."


def _order(advice: Advice) -> Iterator[str]:
    """Yield the gain of the next run, whose order uses the durations of this one."""
    if advice.ranked_s is not None and advice.ranked_s < advice.wall_s * (1 - MIN_SHARE):
        gain = _saved(advice.wall_s - advice.ranked_s, advice)
        yield f"Starting the critical path first, as the next run of this graph does, would save {gain}."


def _saved(saved_s: float, advice: Advice) -> str:
    return f"{format_seconds(saved_s)} of {format_seconds(advice.wall_s)} ({saved_s / advice.wall_s:.0%})"


def _small(small: SmallNodes, node_s: float) -> str:
    sizes = f"{format_seconds(small.mean_s)} on average, with an overhead of {format_seconds(node_s)} per node"
    return f"{small.nodes} nodes of {_name(small.call)} are small: {sizes}; combine batches of {small.batch}."


def _name(text: str) -> str:
    return printable_name(text, _MAX_NAME_CHARS)
