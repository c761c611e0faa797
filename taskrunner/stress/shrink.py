"""From an order that shows a fault to the fewest reorderings that show it."""

from collections.abc import Callable, Sequence

from taskrunner.stress.happens_before import HappensBefore, Pair, inversions

# So many orders are tried at most by delta debugging, and orders of more calls are left as they are.
MAX_TRIES = 200
MAX_CALLS = 2_000

type Test = Callable[[Sequence[str]], bool]


def shrink(needs: HappensBefore, failing: Sequence[str], shows: Test) -> list[Pair]:
    """Return the pairs of nodes, each as it must start, that are enough to show a fault; the others start as usual.

    ``shows`` runs the graph in an order. On the way from the usual order to the failing one, by swaps of neighbours,
    there is a swap that brings the fault: a bisection finds it. Often it is enough by itself. If not, what else is
    swapped is cut down by delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
    2002), within MOST_TRIES runs. Nothing is returned for orders that are too long, or are not of the same calls.
    """
    path = _path(needs.starts, failing) if {*failing} == {*needs.starts} and len(failing) <= MAX_CALLS else []
    if not path:
        return []
    good, bad = 0, len(path)
    while bad - good > 1:
        middle = (good + bad) // 2
        if shows(_swapped(needs.starts, path[:middle])):
            bad = middle
        else:
            good = middle
    decisive = path[bad - 1]
    if shows(needs.order([decisive])):
        return [decisive]
    others = inversions(needs.starts, _swapped(needs.starts, path[:bad]))
    others.remove(decisive)
    return [*_fewest(others, lambda kept: shows(needs.order([*kept, decisive]))), decisive]


def _path(start: Sequence[str], end: Sequence[str]) -> list[Pair]:
    """Return swaps of neighbours that lead from one order to another, each pair as it stands after its swap."""
    place = {node: number for number, node in enumerate(end)}
    found: list[Pair] = []
    order: list[str] = []
    for node in start:  # insertion sort: each node passes those that it is to come before
        at = len(order)
        while at and place[order[at - 1]] > place[node]:
            at -= 1
            found.append((node, order[at]))
        order.insert(at, node)
    return found


def _swapped(start: Sequence[str], swaps: Sequence[Pair]) -> list[str]:
    """Return the order after some swaps of neighbours."""
    order = list(start)
    place = {node: number for number, node in enumerate(order)}
    for first, second in swaps:
        at = place[second]
        order[at], order[at + 1] = first, second
        place[first], place[second] = at, at + 1
    return order


def _fewest(pairs: list[Pair], shows: Callable[[Sequence[Pair]], bool]) -> list[Pair]:
    """Return a part of the pairs that shows the fault and of which none can be left out, if tries suffice."""
    size, tries = max(len(pairs) // 2, 1), 0
    while pairs and size:
        at = 0
        while at < len(pairs) and tries < MAX_TRIES:
            kept = pairs[:at] + pairs[at + size :]
            tries += 1
            if shows(kept):
                pairs = kept
            else:
                at += size
        size = size // 2 if size > 1 else 0
    return pairs
