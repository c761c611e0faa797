"""Scheduling policy: the victim order of a thief and the wake-up order of idle workers.

Guarantees:

* No policy can lose an item. A thief checks every victim in any order, and a worker rechecks all deques before it
  sleeps.
* No policy can lose a wake-up. The woken worker is one of the idle workers, and each of them can fulfill the
  obligations of the searching worker (``pool/parking.py``).

So a seed may decide. It yields other schedules of the same program, which expose results that depend on the schedule.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence


class Policy:
    """The default policy. A pool has one instance; it is stateless, so all workers share it."""

    def order_victims[V](self, worker: int, others: Sequence[V]) -> Iterable[V]:  # noqa: ARG002  a seed needs the worker
        """Return the victims that a worker iterates over on each steal: all others, its neighbor first."""
        return others

    def pick_idle[L](self, idle: Sequence[L], worker_of: Mapping[L, int]) -> int:  # noqa: ARG002
        """Return the position in ``idle`` of the wake-up lock to release.

        ``idle`` is in the order in which the workers parked; the last of them has the warmest caches. ``worker_of``
        maps each wake-up lock to its worker. The caller holds the parking lock.
        """
        return len(idle) - 1


class SeededPolicy(Policy):
    """Choices that depend only on a seed, the calling worker, the number of its calls, and the set of idle workers.

    Each thief has its own random sequence, which only its thread draws from. The sequence for wake-ups is drawn from
    while the parking lock is held. Idle workers are identified by their numbers, so their parking order is irrelevant.
    """

    def __init__(self, seed: int) -> None:
        from random import Random  # only seeded runs need it

        self._seed = seed
        self._wakeup_random = Random(f"wake {seed}")  # noqa: S311  not a secret

    def order_victims[V](self, worker: int, others: Sequence[V]) -> Iterable[V]:
        """Return the others, in a new order on each iteration."""
        return _Shuffled(f"steal {self._seed} {worker}", others)

    def pick_idle[L](self, idle: Sequence[L], worker_of: Mapping[L, int]) -> int:
        """Return the position of a random idle worker."""
        workers = [worker_of[lock] for lock in idle]
        return workers.index(self._wakeup_random.choice(sorted(workers)))


class _Shuffled[V]:
    """An iterable that shuffles its elements on each iteration."""

    def __init__(self, seed: str, elements: Sequence[V]) -> None:
        from random import Random

        self._elements = list(elements)
        self._random = Random(seed)  # noqa: S311  not a secret

    def __iter__(self) -> Iterator[V]:
        self._random.shuffle(self._elements)
        return iter(self._elements)
