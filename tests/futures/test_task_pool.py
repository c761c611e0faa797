"""The threads and queues of one executor, stepped through interleavings that seeds choose."""

import gc
import random
from functools import partial

import pytest

from taskrunner.futures.task_pool import AFTER_SHUTDOWN, TaskPool
from taskrunner.pool.platform import Platform

SEEDS = 150
WORKERS = (1, 2, 3)


@pytest.fixture(autouse=True, scope="module")
def _broken_pools_are_gone():
    """The interpreter would wait for them when it exits."""
    yield
    gc.collect()


def submit_some(tasks, fn, count, accepted, pause=lambda: None):
    for number in range(count):
        pause()
        try:
            accepted.append((number, tasks.submit(fn, (number,), {})))
        except RuntimeError as error:
            assert str(error) == AFTER_SHUTDOWN  # noqa: PT017  both are right
            return


def race(cooperative, seed, workers, pool_class=TaskPool):
    """Two clients submit while a third one closes the pool; each task submits another one, if it still can.

    They pause now and then, so that workers find nothing to do and park.
    """
    platform = cooperative(seed)
    tasks = pool_class(workers, platform)
    accepted = []
    chance = random.Random(seed)  # noqa: S311

    def pause():
        for _ in range(chance.choice((0, 0, 100))):
            platform.step("pause")

    def fn(number):
        if number >= 0:
            submit_some(tasks, lambda _: fn(-1), 1, accepted)
        platform.step(f"task {number}")
        return max(number, 0)

    def close():
        pause()
        tasks.close()

    for name in ("first", "second"):
        platform.spawn(partial(submit_some, tasks, fn, 3, accepted, pause), name)
    platform.spawn(close, "closer")
    platform.run()
    tasks.join()
    return accepted


@pytest.mark.parametrize("workers", WORKERS)
def test_what_is_taken_before_the_end_is_run(cooperative, workers):
    counts = set()
    for seed in range(SEEDS):
        accepted = race(cooperative, seed, workers)
        assert [number for number, _ in accepted] == [future.result(0) for _, future in accepted], seed
        counts.add(len(accepted))
    assert {0, 12} <= counts  # the seeds have closed it before all, after all,
    assert len(counts) > 6  # and in between


class ClosesWithoutTheLock(TaskPool):
    """A submit may be between its check and its put."""

    def close(self, reason=AFTER_SHUTDOWN):
        self._posted = False
        self._refusal = (RuntimeError, reason)
        self.release()


class LetsGoFirst(TaskPool):
    """The pool is let go of while tasks are still taken."""

    def close(self, reason=AFTER_SHUTDOWN):
        self.release()
        super().close(reason)


@pytest.mark.parametrize("broken", [ClosesWithoutTheLock, LetsGoFirst])
def test_the_seeds_find_a_task_that_is_lost(cooperative, broken):
    with pytest.raises(AssertionError, match=r"lost task|lost wake-up"):
        for seed in range(10 * SEEDS):
            accepted = race(cooperative, seed, 2, broken)
            assert all(future.done() for _, future in accepted), "lost task"


class ForgetsTheRest(TaskPool):
    """A worker that fetches a task leaves the others to itself."""

    def _fetch(self):
        with self._lock:
            self._posted = False
            return self._shared.injector.popleft() if self._shared.injector else None


def meet(cooperative, seed, workers, pool_class=TaskPool):
    """Submit as many tasks as there are workers, each of which waits for all others."""
    platform = cooperative(seed)
    tasks, came, doors = pool_class(workers, platform), [], []
    for _ in range(workers):
        doors.append(door := platform.lock())
        door.acquire()

    def member(number):
        came.append(number)
        if len(came) == workers:
            for door in doors:
                door.release()
        doors[number].acquire()

    def client():
        submit_some(tasks, member, workers, [])
        tasks.close()

    platform.spawn(client, "client")
    platform.run()
    tasks.join()


@pytest.mark.parametrize("workers", WORKERS)
def test_nobody_sleeps_while_a_task_is_queued(cooperative, workers):
    for seed in range(SEEDS):
        meet(cooperative, seed, workers)


def test_the_seeds_find_one_left_asleep(cooperative):
    with pytest.raises(AssertionError, match="lost wake-up"):
        for seed in range(SEEDS):
            meet(cooperative, seed, 3, ForgetsTheRest)


def test_one_worker_starts_tasks_in_the_order_in_which_they_were_submitted(cooperative):
    for seed in range(SEEDS):
        platform = cooperative(seed)
        tasks, ran = TaskPool(1, platform), []

        def client(tasks=tasks, ran=ran):
            submit_some(tasks, ran.append, 8, [])
            tasks.close()

        platform.spawn(client, "client")
        platform.run()
        assert ran == list(range(8)), seed


def test_the_first_task_may_begin_before_submit_returns(cooperative):
    """It is handed out without the lock that is held while the workers start."""
    orders = set()
    for seed in range(SEEDS):
        platform, order = cooperative(seed), []
        tasks = TaskPool(2, platform)

        def client(tasks=tasks, order=order):
            tasks.submit(order.append, ("task",), {})
            order.append("submitted")
            tasks.close()

        platform.spawn(client, "client")
        platform.run()
        orders.add(tuple(order))
    assert orders == {("task", "submitted"), ("submitted", "task")}


def test_what_a_task_submits_runs_newest_first_and_before_what_is_outside(cooperative):
    for seed in range(SEEDS):
        platform = cooperative(seed)
        tasks, ran, door = TaskPool(1, platform), [], platform.lock()
        door.acquire()

        def parent(tasks=tasks, ran=ran, door=door):
            submit_some(tasks, ran.append, 3, [])
            door.release()

        def client(tasks=tasks, ran=ran, door=door, parent=parent):
            tasks.submit(parent, (), {})
            tasks.submit(ran.append, ("outside",), {})
            door.acquire()
            tasks.close()

        platform.spawn(client, "client")
        platform.run()
        assert ran == [2, 1, 0, "outside"], seed


def test_each_task_runs_once_and_is_cancelled_or_run(cooperative):
    """The queued ones are cancelled while they are run and stolen."""
    kinds = set()
    for seed in range(SEEDS):
        platform = cooperative(seed)
        tasks, ran, accepted = TaskPool(2, platform), [], []

        def parent(_, tasks=tasks, ran=ran, accepted=accepted):
            submit_some(tasks, ran.append, 4, accepted)

        def client(tasks=tasks, accepted=accepted, parent=parent):
            submit_some(tasks, parent, 3, accepted)

        def closer(tasks=tasks):
            tasks.close()
            tasks.cancel_queued()

        platform.spawn(client, "client")
        platform.spawn(closer, "closer")
        platform.run()
        assert all(future.done() for _, future in accepted), seed
        kinds |= {future.cancelled() for _, future in accepted}
        assert len(ran) <= sum(not future.cancelled() for _, future in accepted), seed
    assert kinds == {True, False}


class Exhausted(Platform):
    """A platform that has one thread to give at first, and more later."""

    def __init__(self):
        self.left = 1

    def spawn(self, target, name):
        if not self.left:
            self.left = 10
            raise RuntimeError("can't start new thread")
        self.left -= 1
        return super().spawn(target, name)


def test_without_threads_submit_raises_and_the_next_one_tries_again():
    tasks, ran = TaskPool(3, Exhausted()), []
    with pytest.raises(RuntimeError, match="cannot start 3 threads: can't start new thread"):
        tasks.submit(ran.append, (1,), {})
    tasks.submit(ran.append, (2,), {})
    tasks.close()
    tasks.join()
    assert ran == [2]


def test_it_can_be_let_go_of_in_the_middle_of_parking(cooperative):
    """As by the collector, whose callbacks run anywhere: it must take no lock that its thread may hold."""
    for seed in range(SEEDS):
        platform = cooperative(seed)
        tasks = TaskPool(2, platform)

        def give_up(tasks=tasks):
            for lock in (tasks._lock, tasks._pool._parking._lock):
                with lock:
                    tasks._abandon()

        platform.spawn(lambda tasks=tasks, give_up=give_up: tasks.submit(give_up, (), {}), "client")
        platform.run()  # the workers have gone home
        tasks.join()
