"""Layout of a layered graph: each layer is a column, and connected boxes are at similar heights.

The order in a column is that of the mean heights of the predecessors: one sweep of the barycenter heuristic of
Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Spot(NamedTuple):
    """The position of a box: its column, and its height there in units of a box; 0 is the middle of the column."""

    column: int
    height: float


def arrange(layers: Sequence[Sequence[str]], predecessors: Mapping[str, Sequence[str]]) -> dict[str, Spot]:
    """Return the position of each box. ``predecessors``: for each box, the boxes of earlier layers that lead to it."""
    spots: dict[str, Spot] = {}
    for column, layer in enumerate(layers):
        means = {box: _mean([spots[b].height for b in predecessors.get(box, ()) if b in spots]) for box in layer}
        ordered = sorted(layer, key=lambda box: means[box])
        middle = (len(ordered) - 1) / 2
        spots |= {box: Spot(column, row - middle) for row, box in enumerate(ordered)}
    return spots


def _mean(heights: Sequence[float]) -> float:
    return sum(heights) / len(heights) if heights else 0.0
