"""One figure of one side: the seconds of every round, and what is told of them."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.sides import Side

CALL = "call"
RUN = "run"


def seconds_of[T](run: Callable[[], T]) -> tuple[float, T]:
    """Run once, with the collector's work done before; return the wall time and what it gave."""
    gc.collect()
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def spread(values: Sequence[float]) -> float:
    """Return the slowest over the fastest."""
    return max(values) / min(values)


def in_turn[T](things: Sequence[T], number: int) -> list[T]:
    """Return the things in the order of this round: each round begins with another one."""
    first = number % len(things)
    return [*things[first:], *things[:first]]


@dataclass
class Figure:
    """The seconds of one side in every round.

    ``part`` is ``call`` for the wall time of the whole call, ``run`` for what the runner itself says
    that the run proper took: without checking, planning and adding up.
    """

    side: Side
    nodes: int
    checked_nodes: int
    part: str = CALL
    seconds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The side, and the part where there are two."""
        return f"{self.side.name} {self.part}" if self.side.kind == "taskrunner" else self.side.name

    @property
    def median_s(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.seconds)

    @property
    def us_per_node(self) -> float:
        """The median of the rounds, in microseconds for each node."""
        return self.median_s / self.nodes * 1e6

    @property
    def spread(self) -> float:
        """The slowest round over the fastest."""
        return spread(self.seconds)

    def over(self, other: "Figure") -> float:
        """Return the time for a node, over that of another side."""
        return self.us_per_node / other.us_per_node

    def is_noise(self, other: "Figure") -> bool:
        """Say whether the difference to another side is no larger than the spread of either."""
        ratio = self.over(other)
        return max(ratio, 1 / ratio) <= max(self.spread, other.spread)

    def as_json(self) -> dict[str, Any]:
        """Return the raw numbers and what follows from them."""
        return {
            "side": self.side.kind,
            "workers": self.side.workers,
            "part": self.part,
            "nodes": self.nodes,
            "checked_nodes": self.checked_nodes,
            "seconds": self.seconds,
            "median_s": self.median_s,
            "us_per_node": self.us_per_node,
            "spread": self.spread,
        }
