"""Where the boxes of a layered graph go: a column a layer, and in it those near each other that hang together.

The order in a column is that of the mean heights of what comes before: one sweep of the barycenter heuristic of
Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Spot(NamedTuple):
    """The place of a box: the number of its column, and its height in it, where 0 is the middle; one box is 1 high."""

    column: int
    height: float


def arrange(layers: Sequence[Sequence[str]], before: Mapping[str, Sequence[str]]) -> dict[str, Spot]:
    """Place the boxes of each layer. ``before``: for a box those of earlier layers that it hangs on."""
    spots: dict[str, Spot] = {}
    for column, layer in enumerate(layers):
        means = {box: _mean([spots[b].height for b in before.get(box, ()) if b in spots]) for box in layer}
        ordered = sorted(layer, key=lambda box: means[box])
        middle = (len(ordered) - 1) / 2
        spots |= {box: Spot(column, place - middle) for place, box in enumerate(ordered)}
    return spots


def _mean(heights: Sequence[float]) -> float:
    return sum(heights) / len(heights) if heights else 0.0
