"""Runs side by side: what differs in where they ran, in their numbers, node by node and along the critical path.

A side is one run or several of the same thing. The first one is the base, each other is compared with it. Numbers
of a side are medians of its runs; what is judged a change, and what noise, is told in ``significance``.
"""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from taskrunner.analysis.comparison.measures import Digest
from taskrunner.analysis.statistics import LEVEL, can_judge, discovery_rates, rank_p
from taskrunner.errors import UsageError

MOST_SIDES = 26  # each has a letter

# The verdicts; there is none where there are too few runs, or where they cannot be compared.
CHANGED = "changed"
NOISE = "noise"

# Kinds of numbers.
TIME = "time"
NUMBER = "number"
BYTES = "bytes"
COUNT = "count"

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


class Sample(msgspec.Struct, frozen=True, gc=False):
    """Numbers of one side: their median, the least and the most."""

    median: float
    least: float
    most: float


class Side(msgspec.Struct, frozen=True):
    """One side: its letter, its runs, and the names of their graphs."""

    label: str
    runs: tuple[str, ...]
    graphs: tuple[str, ...]


class Fact(msgspec.Struct, frozen=True):
    """Something that the runs ran on: the values on each side, where they are not the same on all of them."""

    name: str
    sides: tuple[tuple[str, ...], ...]


class Change(msgspec.Struct, frozen=True, gc=False):
    """One side beside the base: median over median, median less median.

    ``ratio`` is None where the base is 0 or not there. Of ``p`` and ``q`` a figure has the first, a node the second;
    neither where there are too few runs, or not comparable ones.
    """

    difference: float
    ratio: float | None = None
    p: float | None = None
    q: float | None = None
    verdict: str = ""


class Figure(msgspec.Struct, frozen=True):
    """One number of the runs as a whole; None where no run of a side knows it.

    ``changes`` has one for each side but the base.
    """

    name: str
    kind: str
    values: tuple[tuple[float, ...], ...]
    sides: tuple[Sample | None, ...]
    changes: tuple[Change | None, ...]


class Row(msgspec.Struct, frozen=True):
    """The seconds of one node, or of all that call one function; None: it ran on the other side only."""

    name: str
    base: Sample | None
    other: Sample | None
    change: Change
    note: str = ""


class Step(msgspec.Struct, frozen=True):
    """A node on a critical path, with its seconds in the run of each side whose wall time is the median.

    ``sides``: those on whose path it is.
    """

    node: str
    sides: tuple[str, ...]
    base_s: float | None
    other_s: float | None


class Pair(msgspec.Struct, frozen=True):
    """The base and one other side. Nodes and functions are sorted by how much of the difference they are."""

    base: str
    other: str
    can_judge: bool
    nodes: tuple[Row, ...]
    functions: tuple[Row, ...]
    path: tuple[Step, ...]


class Comparison(msgspec.Struct, frozen=True):
    """All that is known. ``level``: what has at most this p or q is judged a change."""

    sides: tuple[Side, ...]
    notes: tuple[str, ...]
    facts: tuple[Fact, ...]
    figures: tuple[Figure, ...]
    pairs: tuple[Pair, ...]
    level: float = LEVEL


def compare(sides: Sequence[Sequence[Digest]]) -> Comparison:
    """Compare the sides with the first one.

    Raises:
        UsageError: there are fewer than two or too many, one is empty, or a run is named twice.

    """
    _check(sides)
    labels = [chr(ord("A") + i) for i in range(len(sides))]
    named = [
        Side(label, tuple([run.run for run in side]), _distinct(run.graph for run in side))
        for label, side in zip(labels, sides, strict=True)
    ]
    facts = tuple(_facts(sides))
    pairs = [_pair(("A", sides[0]), other) for other in zip(labels[1:], sides[1:], strict=True)]
    return Comparison(tuple(named), tuple(_notes(named, sides, facts)), facts, tuple(_figures(sides)), tuple(pairs))


def _check(sides: Sequence[Sequence[Digest]]) -> None:
    if len(sides) < 2 or not all(sides):  # noqa: PLR2004
        raise UsageError("a comparison needs a run on each of two sides")
    if len(sides) > MOST_SIDES:
        raise UsageError(f"there are {len(sides)} sides, and at most {MOST_SIDES} can be compared")
    seen: set[str] = set()
    for run in itertools.chain.from_iterable(sides):
        if run.run in seen:
            raise UsageError(f"run {run.run} is named twice")
        seen.add(run.run)


def _notes(named: Sequence[Side], sides: Sequence[Sequence[Digest]], facts: Sequence[Fact]) -> Iterator[str]:
    if len({side.graphs for side in named}) > 1:
        names = "; ".join(f"{side.label} {', '.join(side.graphs)}" for side in named)
        yield f"the graphs have different names: {names}"
    for fact in facts:
        for side, values in zip(named, fact.sides, strict=True):
            if len(values) > 1:
                yield f"the runs of {side.label} differ in {fact.name}: {', '.join(values)}"
    for run in itertools.chain.from_iterable(sides):
        yield from run.notes


def _facts(sides: Sequence[Sequence[Digest]]) -> Iterator[Fact]:
    for name in _distinct(name for side in sides for run in side for name in run.facts):
        values = tuple([_distinct(run.facts.get(name, "") for run in side) for side in sides])
        if len(set(itertools.chain.from_iterable(values))) > 1:
            yield Fact(name, values)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _figures(sides: Sequence[Sequence[Digest]]) -> Iterator[Figure]:
    """Give the numbers; those that only count what went wrong are left out where nothing did."""
    for name, (kind, field) in _FIGURES.items():
        values = tuple([_known(side, field) for side in sides])
        if kind == COUNT and not any(map(any, values)):
            continue
        samples = tuple([_sample(each) if each else None for each in values])
        judge = kind != COUNT and all(len(v) == len(side) for v, side in zip(values, sides, strict=True))
        changes = [_figure_change(values[0], each, judge=judge) for each in values[1:]]
        yield Figure(name, kind, values, samples, tuple(changes))


def _known(side: Sequence[Digest], field: str) -> tuple[float, ...]:
    found = [getattr(run.measures, field) for run in side]
    return tuple([value for value in found if value is not None])


def _figure_change(base: Sequence[float], other: Sequence[float], *, judge: bool) -> Change | None:
    if not base or not other:
        return None
    is_judged = judge and can_judge(len(base), len(other))
    return _change(statistics.median(base), statistics.median(other), rank_p(base, other) if is_judged else None)


def _change(base: float, other: float, p: float | None = None, q: float | None = None) -> Change:
    chance = q if p is None else p
    verdict = "" if chance is None else CHANGED if chance <= LEVEL else NOISE
    return Change(other - base, other / base if base else None, p, q, verdict)


def _sample(values: Sequence[float]) -> Sample:
    return Sample(statistics.median(values), min(values), max(values))


type _Sides = tuple[Sequence[Digest], Sequence[Digest]]
type _Times = tuple[list[float], list[float]]  # the seconds of one node, a number for each run that has it


def _pair(base: tuple[str, Sequence[Digest]], other: tuple[str, Sequence[Digest]]) -> Pair:
    labels, sides = (base[0], other[0]), (base[1], other[1])
    odd = dict(_odd(labels, sides))
    nodes = _rows(labels, sides, lambda run: run.spent, odd)
    functions = _rows(labels, sides, lambda run: run.functions, {})
    return Pair(*labels, can_judge(*map(len, sides)), nodes, functions, tuple(_path(labels, sides)))


def _odd(labels: tuple[str, str], sides: _Sides) -> Iterator[tuple[str, str]]:
    """Give the nodes that did not end well everywhere, and how they ended: their times are not judged."""
    counts = Counter(
        (node, label, state)
        for label, side in zip(labels, sides, strict=True)
        for run in side
        for node, state in run.odd.items()
    )
    sizes = dict(zip(labels, map(len, sides), strict=True))
    told: dict[str, list[str]] = {}
    for (node, label, state), times in counts.items():
        told.setdefault(node, []).append(_of(f"{state} in {label}", times, sizes[label]))
    for node, texts in told.items():
        yield node, ", ".join(texts)


def _of(text: str, times: int, size: int) -> str:
    return text if times == size else f"{text} ({times} of {size})"


def _rows(
    labels: tuple[str, str], sides: _Sides, seconds_of: Callable[[Digest], dict[str, float]], odd: Mapping[str, str]
) -> tuple[Row, ...]:
    """Return a row for each name that any run has, those that are most of the difference first."""
    tables = [[seconds_of(run) for run in side] for side in sides]
    names = _distinct(itertools.chain.from_iterable(itertools.chain.from_iterable(tables)))
    times: dict[str, _Times] = {name: (_found(tables[0], name), _found(tables[1], name)) for name in names}
    rates = _rates({name: pair for name, pair in times.items() if name not in odd}, *map(len, sides))
    rows = [
        _row(name, pair, rates.get(name), _told(labels, sides, pair, odd.get(name))) for name, pair in times.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-abs(row.change.difference), row.name)))


def _found(tables: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [table[name] for table in tables if name in table]


def _rates(times: Mapping[str, _Times], base: int, other: int) -> dict[str, float]:
    """Judge together what ran in every run, if the runs are enough."""
    whole = {name: pair for name, pair in times.items() if len(pair[0]) == base and len(pair[1]) == other}
    return dict(zip(whole, discovery_rates(list(whole.values())), strict=True)) if can_judge(base, other) else {}


def _row(name: str, times: _Times, q: float | None, note: str) -> Row:
    base, other = [_sample(each) if each else None for each in times]
    if base is not None and other is not None:
        return Row(name, base, other, _change(base.median, other.median, q=q), note)
    return Row(name, base, other, Change((other.median if other else 0.0) - (base.median if base else 0.0)), note)


def _told(labels: tuple[str, str], sides: _Sides, times: _Times, odd: str | None) -> str:
    """Say what a row's numbers do not: on which side it ran, and how it ended."""
    if not times[0] or not times[1]:
        return f"only in {labels[0] if times[0] else labels[1]}" + (f", {odd}" if odd else "")
    missing = [
        f"ran in {len(found)} of {len(side)} of {label}"
        for label, side, found in zip(labels, sides, times, strict=True)
        if len(found) < len(side)
    ]
    return ", ".join([*missing, odd] if odd else missing)


def _path(labels: tuple[str, str], sides: _Sides) -> Iterator[Step]:
    """Give the nodes of both critical paths, in an order that is right for both if they are of the same graph."""
    base, other = [_middle(side) for side in sides]
    on = set(base.path), set(other.path)
    for node in _merged(base.path, other.path):
        where = tuple([label for label, path in zip(labels, on, strict=True) if node in path])
        yield Step(node, where, base.spent.get(node), other.spent.get(node))


def _middle(side: Sequence[Digest]) -> Digest:
    """Return the run whose wall time is the median; of an even number the faster of both in the middle."""
    return sorted(side, key=lambda run: (run.measures.wall_s, run.run))[(len(side) - 1) // 2]


def _merged(base: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Return the nodes of two paths, each once: before one that is on both, what leads to it on either."""
    place = {node: i for i, node in enumerate(other)}
    merged: list[str] = []
    taken = 0
    for node in base:
        reached = place.get(node, -1)
        merged += other[taken:reached] if reached >= taken else ()
        taken = max(taken, reached)
        merged.append(node)
    return _distinct([*merged, *other[taken:]])
