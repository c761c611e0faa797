"""A worker that is lost in an item: another thread takes its place, and nothing else is lost with it."""

import threading

import pytest

from taskrunner.pool.platform import Platform
from taskrunner.pool.pool import Pool
from taskrunner.pool.worker import AbandonedError

SEEDS = 60
LOST = 0  # the item in which a worker is lost
AFTER = 100  # what becomes ready when it is given up
BOUND = 30.0


class Stuck:
    """Items of which one does not come back before it was given up: its worker and its thread are told."""

    def __init__(self, platform, work):
        self.entered, self.gone = platform.lock(), platform.lock()
        for lock in (self.entered, self.gone):
            lock.acquire()
        self.work = work
        self.worker = None
        self.returned = 0

    def bind(self, worker, push):
        execute = self.work.bind(worker, push)

        def act(item):
            if item != LOST:
                return execute(item)
            self.worker = worker
            self.entered.release()
            self.gone.acquire()
            self.returned += 1
            raise AbandonedError

        return act

    def give_up(self, pool):
        """Do what the timer does, then let the lost thread come back whenever it may."""
        self.entered.acquire()
        pool.replace(self.worker)
        pool.inject(AFTER, 0)
        self.gone.release()


def follow(item):
    return [item + 1, item + 2] if item in (10, 20, AFTER) else []


EXPECTED = sorted([10, 11, 12, 20, 21, 22, 30, 40, AFTER, AFTER + 1, AFTER + 2])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_everything_else_runs_once_whoever_comes_first(cooperative, step_through, work, workers):
    for seed in range(SEEDS):
        platform, done = cooperative(seed), work(follow)
        stuck = Stuck(platform, done)
        step_through(platform, workers, stuck, [LOST, 10, 20, 30, 40], [stuck.give_up])
        assert sorted(done.items) == EXPECTED, seed
        assert stuck.returned == 1


def test_who_takes_the_place_wakes_others_and_is_woken(cooperative, step_through, work):
    """Two items wait for each other, so each needs a worker of its own: one left asleep would hang them."""
    for seed in range(SEEDS * 3):
        platform = cooperative(seed)
        meeting = [platform.lock(), platform.lock()]
        for lock in meeting:
            lock.acquire()

        def meet(item, meeting=meeting):
            if item in (AFTER + 1, AFTER + 2):
                mine, other = item - AFTER - 1, AFTER + 2 - item
                meeting[mine].release()
                meeting[other].acquire()

        done = work(follow, meet)
        stuck = Stuck(platform, done)
        step_through(platform, 2, stuck, [LOST], [stuck.give_up])
        assert sorted(done.items) == [AFTER, AFTER + 1, AFTER + 2], seed


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_pool_goes_home_without_the_thread_that_is_lost(work, workers):
    done, over = work(follow), threading.Event()
    entered = threading.Event()
    lost = []

    def bind(worker, push):
        execute = done.bind(worker, push)

        def act(item):
            if item != LOST:
                return execute(item)
            lost.append((worker, threading.current_thread()))
            entered.set()
            over.wait(BOUND)
            raise AbandonedError

        return act

    pool = Pool(workers, bind)
    pool.hold()
    pool.start([LOST, 10, 20, 30, 40])
    assert entered.wait(BOUND)
    ((worker, thread),) = lost
    pool.replace(worker)
    pool.inject(AFTER, 0)
    pool.release()
    pool.join()
    assert sorted(done.items) == EXPECTED
    assert thread.is_alive()
    over.set()
    thread.join(BOUND)
    assert not thread.is_alive()


def test_a_worker_s_place_may_be_taken_again_and_again(work):
    done, over = work(), threading.Event()
    entered = threading.Semaphore(0)

    def bind(worker, push):
        execute = done.bind(worker, push)

        def act(item):
            if item >= 0:
                return execute(item)
            entered.release()
            over.wait(BOUND)
            raise AbandonedError

        return act

    pool = Pool(1, bind)
    pool.hold()
    pool.start([-1, 1, -2, 2, -3, 3])
    for _ in range(3):
        assert entered.acquire(timeout=BOUND)
        pool.replace(0)
    pool.release()
    pool.join()
    assert done.items == [1, 2, 3]
    over.set()


def test_a_lost_thread_is_not_waited_for_though_no_other_could_be_had():
    class Exhausted(Platform):
        has_started = False

        def spawn(self, target, name):
            if self.has_started:
                raise RuntimeError("can't start new thread")
            return super().spawn(target, name)

    over, entered = threading.Event(), threading.Event()

    def bind(_worker, _push):
        def act(_item):
            entered.set()
            over.wait(BOUND)
            raise AbandonedError

        return act

    platform = Exhausted()
    pool = Pool(1, bind, platform=platform)
    pool.hold()
    pool.start([LOST])
    platform.has_started = True
    assert entered.wait(BOUND)
    with pytest.raises(RuntimeError, match="new thread"):
        pool.replace(0)
    pool.abandon()
    pool.release()
    pool.join()
    assert not over.is_set()
    over.set()
