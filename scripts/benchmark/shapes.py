"""Shapes of graphs: for a number of nodes, what each node needs.

A shape gives one list a node: the numbers of the nodes whose results it takes. Nodes stand in an order
in which they could run, so a node needs only nodes before it.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Iterator

type Needs = list[list[int]]

WIDTH = 100
INPUTS = 3
SEED = 20


def wide(n: int) -> Needs:
    """Nodes that need nothing."""
    return [[] for _ in range(n)]


def chain(n: int) -> Needs:
    """Each node needs the one before it."""
    return [[node - 1] if node else [] for node in range(n)]


def tree(n: int) -> Needs:
    """Return a reduction by twos. A tree has an odd number of nodes: for an even ``n`` this is one less."""
    leaves = (n + 1) // 2
    needs: Needs = [[] for _ in range(leaves)]
    left = deque(range(leaves))
    while len(left) > 1:
        left.append(len(needs))
        needs.append([left.popleft(), left.popleft()])
    return needs


def layers(n: int, width: int, inputs: int) -> Iterator[list[int]]:
    """Give what each node needs: so many nodes, at random, of the layer before its own. Always the same ones."""
    chance = random.Random(SEED)  # noqa: S311  no secret: it must be the same at every run
    for node in range(n):
        start = node // width * width
        before = range(max(start - width, 0), start)
        yield chance.sample(before, min(inputs, len(before)))


def layered(n: int) -> Needs:
    """Layers, of which each node takes 3 at random. Small graphs get narrower layers, to have some."""
    return list(layers(n, min(WIDTH, math.isqrt(n)), INPUTS))


def diamond(n: int) -> Needs:
    """Return a ladder of diamonds: one node, two that need it, one that needs both, and so on."""
    steps = ([2, 1], [1], [2])  # how far before a node those stand that it needs
    return [[node - step for step in steps[node % 3]] if node else [] for node in range(n)]


SHAPES: dict[str, Callable[[int], Needs]] = {
    "wide": wide,
    "chain": chain,
    "tree": tree,
    "layered": layered,
    "diamond": diamond,
}


def sinks(needs: Needs) -> list[int]:
    """Return the nodes that no other node needs."""
    needed = {node for some in needs for node in some}
    return [node for node in range(len(needs)) if node not in needed]
