"""Which nodes were handed the same object, though nothing says which of them comes first."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from taskrunner.stress.call_log import CallLog
from taskrunner.stress.happens_before import HappensBefore, Pair
from taskrunner.stress.report import Sharing

_TRIES = 50
_ANY = 0.2  # how often a pair is taken that shares nothing that is known: it may share what a module holds


class SharedObjects:
    """What the calls of a run have shared, by who was handed which object."""

    def __init__(self, watch: CallLog, needs: HappensBefore) -> None:
        self._needs = needs
        groups: dict[int, tuple[Any, list[str]]] = {}
        for node in needs.starts:
            for value in watch.handed.get(node, ()):
                groups.setdefault(id(value), (value, []))[1].append(node)
        shared = {number: found for number, found in groups.items() if len(found[1]) > 1}
        self._groups = [nodes for _, nodes in shared.values()]
        self.warnings = list(_warnings(shared, watch.changed, needs))

    def pick(self, random: Random) -> Pair | None:
        """Return two nodes that may run at the same time, rather those that share an object; None: none was found."""
        nodes = list(self._needs.starts)
        if len(nodes) < 2:  # noqa: PLR2004  a pair
            return None
        for _ in range(_TRIES):
            group = random.choice(self._groups) if self._groups and random.random() > _ANY else nodes
            one, other = random.sample(group, 2)
            if self._needs.may_overlap(one, other):
                return one, other
        return None


def _warnings(
    shared: Mapping[int, tuple[Any, list[str]]], changed: Mapping[str, set[int]], needs: HappensBefore
) -> Iterator[Sharing]:
    """Yield pairs of unordered nodes of which one changes what both were handed; of mapped nodes one pair each."""
    told: set[frozenset[int]] = set()
    for number, (value, nodes) in shared.items():
        for one in [node for node in nodes if number in changed.get(node, ())]:
            for other in nodes:
                pair = frozenset((needs.vertex(one), needs.vertex(other)))
                if pair not in told and needs.are_unordered(one, other):
                    told.add(pair)
                    yield Sharing(type(value).__qualname__, one, other)
