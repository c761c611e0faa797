"""Shared objects: objects that several unordered nodes received."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from taskrunner.stress.call_log import CallLog
from taskrunner.stress.happens_before import HappensBefore, Pair
from taskrunner.stress.report import Sharing

_MAX_TRIES = 50
# The share of pairs that are picked from all nodes: nodes without a known shared object may share module state.
_ANY_PAIR_PROBABILITY = 0.2


class SharedObjects:
    """The objects that calls of a run share, with the nodes that received each."""

    def __init__(self, call_log: CallLog, happens_before: HappensBefore) -> None:
        self._happens_before = happens_before
        groups: dict[int, tuple[Any, list[str]]] = {}
        for node in happens_before.starts:
            for value in call_log.arguments.get(node, ()):
                groups.setdefault(id(value), (value, []))[1].append(node)
        shared = {object_id: group for object_id, group in groups.items() if len(group[1]) > 1}
        self._groups = [nodes for _, nodes in shared.values()]
        self.warnings = list(_find_warnings(shared, call_log.modified, happens_before))

    def pick(self, random: Random) -> Pair | None:
        """Return two nodes that may run at the same time, preferably with a shared object, or None without a match."""
        nodes = list(self._happens_before.starts)
        if len(nodes) < 2:  # noqa: PLR2004  a pair
            return None
        for _ in range(_MAX_TRIES):
            group = random.choice(self._groups) if self._groups and random.random() > _ANY_PAIR_PROBABILITY else nodes
            one, other = random.sample(group, 2)
            if self._happens_before.may_overlap(one, other):
                return one, other
        return None


def _find_warnings(
    shared: Mapping[int, tuple[Any, list[str]]], modified: Mapping[str, set[int]], happens_before: HappensBefore
) -> Iterator[Sharing]:
    """Yield pairs of unordered nodes of which one modifies a shared object; for mapped nodes, one pair each."""
    reported: set[frozenset[int]] = set()
    for object_id, (value, nodes) in shared.items():
        for one in [node for node in nodes if object_id in modified.get(node, ())]:
            for other in nodes:
                pair = frozenset((happens_before.find_vertex(one), happens_before.find_vertex(other)))
                if pair not in reported and happens_before.are_unordered(one, other):
                    reported.add(pair)
                    yield Sharing(type(value).__qualname__, one, other)
