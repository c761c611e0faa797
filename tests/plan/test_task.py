"""Counting down: exactly one of those that finish learns that it was the last."""

import threading

import pytest

from taskrunner.plan.task import countdown

THREADS = 4
ROUNDS = 500


@pytest.mark.parametrize("count", [0, 1])
def test_at_most_one_needs_no_counter(count):
    assert countdown(count) is None


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_last_number_is_zero(count):
    waits = countdown(count)
    assert [next(waits) for _ in range(count)] == list(range(1 - count, 1))


def take_together(counters, count=THREADS):
    """Have each of so many threads take a number of every counter, all at the same time; return those of each."""
    together = threading.Barrier(count)
    taken = [[] for _ in range(count)]

    def act(number):
        together.wait()
        taken[number] = [next(waits) for waits in counters]

    threads = [threading.Thread(target=act, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(zip(*taken, strict=True))


@pytest.mark.parametrize("count", [2, THREADS, 8])
def test_one_thread_alone_is_the_last(count):
    for numbers in take_together([countdown(count) for _ in range(ROUNDS)], count):
        assert sorted(numbers) == list(range(1 - count, 1))


def test_who_is_last_sees_what_the_others_stored_before_they_took_a_number():
    places = [[None] * THREADS for _ in range(ROUNDS)]
    counters = [countdown(THREADS) for _ in range(ROUNDS)]
    together = threading.Barrier(THREADS)
    seen = []

    def act(number):
        together.wait()
        for stored, waits in zip(places, counters, strict=True):
            stored[number] = number
            if not next(waits):
                seen.append(list(stored))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [list(range(THREADS))] * ROUNDS
