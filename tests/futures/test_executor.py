"""The executor on real threads: in the place of ThreadPoolExecutor, and what it promises beyond that."""

import asyncio
import concurrent.futures
import contextlib
import gc
import itertools
import os
import random
import subprocess
import sys
import threading
import time
import traceback
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed, wait
from concurrent.futures.thread import BrokenThreadPool

import pytest

import taskrunner
from taskrunner import WorkStealingExecutor
from taskrunner.futures.task_worker import GLOBAL_QUEUE_INTERVAL

PATIENCE = 60
WORKERS = (1, 2, 4)


@pytest.fixture(params=WORKERS)
def executor(request):
    with WorkStealingExecutor(request.param) as made:
        yield made


@pytest.fixture
def single():
    with WorkStealingExecutor(1) as made:
        yield made


def fib(executor, n):
    if n < 2:
        return n
    first, second = executor.submit(fib, executor, n - 1), executor.submit(fib, executor, n - 2)
    return first.result() + second.result()


def fail(error):
    raise error


# -- as ThreadPoolExecutor ---------------------------------------------------------------------------


def test_a_call_is_made_with_its_arguments(executor):
    future = executor.submit(lambda *args, **kwargs: (args, kwargs), 1, 2, fn=3, self=4)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(PATIENCE) == ((1, 2), {"fn": 3, "self": 4})


def test_results_come_in_the_order_of_the_items(executor):
    assert list(executor.map(pow, range(100), itertools.repeat(2), chunksize=7)) == [n * n for n in range(100)]


def test_an_error_is_raised_by_its_result_with_its_traceback(executor):
    with pytest.raises(ValueError, match="mine") as caught:
        executor.submit(fail, ValueError("mine")).result(PATIENCE)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"


def test_an_error_inside_an_error_comes_through(executor):
    with pytest.raises(ValueError, match="inner"):
        executor.submit(lambda: executor.submit(fail, ValueError("inner")).result()).result(PATIENCE)


def test_a_worker_survives_whatever_a_callback_raises(single, caplog):
    gate = threading.Event()
    future = single.submit(gate.wait, PATIENCE)
    future.add_done_callback(lambda _: fail(SystemExit()))
    gate.set()
    outer = single.submit(lambda: single.submit(int).add_done_callback(lambda _: fail(SystemExit())))
    assert outer.exception(PATIENCE) is None
    assert single.submit(int, 7).result(PATIENCE) == 7
    assert "Exception in worker" in caplog.text


def test_queued_tasks_can_be_cancelled_and_running_ones_cannot(single):
    gate, started = threading.Event(), threading.Event()
    running = single.submit(lambda: started.set() or gate.wait(PATIENCE))
    queued = single.submit(int)
    assert started.wait(PATIENCE)
    assert not running.cancel()
    assert queued.cancel()
    gate.set()
    assert running.result(PATIENCE) is True
    with pytest.raises(CancelledError):
        queued.result(PATIENCE)
    assert wait([queued], PATIENCE).done == {queued}  # the worker has told it


def test_wait_and_as_completed_from_outside(executor):
    futures = [executor.submit(pow, n, 2) for n in range(50)]
    assert {future.result() for future in as_completed(futures, PATIENCE)} == {n * n for n in range(50)}
    assert wait(futures, PATIENCE) == (set(futures), set())


def test_map_gives_up_in_time_and_cancels_the_rest(single):
    gate, ran = threading.Event(), []
    results = single.map(lambda n: gate.wait(PATIENCE) and ran.append(n), range(10), timeout=0)
    with pytest.raises(TimeoutError):
        next(results)
    gate.set()
    single.shutdown()
    assert ran in ([0], [])


def test_threads_carry_the_prefix_and_a_number():
    with WorkStealingExecutor(3, "mine") as executor:
        name = executor.submit(lambda: threading.current_thread().name).result(PATIENCE)
        assert [thread.name for thread in executor._threads] == ["mine_0", "mine_1", "mine_2"]
    assert name in {"mine_0", "mine_1", "mine_2"}


def test_threads_without_a_prefix_carry_the_executors_name_and_its_number():
    names = set()
    for _ in range(2):
        with WorkStealingExecutor(1) as executor:
            names.add(executor.submit(lambda: threading.current_thread().name).result(PATIENCE))
    numbers = sorted(int(name.removeprefix("WorkStealingExecutor-").removesuffix("_0")) for name in names)
    assert numbers[1] == numbers[0] + 1


def test_there_is_a_worker_for_each_core():
    assert WorkStealingExecutor()._max_workers == os.process_cpu_count()


@pytest.mark.parametrize("number", [0, -1])
def test_there_must_be_a_worker(number):
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        WorkStealingExecutor(number)


def test_the_initializer_must_be_callable():
    with pytest.raises(TypeError, match="initializer must be a callable"):
        WorkStealingExecutor(1, initializer="no")


def test_workers_start_with_the_first_task_and_all_together():
    executor = WorkStealingExecutor(3)
    assert executor._threads == []
    executor.submit(int).result(PATIENCE)
    assert len(executor._threads) == 3
    executor.shutdown()
    assert not any(thread.is_alive() for thread in executor._threads)


def test_the_initializer_is_called_in_each_worker_before_any_task():
    called = []
    with WorkStealingExecutor(
        4, initializer=lambda x: called.append((x, threading.get_ident())), initargs=(7,)
    ) as executor:
        seen = executor.submit(lambda: list(called)).result(PATIENCE)
    assert [x for x, _ in seen] == [7] * 4
    assert len({ident for _, ident in seen}) == 4


def test_a_failing_initializer_breaks_the_executor(caplog):
    gate = threading.Event()
    executor = WorkStealingExecutor(2, initializer=lambda: gate.wait(PATIENCE) and fail(ValueError("init")))
    futures = [executor.submit(int) for _ in range(3)]
    cancelled = executor.submit(int)
    cancelled.cancel()
    gate.set()
    for future in futures:
        with pytest.raises(BrokenThreadPool, match="initializer failed"):
            future.result(PATIENCE)
    with pytest.raises(BrokenThreadPool, match="initializer failed"):
        executor.submit(int)
    executor.shutdown()
    assert cancelled.cancelled()
    assert "Exception in initializer" in caplog.text
    assert "ValueError: init" in caplog.text


def test_after_shutdown_nothing_is_taken(executor):
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(int)


def test_shutdown_without_a_task_starts_nothing():
    executor = WorkStealingExecutor(2)
    executor.shutdown()
    assert executor._threads == []


def test_shutdown_runs_what_is_queued(executor):
    futures = [executor.submit(int) for _ in range(1000)]
    executor.shutdown()
    assert all(future.done() for future in futures)


def test_shutdown_does_not_wait_if_it_is_not_to():
    gate = threading.Event()
    executor = WorkStealingExecutor(2)
    futures = [executor.submit(gate.wait, PATIENCE) for _ in range(10)]
    executor.shutdown(wait=False)
    gate.set()
    assert all(future.result(PATIENCE) for future in futures)
    for thread in executor._threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in executor._threads)


def test_shutdown_cancels_what_has_not_started_and_tells_who_waits():
    gate, pushed = threading.Event(), threading.Event()
    executor = WorkStealingExecutor(1)
    inner = []

    def running():
        inner.extend(executor.submit(int) for _ in range(5))
        pushed.set()
        return gate.wait(PATIENCE)

    future = executor.submit(running)
    queued = [executor.submit(int) for _ in range(5)]
    assert pushed.wait(PATIENCE)
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(one.cancelled() for one in queued + inner)
    assert wait(queued + inner, PATIENCE).not_done == set()
    gate.set()
    assert future.result(PATIENCE) is True
    executor.shutdown()


def test_shutdown_does_not_cancel_the_first_task_of_all():
    """In ThreadPoolExecutor it has begun when its submission returns."""
    for _ in range(50):
        executor = WorkStealingExecutor(2)
        futures = [executor.submit(int) for _ in range(3)]
        executor.shutdown(cancel_futures=True)
        assert futures[0].result(PATIENCE) == 0


def test_the_first_task_can_be_cancelled_before_it_begins():
    gate = threading.Event()
    executor = WorkStealingExecutor(1, initializer=gate.wait, initargs=(PATIENCE,))
    future = executor.submit(int)
    assert future.cancel()
    gate.set()
    assert wait([future], PATIENCE).done == {future}
    executor.shutdown()


def test_a_task_cannot_wait_for_its_own_executors_end(single):
    with pytest.raises(RuntimeError, match="cannot join current thread"):
        single.submit(single.shutdown).result(PATIENCE)


def test_a_task_cannot_submit_after_shutdown(single):
    gate = threading.Event()
    future = single.submit(lambda: gate.wait(PATIENCE) and single.submit(int))
    single.shutdown(wait=False)
    gate.set()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        future.result(PATIENCE)


# -- waiting inside a task -----------------------------------------------------------------------------


def test_tasks_wait_for_the_tasks_that_they_submit(executor):
    assert executor.submit(fib, executor, 12).result(PATIENCE) == 144


def test_tasks_map_inside_tasks(executor):
    def table(n):
        return sum(executor.map(pow, range(n), itertools.repeat(2)))

    assert list(executor.map(table, range(20))) == [sum(k * k for k in range(n)) for n in range(20)]


def test_a_task_runs_what_it_waits_for_in_its_own_thread(single):
    def outer():
        return threading.get_ident(), single.submit(threading.get_ident).result()

    mine, inner = single.submit(outer).result(PATIENCE)
    assert mine == inner


def test_an_exception_is_waited_for_as_a_result_is(single):
    error = ValueError()
    assert single.submit(lambda: single.submit(fail, error).exception()).result(PATIENCE) is error


def test_a_task_waits_for_one_that_was_submitted_outside(single):
    gate = threading.Event()
    futures = []
    waiter = single.submit(lambda: gate.wait(PATIENCE) and futures[0].result())
    futures.append(single.submit(int, 7))
    gate.set()
    assert waiter.result(PATIENCE) == 7


def test_a_task_waits_with_wait_for_what_is_queued(single):
    def outer():
        futures = [single.submit(pow, n, 2) for n in range(10)]
        return wait(futures).not_done

    assert single.submit(outer).result(PATIENCE) == set()


def test_a_task_waits_with_as_completed_for_what_is_queued(single):
    def outer():
        futures = [single.submit(pow, n, 2) for n in range(10)]
        return sorted(future.result() for future in as_completed(futures))

    assert single.submit(outer).result(PATIENCE) == [n * n for n in range(10)]


def test_wait_runs_no_more_than_it_needs(single):
    def outer():
        futures = [single.submit(int) for n in range(10)]
        return len(wait(futures, return_when="FIRST_COMPLETED").done)

    assert single.submit(outer).result(PATIENCE) == 1


def test_wait_in_a_task_also_waits_for_what_runs_elsewhere():
    with WorkStealingExecutor(2) as executor, ThreadPoolExecutor(1) as other:
        gate = threading.Event()

        def outer():
            slow = other.submit(gate.wait, PATIENCE)
            queued = executor.submit(gate.set)
            return wait([slow, queued]).not_done

        assert executor.submit(outer).result(PATIENCE) == set()


def test_with_no_time_nothing_is_run(single):
    def outer():
        inner = single.submit(int)
        with pytest.raises(TimeoutError):
            inner.result(timeout=0)
        assert wait([inner], timeout=0).not_done == {inner}
        return inner

    assert single.submit(outer).result(PATIENCE).result(PATIENCE) == 0


def test_a_wait_in_a_task_ends_in_time():
    gate, started = threading.Event(), threading.Event()
    with WorkStealingExecutor(2) as executor:
        slow = executor.submit(lambda: started.set() or gate.wait(PATIENCE))
        assert started.wait(PATIENCE)

        def outer():
            for _ in range(20):
                with pytest.raises(TimeoutError):
                    slow.result(timeout=0.001)

        assert executor.submit(outer).exception(PATIENCE) is None
        assert len(slow._done_callbacks) == 1  # waiting again and again leaves one waker
        gate.set()


def test_a_task_of_another_executor_runs_there():
    with WorkStealingExecutor(1, "one") as one, WorkStealingExecutor(1, "other") as other:
        inner = one.submit(lambda: other.submit(lambda: threading.current_thread().name).result())
        assert inner.result(PATIENCE) == "other_0"


def test_a_wait_that_is_too_deep_raises_and_the_worker_goes_on(executor):
    def chain(n):
        return executor.submit(chain, n - 1).result() + 1 if n else 0

    def chain_of_waits(n):
        if not n:
            return 0
        future = executor.submit(chain_of_waits, n - 1)
        wait([future])
        return future.result() + 1

    assert executor.submit(chain, 100).result(PATIENCE) == 100
    for deep in (chain, chain_of_waits):
        with pytest.raises(RecursionError, match="too many tasks wait for each other"):
            executor.submit(deep, 20 * sys.getrecursionlimit()).result(PATIENCE)
    assert executor.submit(fib, executor, 10).result(PATIENCE) == 55


def test_waiting_leaves_nothing_of_what_was_waited_for(single):
    """A task that waits for many, one after the other, does not pile them up in its worker's deque."""
    sizes = []

    def outer():
        mine = single._tasks._pool.queues[0]
        for _ in range(100):
            for future in [single.submit(int) for _ in range(3)]:
                future.result()
            sizes.append(len(mine))

    assert single.submit(outer).exception(PATIENCE) is None
    assert max(sizes) == 0


# -- order ---------------------------------------------------------------------------------------------


def test_one_worker_starts_tasks_in_the_order_in_which_they_were_submitted(single):
    ran = []
    for number in range(10 * GLOBAL_QUEUE_INTERVAL):
        single.submit(ran.append, number)
    single.shutdown()
    assert ran == list(range(10 * GLOBAL_QUEUE_INTERVAL))


def test_tasks_that_submit_the_next_one_for_ever_let_others_in(single):
    gate, stop, ran = threading.Event(), threading.Event(), []

    def link():
        gate.wait(PATIENCE)
        if not stop.is_set():
            ran.append(1)
            single.submit(link)

    single.submit(link)
    stopped = single.submit(stop.set)
    gate.set()
    stopped.result(PATIENCE)
    assert len(ran) == GLOBAL_QUEUE_INTERVAL


def test_a_flood_from_outside_lets_the_tasks_of_a_blocked_worker_in():
    with WorkStealingExecutor(2) as executor:
        child_ran, counts, ran = threading.Event(), [], itertools.count()

        def blocked():
            executor.submit(lambda: counts.append(next(ran)) or child_ran.set())
            counts.append(next(ran))
            child_ran.wait(PATIENCE)

        for _ in range(100):
            executor.submit(next, ran)
        executor.submit(blocked)
        for _ in range(100 * GLOBAL_QUEUE_INTERVAL):
            executor.submit(next, ran)
        assert child_ran.wait(PATIENCE)
    assert counts[-1] < 50 * GLOBAL_QUEUE_INTERVAL


# -- map with a buffer -----------------------------------------------------------------------------------


def test_a_buffered_map_reads_ahead_only_so_far(executor):
    read = []

    def items():
        for number in range(10):
            read.append(number)
            yield number

    results = executor.map(pow, items(), itertools.repeat(2), buffersize=3)
    assert read == [0, 1, 2]
    seen = []
    for taken, result in enumerate(results, 1):
        seen.append(result)
        assert len(read) <= taken + 3
    assert seen == [n * n for n in range(10)]


def test_a_buffered_map_takes_items_without_an_end(executor):
    results = executor.map(str, itertools.count(), buffersize=2)
    assert list(itertools.islice(results, 5)) == ["0", "1", "2", "3", "4"]


def test_a_buffered_map_that_is_left_cancels_its_rest(single):
    gate, ran = threading.Event(), []
    results = single.map(lambda n: gate.wait(PATIENCE) and ran.append(n), range(10), buffersize=4, timeout=0)
    with pytest.raises(TimeoutError):
        next(results)
    gate.set()
    single.shutdown()
    assert ran in ([0], [])


def test_a_buffered_map_does_not_keep_its_executor():
    executor = WorkStealingExecutor(1)
    results, seen = executor.map(str, itertools.count(), buffersize=2), weakref.ref(executor)
    del executor
    gc.collect()
    assert seen() is None
    assert list(results) == ["0", "1"]


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError), (1.0, TypeError)])
def test_a_buffer_has_a_size(single, size, error):
    with pytest.raises(error, match="buffersize"):
        single.map(str, [1], buffersize=size)


# -- asyncio ---------------------------------------------------------------------------------------------


def test_an_event_loop_runs_calls_in_it(executor):
    async def main():
        loop = asyncio.get_running_loop()
        squares = await asyncio.gather(*(loop.run_in_executor(executor, pow, n, 2) for n in range(50)))
        with pytest.raises(ValueError, match="mine"):
            await asyncio.wrap_future(executor.submit(fail, ValueError("mine")))
        return squares

    assert asyncio.run(main()) == [n * n for n in range(50)]


def test_a_call_that_an_event_loop_cancels_is_cancelled(single):
    async def main():
        gate = threading.Event()
        running = single.submit(gate.wait, PATIENCE)
        queued = single.submit(int)
        asyncio.wrap_future(queued).cancel()
        await asyncio.sleep(0)  # the loop passes it on
        gate.set()
        return await asyncio.wrap_future(running), queued.cancelled()

    assert asyncio.run(main()) == (True, True)


class AsThreadPool(ThreadPoolExecutor):
    """The recipe of docs/executor.md."""

    def __init__(self, executor):
        super().__init__(1)  # starts no thread until it is given a task
        self._executor = executor

    def submit(self, fn, /, *args, **kwargs):
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):  # noqa: FBT002
        self._executor.shutdown(wait, cancel_futures=cancel_futures)


def test_an_event_loop_takes_it_as_its_default_in_disguise():
    executor = WorkStealingExecutor(1, "mine")

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="ThreadPoolExecutor"):
            loop.set_default_executor(executor)
        loop.set_default_executor(AsThreadPool(executor))
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert asyncio.run(main()) == "mine_0"
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


# -- what is kept alive -----------------------------------------------------------------------------------


def test_an_executor_that_is_gone_leaves_no_thread():
    executor = WorkStealingExecutor(3)
    futures = [executor.submit(int) for _ in range(100)]
    threads = executor._threads
    del executor
    gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert all(future.done() for future in futures)


def test_an_executor_whose_last_user_is_its_own_task_leaves_no_thread():
    executor = WorkStealingExecutor(2)
    gate, box = threading.Event(), [executor]
    future = executor.submit(lambda box=box: gate.wait(PATIENCE) and box.clear())
    threads = executor._threads
    del executor
    gate.set()
    assert future.result(PATIENCE) is None
    gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


class Thing:
    def touch(self):
        return self


def test_an_idle_worker_keeps_nothing_of_its_last_task(executor):
    thing = Thing()
    seen = weakref.ref(thing)
    executor.submit(lambda touch=thing.touch: executor.submit(touch).result() and None).result(PATIENCE)
    del thing
    for _ in range(PATIENCE):
        executor.submit(int).result(PATIENCE)  # on 3.13t its owner must run to drop it
        gc.collect()
        if seen() is None:
            return
    pytest.fail("it is still there")


# -- the package's face -----------------------------------------------------------------------------------


def test_who_does_not_use_it_does_not_pay_for_it():
    code = "import sys, taskrunner; print([m for m in sys.modules if m.endswith(('pool.executor', 'futures.thread'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'taskrunner' has no attribute 'Executor'"):
        _ = taskrunner.Executor


# -- again and again ----------------------------------------------------------------------------------------


def submit_some(executor, accepted):
    with contextlib.suppress(RuntimeError):
        for _ in range(100):
            accepted.append(executor.submit(int))


@pytest.mark.stress
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("cancel", [False, True])
def test_what_is_taken_before_the_end_is_done(workers, cancel):
    """Three clients and a task submit while the executor is shut down, at another moment each time."""
    for turn in range(300):
        executor = WorkStealingExecutor(workers)
        accepted = []
        clients = [threading.Thread(target=submit_some, args=(executor, accepted)) for _ in range(3)]
        executor.submit(submit_some, executor, accepted)
        for client in clients:
            client.start()
        while len(accepted) < turn:
            time.sleep(0)
        executor.shutdown(cancel_futures=cancel)
        for client in clients:
            client.join()
        assert wait(accepted, PATIENCE).not_done == set()
        assert cancel or not any(future.cancelled() for future in accepted)
        assert not any(thread.is_alive() for thread in executor._threads)


@pytest.mark.stress
@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_random_programs_come_to_an_end(workers):
    """Every task waits for what it has submitted, and for some that were there before, in all ways there are."""
    for seed in range(150):
        with WorkStealingExecutor(workers) as executor:
            made = []

            def task(chance, depth, before):
                mine = [submit(chance, depth - 1, before) for _ in range(chance.randrange(4 if depth else 1))]
                waited = mine + chance.sample(before, min(len(before), chance.randrange(3)))
                chance.shuffle(waited)
                way = chance.randrange(3)
                if way == 0:
                    return sum(future.result() > 0 for future in waited)
                if way == 1:
                    return len(wait(waited, PATIENCE).done)
                return sum(1 for _ in as_completed(waited, PATIENCE))

            def submit(chance, depth, before, executor=executor, made=made, task=task):
                future = executor.submit(task, random.Random(chance.random()), depth, before)  # noqa: S311
                made.append(future)
                return future

            chance, futures = random.Random(seed), []  # noqa: S311
            for _ in range(10):
                futures.append(submit(chance, 4, list(futures)))
            for future in futures:
                assert future.exception(PATIENCE) is None, seed
            assert wait(made, PATIENCE).not_done == set()


@pytest.mark.stress
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_clients_and_tasks_submit_at_the_same_time(workers):
    with WorkStealingExecutor(workers) as executor, ThreadPoolExecutor(4) as clients:
        for _ in range(10):
            trees = [
                clients.submit(lambda: [executor.submit(fib, executor, 9).result() for _ in range(20)])
                for _ in range(4)
            ]
            singles = [clients.submit(lambda: list(executor.map(abs, range(-500, 0)))) for _ in range(4)]
            assert [tree.result(PATIENCE) for tree in trees] == [[34] * 20] * 4
            assert [single.result(PATIENCE) for single in singles] == [list(range(500, 0, -1))] * 4


@pytest.mark.stress
def test_an_idle_executor_takes_no_time():
    with WorkStealingExecutor(8) as executor:
        list(executor.map(abs, range(1000)))
        before = time.process_time()
        time.sleep(1)
        assert time.process_time() - before < 0.02
