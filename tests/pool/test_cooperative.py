"""The stepping platform itself: it repeats itself, and it finds what it is there to find."""

from functools import partial

import pytest


def run_two(platform, first, second):
    platform.spawn(first, "first")
    platform.spawn(second, "second")
    platform.run()


def traces(cooperative, step_through, work, seeds):
    for seed in seeds:
        platform = cooperative(seed)
        step_through(platform, 3, work(lambda item: [i for i in (2 * item + 1, 2 * item + 2) if i < 15]), [0])
        yield platform.trace


def test_the_same_seed_gives_the_same_steps(cooperative, step_through, work):
    once, again = traces(cooperative, step_through, work, (7, 7))
    assert once == again
    assert len(once) > 100


def test_other_seeds_give_other_steps(cooperative, step_through, work):
    assert len(set(map(tuple, traces(cooperative, step_through, work, range(20))))) == 20


def test_locks_taken_in_opposite_order_are_a_deadlock(cooperative):
    def take(first, second):
        with first, second:
            pass

    def meet():
        for seed in range(50):
            platform = cooperative(seed)
            one, other = platform.lock(), platform.lock()
            run_two(platform, partial(take, one, other), partial(take, other, one))

    with pytest.raises(AssertionError, match="deadlock: first waits for lock-1, second waits for lock-0"):
        meet()


def test_a_wait_that_only_its_time_out_would_end_is_a_lost_wakeup(cooperative):
    platform = cooperative(0)
    gate = platform.lock()
    gate.acquire()
    with pytest.raises(AssertionError, match="lost wake-up: first waits for lock-0; the last steps:\nsecond: look"):
        run_two(platform, lambda: gate.acquire(timeout=5.0), lambda: platform.step("look"))


def test_a_lock_keeps_others_out(cooperative):
    for seed in range(50):
        platform = cooperative(seed)
        lock, inside, seen = platform.lock(), [], []

        def enter(platform=platform, lock=lock, inside=inside, seen=seen):
            with lock:
                inside.append(1)
                platform.step("inside")
                seen.append(len(inside))
                inside.pop()

        run_two(platform, enter, enter)
        assert seen == [1, 1]


def test_a_lock_taken_is_refused_without_blocking(cooperative):
    lock = cooperative(0).lock()
    assert lock.acquire()
    assert not lock.acquire(blocking=False)


def test_a_lock_that_is_free_cannot_be_released(cooperative):
    with pytest.raises(RuntimeError, match="unlocked"):
        cooperative(0).lock().release()


def test_each_operation_of_the_hot_loop_is_a_step(cooperative):
    platform = cooperative(0)
    items, flags = platform.deque(), platform.flags(2)
    append, pop, popleft, size = items.append, items.pop, items.popleft, items.__len__

    def act():
        append(1)
        items.extend([2, 3])
        pop()
        popleft()
        size()
        bool(items)
        any(map(len, [items]))
        flags[0] = 1
        assert flags[0] == 1

    platform.spawn(act, "t")
    platform.run()
    assert platform.trace == [
        "t: deque-0.append(1)",
        "t: deque-0.extend",
        "t: deque-0.pop",
        "t: deque-0.popleft",
        "t: len(deque-0)",
        "t: len(deque-0)",
        "t: len(deque-0)",
        "t: flags-0[0] = 1",
        "t: read flags-0[0]",
    ]


def test_an_error_in_a_thread_is_raised(cooperative):
    platform = cooperative(0)
    gate = platform.lock()
    gate.acquire()

    def fail():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run_two(platform, fail, gate.acquire)


def test_a_loop_without_an_end_is_found(cooperative):
    platform = cooperative(0)

    def spin():
        while True:
            platform.step("spin")

    platform.spawn(spin, "t")
    with pytest.raises(AssertionError, match="no end after"):
        platform.run()
