"""Counting down: exactly one of those that finish learns that it was the last."""

import threading
from types import SimpleNamespace

import pytest

from taskrunner.run.plan import consume, countdown
from taskrunner.tasks.binding import MISSING

THREADS = 4
ROUNDS = 500


@pytest.mark.parametrize("count", [0, 1])
def test_at_most_one_needs_no_counter(count):
    assert countdown(count) is None


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_last_call_returns_zero(count):
    arrive = countdown(count)
    assert [arrive() for _ in range(count)] == list(range(1 - count, 1))


def call_together(functions):
    """Have each of THREADS threads call every function, one after the other, all at the same time."""
    together = threading.Barrier(THREADS)
    returned = [[] for _ in range(THREADS)]

    def act(number):
        together.wait()
        returned[number] = [function() for function in functions]

    threads = [threading.Thread(target=act, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(zip(*returned, strict=True))


def test_one_thread_alone_is_the_last():
    for numbers in call_together([countdown(THREADS) for _ in range(ROUNDS)]):
        assert sorted(numbers) == list(range(1 - THREADS, 1))


def task(uses, *, kept=False):
    return SimpleNamespace(uses=uses, kept=kept, value="result")


def test_the_last_taker_drops_the_result():
    made = task(countdown(3))
    seen = []
    for _ in range(3):
        seen.append(made.value)
        consume(made)
    assert seen == ["result"] * 3
    assert made.value is MISSING


def test_the_only_taker_drops_the_result():
    made = task(countdown(1))
    consume(made)
    assert made.value is MISSING


@pytest.mark.parametrize("count", [1, 2])
def test_a_kept_result_stays(count):
    made = task(countdown(count), kept=True)
    for _ in range(count):
        consume(made)
    assert made.value == "result"


def test_no_thread_finds_the_result_gone_before_it_took_it():
    made = [task(countdown(THREADS)) for _ in range(ROUNDS)]

    def take(one):
        def act():
            value = one.value
            consume(one)
            return value

        return act

    for values in call_together([take(one) for one in made]):
        assert values == ("result",) * THREADS
    assert all(one.value is MISSING for one in made)
