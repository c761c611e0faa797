"""Tasks that wait for tasks, stepped through interleavings that seeds choose. Time does not pass here.

A program is given a pool and returns what its tasks return, in the end; each test runs it with several
seeds. A wait that nobody would end is a failure.
"""

import gc
import random

import pytest

from taskrunner.futures.task_pool import TaskPool
from taskrunner.futures.task_worker import TaskWorker

SEEDS = 150
WORKERS = (1, 2, 3, 4)


@pytest.fixture(autouse=True, scope="module")
def _broken_pools_are_gone():
    """The interpreter would wait for them when it exits."""
    yield
    gc.collect()


@pytest.fixture
def play(cooperative):
    """Run a program on a stepped pool, which is closed when the futures that it returns are done."""

    def run(program, workers, seed):
        platform = cooperative(seed)
        tasks = TaskPool(workers, platform)
        futures = []

        def submit(fn, *args):
            return tasks.submit(fn, args, {})

        def client():
            futures.extend(program(submit, platform))
            left = list(futures)

            def count(_):
                left.pop()
                if not left:
                    tasks.close()

            for future in futures:
                future.add_done_callback(count)

        platform.spawn(client, "client")
        platform.run()
        tasks.join()
        return [future.result(0) for future in futures]

    return run


def closed_door(platform):
    door = platform.lock()
    door.acquire()
    return door


def fib(submit, n):
    if n < 2:
        return n
    first, second = submit(fib, submit, n - 1), submit(fib, submit, n - 2)
    return first.result() + second.result()


@pytest.mark.parametrize("workers", WORKERS)
def test_tasks_wait_for_the_tasks_that_they_submit(play, workers):
    for seed in range(SEEDS // 3):
        assert play(lambda submit, _: [submit(fib, submit, 6)], workers, seed) == [8], seed


def pipeline(submit, platform):
    """Each stage waits for a part of itself, and for the stage before it, which was submitted before."""

    def part(number):
        platform.step(f"part {number}")
        return number

    def stage(before, number):
        inner = submit(part, number)
        platform.step(f"stage {number}")
        return inner.result() + (before.result() if before else 0)

    futures = [None]
    for number in range(1, 5):
        futures.append(submit(stage, futures[-1], number))
    return futures[1:]


@pytest.mark.parametrize("workers", WORKERS)
def test_tasks_wait_for_tasks_that_were_submitted_before(play, workers):
    for seed in range(SEEDS):
        assert play(pipeline, workers, seed) == [1, 3, 6, 10], seed


def any_task(self, _):
    """Help with whatever is queued, as one might think is best."""
    queued = [task for worker in self._shared.workers for task in worker.items]
    return next((task for task in (*queued, *self._shared.injector) if task.is_pending()), None)


def test_to_help_with_any_task_would_bury_what_it_waits_for(play, monkeypatch):
    monkeypatch.setattr(TaskWorker, "_find_related_task", any_task)
    with pytest.raises(AssertionError, match=r"deadlock|lost wake-up"):
        for seed in range(SEEDS):
            play(pipeline, 3, seed)


def helped_by_its_waiter(submit, platform):
    """The waiting worker alone can run the child: the other one is in the middle of the task that needs it."""
    has_begun, child_ran = closed_door(platform), closed_door(platform)

    def needs_a_child():
        has_begun.release()
        submit(child_ran.release)
        child_ran.acquire()  # not by its future: nothing would tell the pool
        return "done"

    def waiter():
        needy = submit(needs_a_child)
        has_begun.acquire()  # by the other worker
        return needy.result()

    return [submit(waiter)]


def helped_by_its_own(submit, platform):
    """The waiting worker runs a task that its own task has submitted, and that the awaited one needs."""
    has_begun, sibling_ran = closed_door(platform), closed_door(platform)

    def needs_a_sibling():
        has_begun.release()
        sibling_ran.acquire()
        return "done"

    def waiter():
        needy = submit(needs_a_sibling)
        has_begun.acquire()
        submit(sibling_ran.release)
        return needy.result()

    return [submit(waiter)]


@pytest.mark.parametrize("program", [helped_by_its_waiter, helped_by_its_own])
def test_a_waiting_worker_runs_tasks_that_belong_to_the_wait(play, program):
    for seed in range(SEEDS):
        assert play(program, 2, seed) == ["done"], seed


@pytest.mark.parametrize("workers", WORKERS)
def test_a_waiting_worker_does_not_run_strangers(play, workers):
    """What it runs is on top of the task that waits: a stranger could go on for ever."""
    ran = []

    def program(submit, platform):
        def stranger():
            ran.append("stranger")

        def slow():
            for _ in range(50):
                platform.step("slow")

        def waiter(future):
            begun = len(ran)
            future.result()
            ran.append(len(ran) - begun)

        future = submit(slow)
        return [submit(waiter, future), submit(stranger)]

    for seed in range(SEEDS):
        ran.clear()
        play(program, workers, seed)
        if workers == 1:
            assert ran == [0, "stranger"], seed


class Silent(TaskWorker):
    """A worker that forgets its watchers, and wakes none when it pushes."""

    watchers = property(lambda _: {}, lambda _, __: None)


class LooksThenAnnounces(TaskWorker):
    """A waiting worker that looks for work first and announces then that it will sleep."""

    def _sleep(self, future, deadline):
        future.wake_when_done(self._wake_callback)
        runner = self._find_runner_of(future)
        if runner is not None and self._find_child_of(future) is None and not future.done():
            len(runner.items)  # a step in between
            runner.watchers[self] = None
            self._wake_lock.acquire(timeout=deadline.lock_timeout())


class HelpsNobody(TaskWorker):
    def _find_related_task(self, _):
        return None


@pytest.mark.parametrize("broken", [Silent, LooksThenAnnounces, HelpsNobody])
def test_the_seeds_find_a_worker_that_does_not_help(play, monkeypatch, broken):
    monkeypatch.setattr("taskrunner.futures.task_pool.TaskWorker", broken)
    with pytest.raises(AssertionError, match=r"deadlock|no end"):
        for seed in range(10 * SEEDS):
            play(helped_by_its_waiter, 2, seed)


class NeverRunsIt(TaskWorker):
    """A worker that sleeps although what it waits for is queued."""

    def run_queued(self, task):
        self._sleep(task, Forever())


class Forever:
    def lock_timeout(self):
        return -1


def test_a_worker_that_slept_instead_would_wait_for_ever(play, monkeypatch):
    monkeypatch.setattr("taskrunner.futures.task_pool.TaskWorker", NeverRunsIt)
    with pytest.raises(AssertionError, match=r"deadlock|lost wake-up"):
        play(lambda submit, _: [submit(fib, submit, 3)], 1, 0)


class Soup:
    """A random program in which every task waits for what it has submitted, and for some that were there before."""

    def __init__(self, seed):
        self._random = random.Random(seed)  # noqa: S311
        self.size = 0

    def __call__(self, submit, platform):
        def task(depth, before):
            platform.step("task")
            mine = [self._more(submit, task, depth, before) for _ in range(self._random.randrange(3 if depth else 1))]
            chosen = self._random.sample(before, min(len(before), self._random.randrange(3)))
            for future in self._random.sample(chosen + mine, len(chosen) + len(mine)):
                future.result()
            return 1

        futures = []
        for _ in range(4):
            futures.append(self._more(submit, task, 3, list(futures)))
        return futures

    def _more(self, submit, task, depth, before):
        self.size += 1
        return submit(task, depth - 1, before)


@pytest.mark.parametrize("workers", WORKERS)
def test_sound_programs_come_to_an_end(play, workers):
    sizes = []
    for seed in range(SEEDS):
        soup = Soup(seed)
        assert play(soup, workers, seed) == [1] * 4, seed
        sizes.append(soup.size)
    assert max(sizes) > 15
