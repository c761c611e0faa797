"""Comparison of runs: differences in environment, numbers, nodes and critical path.

A side is one run, or several runs of the same graph. The first side is the base, with which each other side is
compared. The numbers of a side are medians of its runs. ``analysis.statistics`` distinguishes changes from noise.
"""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.comparison.measures import Digest
from taskrunner.analysis.statistics import LEVEL, can_judge, discovery_rates, rank_p
from taskrunner.errors import UsageError

MAX_SIDES = 26  # each side has a letter

# The verdicts. Without enough comparable runs there is no verdict.
CHANGED = "changed"
NOISE = "noise"

# The kinds of numbers.
TIME = "time"
NUMBER = "number"
BYTES = "bytes"
COUNT = "count"

# The numbers of a run as a whole: the kind of each, and its field in Measures.
_FIGURES = {
    "wall": (TIME, "wall_s"),
    "critical path": (TIME, "critical_path_s"),
    "work": (TIME, "work_s"),
    "parallelism": (NUMBER, "parallelism"),
    "workers busy": (TIME, "busy_s"),
    "overhead": (TIME, "overhead_s"),
    "idle": (TIME, "idle_s"),
    "memory": (BYTES, "memory"),
    "steals": (COUNT, "steals"),
    "done": (COUNT, "done"),
    "cached": (COUNT, "cached"),
    "failed": (COUNT, "failed"),
    "skipped": (COUNT, "skipped"),
    "retried": (COUNT, "retried"),
}

type _Sides = tuple[Sequence[Digest], Sequence[Digest]]
type _Times = tuple[list[float], list[float]]  # the seconds of one node on both sides, a number for each run with it


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The median, the minimum and the maximum of a number over the runs of one side."""

    median: float
    least: float
    most: float


class Side(msgspec.Struct, frozen=True):
    """One side: its letter, its runs, and the names of their graphs."""

    label: str
    runs: tuple[str, ...]
    graphs: tuple[str, ...]


class Fact(msgspec.Struct, frozen=True):
    """A property of the environment that is not equal in all runs, with its values on each side."""

    name: str
    sides: tuple[tuple[str, ...], ...]


class Change(msgspec.Struct, frozen=True, gc=False):
    """The difference and the ratio of the medians of one side and the base.

    ``ratio`` is None if the base is 0 or absent. A figure has ``p``, and a node has ``q``. Without enough comparable
    runs, both are None.
    """

    difference: float
    ratio: float | None = None
    p: float | None = None
    q: float | None = None
    verdict: str = ""


class Figure(msgspec.Struct, frozen=True):
    """One number of the runs as a whole, or None for a side on which no run has the number.

    ``changes`` contains one entry for each side except the base.
    """

    name: str
    kind: str
    values: tuple[tuple[float, ...], ...]
    sides: tuple[Sample | None, ...]
    changes: tuple[Change | None, ...]


class Row(msgspec.Struct, frozen=True):
    """The seconds of one node, or of all nodes that call one function; None for a side on which none of them ran."""

    name: str
    base: Sample | None
    other: Sample | None
    change: Change
    note: str = ""


class Step(msgspec.Struct, frozen=True):
    """A node on a critical path, with its seconds in the run with the median wall time of each side.

    ``sides`` are the sides with the node on their path.
    """

    node: str
    sides: tuple[str, ...]
    base_s: float | None
    other_s: float | None


class Pair(msgspec.Struct, frozen=True):
    """The base and one other side; nodes and functions are sorted by their absolute difference, the largest first."""

    base: str
    other: str
    can_judge: bool
    nodes: tuple[Row, ...]
    functions: tuple[Row, ...]
    path: tuple[Step, ...]


class Comparison(msgspec.Struct, frozen=True):
    """A comparison of all sides; a difference with a p or q of at most ``level`` is a change."""

    sides: tuple[Side, ...]
    notes: tuple[str, ...]
    facts: tuple[Fact, ...]
    figures: tuple[Figure, ...]
    pairs: tuple[Pair, ...]
    level: float = LEVEL


def compare(sides: Sequence[Sequence[Digest]]) -> Comparison:
    """Compare the sides with the first side.

    Raises:
        UsageError: there are fewer than two sides or more than MAX_SIDES, a side is empty, or a run is named twice.

    """
    _check(sides)
    labels = [chr(ord("A") + i) for i in range(len(sides))]
    named_sides = [
        Side(label, tuple([run.run for run in side]), _distinct(run.graph for run in side))
        for label, side in zip(labels, sides, strict=True)
    ]
    facts = tuple(_facts(sides))
    pairs = [_pair(("A", sides[0]), other) for other in zip(labels[1:], sides[1:], strict=True)]
    caveats = tuple(_caveats(named_sides, sides, facts))
    return Comparison(tuple(named_sides), caveats, facts, tuple(_figures(sides)), tuple(pairs))


def _check(sides: Sequence[Sequence[Digest]]) -> None:
    if len(sides) < 2 or not all(sides):  # noqa: PLR2004
        raise UsageError("a comparison needs a run on each of two sides")
    if len(sides) > MAX_SIDES:
        raise UsageError(f"{len(sides)} sides are too many: at most {MAX_SIDES} can be compared")
    seen: set[str] = set()
    for run in itertools.chain.from_iterable(sides):
        if run.run in seen:
            raise UsageError(f"run {run.run} is named twice")
        seen.add(run.run)


def _caveats(named_sides: Sequence[Side], sides: Sequence[Sequence[Digest]], facts: Sequence[Fact]) -> Iterator[str]:
    if len({side.graphs for side in named_sides}) > 1:
        names = "; ".join(f"{side.label} {', '.join(side.graphs)}" for side in named_sides)
        yield f"the graphs have different names: {names}"
    for fact in facts:
        for side, values in zip(named_sides, fact.sides, strict=True):
            if len(values) > 1:
                yield f"the runs of {side.label} differ in {fact.name}: {', '.join(values)}"
    for run in itertools.chain.from_iterable(sides):
        yield from run.caveats


def _facts(sides: Sequence[Sequence[Digest]]) -> Iterator[Fact]:
    for name in _distinct(name for side in sides for run in side for name in run.facts):
        values = tuple([_distinct(run.facts.get(name, "") for run in side) for side in sides])
        if len(set(itertools.chain.from_iterable(values))) > 1:
            yield Fact(name, values)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _figures(sides: Sequence[Sequence[Digest]]) -> Iterator[Figure]:
    """Yield the numbers, without counts that are 0 in all runs."""
    for name, (kind, field) in _FIGURES.items():
        values = tuple([_present_values(side, field) for side in sides])
        if kind == COUNT and not any(map(any, values)):
            continue
        samples = tuple([_sample(each) if each else None for each in values])
        judge = kind != COUNT and all(len(v) == len(side) for v, side in zip(values, sides, strict=True))
        changes = [_figure_change(values[0], each, judge=judge) for each in values[1:]]
        yield Figure(name, kind, values, samples, tuple(changes))


def _present_values(side: Sequence[Digest], field: str) -> tuple[float, ...]:
    values = [getattr(run.measures, field) for run in side]
    return tuple([value for value in values if value is not None])


def _figure_change(base: Sequence[float], other: Sequence[float], *, judge: bool) -> Change | None:
    if not base or not other:
        return None
    is_judged = judge and can_judge(len(base), len(other))
    return _change(statistics.median(base), statistics.median(other), rank_p(base, other) if is_judged else None)


def _change(base: float, other: float, p: float | None = None, q: float | None = None) -> Change:
    probability = q if p is None else p
    verdict = "" if probability is None else CHANGED if probability <= LEVEL else NOISE
    return Change(other - base, other / base if base else None, p, q, verdict)


def _sample(values: Sequence[float]) -> Sample:
    return Sample(statistics.median(values), min(values), max(values))


def _pair(base: tuple[str, Sequence[Digest]], other: tuple[str, Sequence[Digest]]) -> Pair:
    labels, sides = (base[0], other[0]), (base[1], other[1])
    abnormal = dict(_abnormal_nodes(labels, sides))
    nodes = _rows(labels, sides, lambda run: run.spent, abnormal)
    functions = _rows(labels, sides, lambda run: run.functions, {})
    return Pair(*labels, can_judge(*map(len, sides)), nodes, functions, tuple(_path(labels, sides)))


def _abnormal_nodes(labels: tuple[str, str], sides: _Sides) -> Iterator[tuple[str, str]]:
    """Yield each node that was not executed successfully in all runs, with its states; its times are not judged."""
    counts = Counter(
        (node, label, state)
        for label, side in zip(labels, sides, strict=True)
        for run in side
        for node, state in run.abnormal.items()
    )
    sizes = dict(zip(labels, map(len, sides), strict=True))
    states: dict[str, list[str]] = {}
    for (node, label, state), count in counts.items():
        states.setdefault(node, []).append(_append_count(f"{state} in {label}", count, sizes[label]))
    for node, parts in states.items():
        yield node, ", ".join(parts)


def _append_count(text: str, count: int, size: int) -> str:
    return text if count == size else f"{text} ({count} of {size})"


def _rows(
    labels: tuple[str, str],
    sides: _Sides,
    seconds_of: Callable[[Digest], dict[str, float]],
    abnormal: Mapping[str, str],
) -> tuple[Row, ...]:
    """Return a row for each name in any run, those with the largest difference first."""
    tables = [[seconds_of(run) for run in side] for side in sides]
    names = _distinct(itertools.chain.from_iterable(itertools.chain.from_iterable(tables)))
    times: dict[str, _Times] = {name: (_select(tables[0], name), _select(tables[1], name)) for name in names}
    rates = _rates({name: pair for name, pair in times.items() if name not in abnormal}, *map(len, sides))
    rows = [
        _row(name, pair, rates.get(name), _remark(labels, sides, pair, abnormal.get(name)))
        for name, pair in times.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row.change.difference), row.name)))


def _select(tables: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [table[name] for table in tables if name in table]


def _rates(times: Mapping[str, _Times], base: int, other: int) -> dict[str, float]:
    """Return the q of each name that is in all runs, or nothing if there are too few runs."""
    complete = {name: pair for name, pair in times.items() if len(pair[0]) == base and len(pair[1]) == other}
    return dict(zip(complete, discovery_rates(list(complete.values())), strict=True)) if can_judge(base, other) else {}


def _row(name: str, times: _Times, q: float | None, remark: str) -> Row:
    base, other = [_sample(each) if each else None for each in times]
    if base is not None and other is not None:
        return Row(name, base, other, _change(base.median, other.median, q=q), remark)
    return Row(name, base, other, Change((other.median if other else 0.0) - (base.median if base else 0.0)), remark)


def _remark(labels: tuple[str, str], sides: _Sides, times: _Times, states: str | None) -> str:
    """Return the facts that the numbers of a row do not show: the sides on which it ran, and abnormal states."""
    if not times[0] or not times[1]:
        return f"only in {labels[0] if times[0] else labels[1]}" + (f", {states}" if states else "")
    missing = [
        f"ran in {len(values)} of {len(side)} of {label}"
        for label, side, values in zip(labels, sides, times, strict=True)
        if len(values) < len(side)
    ]
    return ", ".join([*missing, states] if states else missing)


def _path(labels: tuple[str, str], sides: _Sides) -> Iterator[Step]:
    """Yield the nodes of both critical paths, in an order that is valid for both if the graphs are the same."""
    base, other = [_median_run(side) for side in sides]
    paths = set(base.path), set(other.path)
    for node in _merge_paths(base.path, other.path):
        on_sides = tuple([label for label, path in zip(labels, paths, strict=True) if node in path])
        yield Step(node, on_sides, base.spent.get(node), other.spent.get(node))


def _median_run(side: Sequence[Digest]) -> Digest:
    """Return the run with the median wall time; of an even number of runs, the faster of the two middle runs."""
    return sorted(side, key=lambda run: (run.measures.wall_s, run.run))[(len(side) - 1) // 2]


def _merge_paths(base: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Return the nodes of two paths, each once; the nodes before a common node on either path precede it."""
    positions = {node: i for i, node in enumerate(other)}
    merged: list[str] = []
    consumed = 0
    for node in base:
        position = positions.get(node, -1)
        merged += other[consumed:position] if position >= consumed else ()
        consumed = max(consumed, position)
        merged.append(node)
    return _distinct([*merged, *other[consumed:]])
