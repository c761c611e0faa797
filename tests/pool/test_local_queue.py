"""Items that push while they run, and run on."""

import pytest

from taskrunner.pool.local_queue import LocalQueue
from taskrunner.pool.pool import Pool

SEEDS = 150
WORKERS = 3


class Gathering:
    """An item that pushes others and then waits until all of them run at the same time, itself included."""

    def __init__(self, platform, workers, push):
        self._platform = platform
        self._push = push
        self._missing = workers
        self._doors = []
        for _ in range(workers):
            self._doors.append(door := platform.lock())
            door.acquire()
        self.pool = None
        self.ran = []

    def bind(self, worker, _):
        queue = None

        def execute(item):
            nonlocal queue
            queue = queue or self.pool.local_queue(worker)
            if item == 0:
                for other in range(1, len(self._doors)):
                    self._push(queue, other)
            self._come(item)

        return execute

    def _come(self, item):
        self._platform.step(f"come {item}")
        self._missing -= 1
        if not self._missing:
            for door in self._doors:
                door.release()
        self._doors[item].acquire()
        self.ran.append(item)


def gather(cooperative, seed, push):
    platform = cooperative(seed)
    gathering = Gathering(platform, WORKERS, push)
    pool = gathering.pool = Pool(WORKERS, gathering.bind, platform=platform)
    pool.start([0])
    platform.run()
    pool.join()
    return gathering.ran


def test_what_an_item_pushes_is_run_while_it_waits(cooperative):
    for seed in range(SEEDS):
        assert sorted(gather(cooperative, seed, LocalQueue.push)) == list(range(WORKERS)), seed


def test_without_looking_for_sleepers_the_seeds_find_one_left_asleep(cooperative):
    def push(queue, item):
        queue.items.append(item)

    with pytest.raises(AssertionError, match="lost wake-up"):
        for seed in range(SEEDS):
            gather(cooperative, seed, push)


def test_looking_before_pushing_leaves_one_asleep_too(cooperative):
    def push(queue, item):
        is_idle = queue._flags[0]
        queue.items.append(item)
        if is_idle:
            queue._wake_one()

    with pytest.raises(AssertionError, match="lost wake-up"):
        for seed in range(SEEDS):
            gather(cooperative, seed, push)
