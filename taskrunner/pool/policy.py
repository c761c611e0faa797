"""What a pool may choose freely: in which order a thief looks at its victims, and which sleeper is woken.

Neither choice can lose an item or a wake-up. A thief looks at every victim, whatever the order, and the worker that
finds nothing looks at all deques once more before it sleeps. A sleeper that is woken is one of those that sleep, and
any of them does what the protocol in ``parking`` asks of the searcher. So a seed may decide: other schedules of the
same program, to find what depends on them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence


class Policy:
    """The usual choices. A pool has one, and it keeps nothing: all workers share it."""

    def victims[V](self, worker: int, others: Sequence[V]) -> Iterable[V]:  # noqa: ARG002  a seed needs the worker
        """Return what a worker goes through whenever it steals: the others, its neighbour first."""
        return others

    def sleeper[G](self, idle: Sequence[G], worker_at: Mapping[G, int]) -> int:  # noqa: ARG002
        """Return the place in ``idle`` of the gate to open; they stand as their workers fell asleep: the last is warm.

        ``worker_at`` says whose gate each is. Called while the parking lock is held.
        """
        return len(idle) - 1


class SeededPolicy(Policy):
    """Choices that follow from a seed, and from nothing but who asks, how often, and who sleeps.

    Each thief has numbers of its own, which its thread alone draws. Those for waking are drawn while the parking lock
    is held. Who sleeps is told by numbers, so it does not matter in which order they fell asleep.
    """

    def __init__(self, seed: int) -> None:
        from random import Random  # only such a run needs it

        self._seed = seed
        self._waking = Random(f"wake {seed}")  # noqa: S311  no secret

    def victims[V](self, worker: int, others: Sequence[V]) -> Iterable[V]:
        """Return the others, in a new order at each look."""
        return _Shuffled(f"steal {self._seed} {worker}", others)

    def sleeper[G](self, idle: Sequence[G], worker_at: Mapping[G, int]) -> int:
        """Return the place of a worker drawn from those that sleep."""
        sleeping = [worker_at[gate] for gate in idle]
        return sleeping.index(self._waking.choice(sorted(sleeping)))


class _Shuffled[V]:
    def __init__(self, seed: str, things: Sequence[V]) -> None:
        from random import Random

        self._things = list(things)
        self._random = Random(seed)  # noqa: S311  no secret

    def __iter__(self) -> Iterator[V]:
        self._random.shuffle(self._things)
        return iter(self._things)
