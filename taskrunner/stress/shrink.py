"""Shrinking: the reduction of an order that shows a fault to the fewest reorderings that show it."""

from collections.abc import Callable, Sequence

from taskrunner.stress.happens_before import HappensBefore, Pair, find_inversions

# The maximum number of orders that delta debugging tries.
MAX_TRIES = 200
# Orders of more calls are not shrunk.
MAX_CALLS = 2_000

type Test = Callable[[Sequence[str]], bool]


def shrink(happens_before: HappensBefore, failing: Sequence[str], shows_fault: Test) -> list[Pair]:
    """Return pairs of nodes, in start order, that suffice to show a fault; all others start in the baseline order.

    ``shows_fault`` runs the graph in an order. On the path from the baseline order to the failing one, by swaps of
    neighbors, one swap introduces the fault. A bisection finds this swap, which often suffices alone. If not, delta
    debugging reduces the other swaps (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
    2002), within MAX_TRIES runs.

    The result is empty if the order is too long, or has other calls than the baseline order.
    """
    starts = happens_before.starts
    path = _find_path(starts, failing) if {*failing} == {*starts} and len(failing) <= MAX_CALLS else []
    if not path:
        return []
    good, bad = 0, len(path)
    while bad - good > 1:
        middle = (good + bad) // 2
        if shows_fault(_apply_swaps(starts, path[:middle])):
            bad = middle
        else:
            good = middle
    decisive = path[bad - 1]
    if shows_fault(happens_before.find_order([decisive])):
        return [decisive]
    others = find_inversions(starts, _apply_swaps(starts, path[:bad]))
    others.remove(decisive)
    return [*_reduce(others, lambda pairs: shows_fault(happens_before.find_order([*pairs, decisive]))), decisive]


def _find_path(start: Sequence[str], end: Sequence[str]) -> list[Pair]:
    """Return swaps of neighbors that lead from one order to another, each pair as ordered after its swap."""
    positions = {node: position for position, node in enumerate(end)}
    swaps: list[Pair] = []
    order: list[str] = []
    for node in start:  # insertion sort: each node moves before its successors in the other order
        index = len(order)
        while index and positions[order[index - 1]] > positions[node]:
            index -= 1
            swaps.append((node, order[index]))
        order.insert(index, node)
    return swaps


def _apply_swaps(start: Sequence[str], swaps: Sequence[Pair]) -> list[str]:
    """Return the order after some swaps of neighbors."""
    order = list(start)
    positions = {node: position for position, node in enumerate(order)}
    for first, second in swaps:
        index = positions[second]
        order[index], order[index + 1] = first, second
        positions[first], positions[second] = index, index + 1
    return order


def _reduce(pairs: list[Pair], shows_fault: Callable[[Sequence[Pair]], bool]) -> list[Pair]:
    """Return a subset of the pairs that shows the fault, minimal if MAX_TRIES suffice: every pair is then needed."""
    size, tries = max(len(pairs) // 2, 1), 0
    while pairs and size:
        index = 0
        while index < len(pairs) and tries < MAX_TRIES:
            subset = pairs[:index] + pairs[index + size :]
            tries += 1
            if shows_fault(subset):
                pairs = subset
            else:
                index += size
        size = size // 2 if size > 1 else 0
    return pairs
