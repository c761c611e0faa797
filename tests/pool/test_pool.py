"""The pool as a whole, on real threads."""

import threading
from collections import Counter

import pytest

from taskrunner.errors import TaskrunnerError
from taskrunner.pool.platform import Platform
from taskrunner.pool.pool import Pool


def tree(size):
    return lambda item: [i for i in (2 * item + 1, 2 * item + 2) if i < size]


@pytest.mark.parametrize("workers", range(1, 9))
def test_each_item_runs_once(run_pool, work, workers):
    done = work(tree(500))
    run_pool(workers, done, [0])
    assert sorted(done.items) == list(range(500))


@pytest.mark.parametrize("workers", range(1, 9))
def test_no_items_end_at_once(run_pool, work, workers):
    done = work()
    run_pool(workers, done)
    assert done.items == []


def test_one_worker_starts_the_items_in_their_order(run_pool, work):
    done = work()
    run_pool(1, done, list(range(100)))
    assert done.items == list(range(100))


@pytest.mark.parametrize("workers", range(1, 9))
def test_items_are_dealt_out_in_turn(work, cooperative, workers):
    platform = cooperative(0)
    dealt = {}

    class Ends(work):
        def bind(self, worker, push):
            dealt[worker] = []
            return super().bind(worker, push)

    pool = Pool(workers, Ends().bind, platform=platform)
    pool._create_target = lambda worker, roots: lambda: dealt.__setitem__(worker, roots)
    pool.start(list(range(20)))
    platform.run()
    assert dealt == {worker: list(range(worker, 20, workers))[::-1] for worker in range(workers)}


def test_each_worker_binds_once_in_its_own_thread(run_pool, work):
    bound = []

    class Watched(work):
        def bind(self, worker, push):
            bound.append((worker, threading.current_thread().name))
            return super().bind(worker, push)

    run_pool(4, Watched())
    assert sorted(bound) == [(worker, f"taskrunner-{worker}") for worker in range(4)]


def test_none_works_before_all_are_there(run_pool, work):
    bound = []

    class Watched(work):
        def bind(self, worker, push):
            bound.append(worker)
            return super().bind(worker, push)

    seen = []
    run_pool(8, Watched(visit=lambda _: seen.append(len(bound))), range(8))
    assert seen == [8] * 8


def test_items_put_before_the_start_run(work):
    done = work()
    pool = Pool(2, done.bind)
    pool.inject("late", -1)
    pool.inject("now", 0)
    pool.start(["dealt"])
    pool.join()
    assert sorted(done.items) == ["dealt", "late", "now"]


def test_a_held_pool_waits_for_what_is_put(work):
    done = work(lambda item: [item - 1] if item else [])
    pool = Pool(2, done.bind)
    pool.hold()
    pool.start([2])

    def act():
        pool.inject(3, 0)
        pool.release()

    client = threading.Thread(target=act)
    client.start()
    pool.join()
    client.join()
    assert sorted(done.items) == [0, 0, 1, 1, 2, 2, 3]


def test_every_worker_takes_part(run_pool, work):
    meeting = threading.Barrier(4)
    done = work(visit=lambda _: meeting.wait())
    run_pool(4, done, range(4))
    assert Counter(worker for worker, _ in done.ran) == dict.fromkeys(range(4), 1)


def test_sleepers_are_woken_for_what_one_pushes(run_pool, work):
    meeting = threading.Barrier(4)
    done = work(lambda item: [1, 2, 3, 4] if item == 0 else [], lambda item: item and meeting.wait())
    run_pool(4, done, [0])
    assert sorted(done.items) == [0, 1, 2, 3, 4]


def test_the_others_go_home_after_a_crash(work):
    def visit(item):
        if item == 7:
            raise ValueError("seven")

    pool = Pool(4, work(tree(100), visit).bind)
    pool.hold()  # never released: a crash waits for nobody
    pool.start([0])
    with pytest.raises(ValueError, match="seven"):
        pool.join()
    assert not any(thread.is_alive() for thread in pool._threads.values())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_crash_of_any_kind_is_raised(run_pool, work, error):
    def visit(item):
        raise error(item)

    with pytest.raises(error, match="1"):
        run_pool(2, work(visit=visit), [1])


def test_a_crash_in_bind_is_raised():
    def bind(worker, _push):
        if worker == 2:
            raise ValueError("two")
        return lambda _: None

    pool = Pool(4, bind)
    pool.start(range(10))
    with pytest.raises(ValueError, match="two"):
        pool.join()
    assert not any(thread.is_alive() for thread in pool._threads.values())


def test_threads_carry_the_pools_name(work):
    names = []
    pool = Pool(1, work(visit=lambda _: names.append(threading.current_thread().name)).bind, name="mine")
    pool.start([1])
    pool.join()
    assert names == ["mine-0"]


class Exhausted(Platform):
    """A platform that has two threads to give."""

    def __init__(self):
        self.threads = []

    def spawn(self, target, name):
        if len(self.threads) == 2:
            raise RuntimeError("can't start new thread")
        self.threads.append(super().spawn(target, name))
        return self.threads[-1]


def test_without_all_its_threads_a_pool_runs_nothing_and_leaves_none_behind(work):
    platform, done = Exhausted(), work()
    with pytest.raises(TaskrunnerError, match="cannot start 3 threads: can't start new thread"):
        Pool(3, done.bind, platform=platform).start([1, 2, 3])
    for thread in platform.threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in platform.threads)
    assert done.items == []


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_start_that_is_broken_off_leaves_no_thread_waiting(work, at):
    class Broken(Platform):
        def __init__(self):
            self.spawned = []

        def spawn(self, target, name):
            if len(self.spawned) == at:
                raise KeyboardInterrupt
            self.spawned.append(super().spawn(target, name))
            return self.spawned[-1]

    done, platform = work(), Broken()
    pool = Pool(4, done.bind, platform=platform)
    with pytest.raises(KeyboardInterrupt):
        pool.start([1, 2, 3])
    pool.join()
    assert done.items == []
    assert not any(thread.is_alive() for thread in platform.spawned)
