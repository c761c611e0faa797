"""The rows of the table: one figure of one graph on every build, with what is noise in it."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.figure import spread
from builds.build import Build
from builds.case import EMPTY, EMPTY_NODES, GENERATED, ONE, Case
from builds.noise import deviation, differs
from builds.trial import Key, Taken, Trials

MIB = 1 << 20
SPEED_UP = "speed-up"
type Values = Sequence[float]


@dataclass(frozen=True)
class Cell:
    """The values of all rounds. ``ratio``: their median over the base's, None for the base itself and in unit x.

    ``changed`` says whether the difference to the base (in unit x: that of several workers to one) is more than
    noise; None: it was not asked, or there are too few values to tell.
    """

    values: Values
    ratio: float | None
    changed: bool | None

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        """Return the raw numbers and what follows from them."""
        return {
            "values": list(self.values),
            "median": self.median,
            "median_abs_dev": deviation(self.values),
            "spread": spread(self.values) if min(self.values) > 0 else None,
            "ratio": self.ratio,
            "changed": self.changed,
        }


@dataclass(frozen=True)
class Row:
    """One figure, by build. ``unit`` is s, ms, us, MiB or x."""

    section: str
    name: str
    unit: str
    cells: Mapping[str, Cell]

    def as_json(self) -> dict[str, Any]:
        """Return the row."""
        cells = {build: cell.as_json() for build, cell in self.cells.items()}
        return {"section": self.section, "name": self.name, "unit": self.unit, "cells": cells}


class Rows:
    """Makes rows out of what was taken. The first build is the base that the others are compared with."""

    def __init__(self, builds: Sequence[Build], workers: int, found: Trials, empty_nodes: int = EMPTY_NODES) -> None:
        self.names = [build.name for build in builds]
        self.workers = workers
        self.found = found
        self.empty_nodes = empty_nodes

    def all(self, cases: Sequence[Case]) -> list[Row]:
        """Return all rows: the cases' own, and those of the generated graphs if they are among them."""
        computing = [case for case in cases if case.name not in GENERATED]
        rows = [*self._walls(computing), *self._workers_compared(computing), *self._delays(computing)]
        rows += self._overhead(self.empty_nodes)
        rows += [self._row("memory at most", case.name, "MiB", case.name, self.workers, _mib) for case in cases]
        rows.append(self._row("start-up", "exec, one node", "ms", ONE, 1, lambda one: one.process_s * 1e3))
        return [row for row in rows if row.cells]

    def _walls(self, cases: Sequence[Case]) -> Iterator[Row]:
        for k in dict.fromkeys((1, self.workers)):
            for case in cases:
                yield self._row(f"time, {workers_words(k)}", case.name, "s", case.name, k, _wall)

    def _workers_compared(self, cases: Sequence[Case]) -> Iterator[Row]:
        many = workers_words(self.workers)
        for case in cases if self.workers > 1 else []:
            yield self._one_and_many(f"{SPEED_UP}, {many} over 1", case.name, _wall, lambda one, many: one / many)
        for case in cases if self.workers > 1 else []:
            yield self._one_and_many(f"processor time, {many} over 1", case.name, _cpu, lambda one, many: many / one)

    def _one_and_many(
        self, section: str, case: str, read: Callable[[Taken], float], over: Callable[[float, float], float]
    ) -> Row:
        cells = {}
        for name in self.names:
            one, many = (self._values(case, name, k, read) for k in (1, self.workers))
            if one and many:
                cells[name] = Cell(list(map(over, one, many)), None, differs(one, many))
        return Row(section, case, "x", cells)

    def _delays(self, cases: Sequence[Case]) -> Iterator[Row]:
        for case in cases:
            if case.delay:
                name = f"{case.name}, worst delay"
                yield self._row("event loop", name, "ms", case.name, self.workers, lambda one: one.delay_s * 1e3)

    def _overhead(self, nodes: int) -> Iterator[Row]:
        section = f"overhead a node, {nodes:,} empty ones"
        for k in dict.fromkeys((1, self.workers)):
            yield self._row(section, f"run, {workers_words(k)}", "us", EMPTY, k, lambda one: one.wall_s / nodes * 1e6)
        for k in dict.fromkeys((1, self.workers)):
            samples = {}
            for name in self.names:
                many, one = (self._values(case, name, k, _process) for case in (EMPTY, ONE))
                if many and one:
                    samples[name] = [(a - b) / nodes * 1e6 for a, b in zip(many, one, strict=True)]
            yield self._beside_base(section, f"process, {workers_words(k)}", "us", samples)

    def _row(self, section: str, name: str, unit: str, case: str, workers: int, read: Callable[[Taken], float]) -> Row:
        samples = {build: self._values(case, build, workers, read) for build in self.names}
        return self._beside_base(section, name, unit, samples)

    def _beside_base(self, section: str, name: str, unit: str, samples: Mapping[str, Values]) -> Row:
        base = samples.get(self.names[0])
        cells = {}
        for build, values in samples.items():
            if values and (not base or build == self.names[0]):
                cells[build] = Cell(values, None, None)
            elif values and base:
                cells[build] = Cell(values, _ratio(values, base), differs(base, values))
        return Row(section, name, unit, cells)

    def _values(self, case: str, build: str, workers: int, read: Callable[[Taken], float]) -> Values:
        return [read(one) for one in self.found.taken.get(Key(case, build, workers), [])]


def workers_words(count: int) -> str:
    """Return so many workers in words."""
    return "1 worker" if count == 1 else f"{count} workers"


def _ratio(values: Values, base: Values) -> float | None:
    """Return the ratio of the medians; None where a difference of two times was lost in noise."""
    one, other = statistics.median(values), statistics.median(base)
    return one / other if min(one, other) > 0 else None


def _wall(one: Taken) -> float:
    return one.wall_s


def _cpu(one: Taken) -> float:
    return one.cpu_s


def _process(one: Taken) -> float:
    return one.process_s


def _mib(one: Taken) -> float:
    return one.peak_bytes / MIB
