"""The pool on real threads, again and again. What hangs here is ended by the suite's time-out."""

import random
import threading
import time

import pytest

from taskrunner.pool.parking import BACKSTOP_S
from taskrunner.pool.pool import Pool

RUNS = 1200


class Trees:
    """Random trees of numbered items: ``below`` holds what follows each."""

    def __init__(self, chance):
        self.size = chance.choice((1, 10, 300, 3000))
        self.roots = list(range(min(self.size, chance.choice((1, 2, 30)))))
        reach = chance.choice((1, 4, 100, 3000))
        self.below = [[] for _ in range(self.size)]
        for item in range(len(self.roots), self.size):
            self.below[chance.randrange(max(0, item - reach), item)].append(item)


def put_all(pool, items, chance):
    for item in items:
        pool.inject(item, chance.randrange(-1, 2))
    pool.release()


@pytest.mark.stress
@pytest.mark.parametrize("workers", range(1, 9))
def test_each_item_runs_once(work, workers):
    lost = []
    for seed in range(RUNS // 8):
        chance = random.Random(seed * 8 + workers)  # noqa: S311
        trees = Trees(chance)
        outside = range(trees.size, trees.size + chance.choice((0, 1, 200)))
        done = work(lambda item, trees=trees: trees.below[item] if item < trees.size else [])
        pool = Pool(workers, done.bind, on_lost_wakeup=lambda: lost.append(1))
        pool.hold()
        client = threading.Thread(target=put_all, args=(pool, outside, chance))
        pool.start(trees.roots)
        client.start()
        pool.join()
        client.join()
        assert sorted(done.items) == list(range(outside.stop)), seed
    assert lost == []


@pytest.mark.stress
@pytest.mark.parametrize("workers", [2, 3, 4, 8])
def test_every_worker_is_woken_while_the_others_are_busy(work, workers):
    """Rounds of items that wait for each other: one sleeper left asleep would hang them for BACKSTOP."""
    lost = []
    meeting = threading.Barrier(workers)
    rounds = 2000

    def visit(item):
        if item[1] < workers:
            meeting.wait(10 * BACKSTOP_S)

    def follow(item):
        number, place = item
        if place or number + 1 == rounds:
            return []
        return [(number + 1, (place + number) % (workers + 3)) for place in range(workers + 3)]

    done = work(follow, visit)
    pool = Pool(workers, done.bind, on_lost_wakeup=lambda: lost.append(1))
    pool.start([(-1, workers)] + [(0, place) for place in range(workers + 3)])
    pool.join()
    assert len(done.items) == 1 + rounds * (workers + 3)
    assert lost == []


@pytest.mark.stress
def test_an_idle_pool_takes_no_time(work):
    pool = Pool(8, work().bind)
    pool.hold()
    pool.start()
    before = time.process_time()
    time.sleep(1)
    used = time.process_time() - before
    pool.release()
    pool.join()
    assert used < 0.02
