"""A task's future: what it makes and when, who may claim it, and what it keeps alive."""

import concurrent.futures
import gc
import threading
import traceback
import weakref
from concurrent.futures import CancelledError, InvalidStateError

import pytest

from taskrunner.futures.future import TaskFuture

RUNS = 3000


class Thing:
    pass


def future_of(fn, *args, parent=None, **kwargs):
    return TaskFuture(threading.RLock(), fn, args, kwargs, parent)


def fail(error):
    raise error


def lazy_parts(future):
    return {name for name in vars(future) if name.startswith("_lazy_")}


def test_it_is_a_future():
    future = future_of(pow, 2, exp=3)
    assert isinstance(future, concurrent.futures.Future)
    assert (future.done(), future.running(), future.cancelled()) == (False, False, False)
    future.run()
    assert (future.done(), future.running(), future.cancelled()) == (True, False, False)
    assert (future.result(), future.exception()) == (8, None)


def test_nobody_waits_nothing_is_made():
    future = future_of(int)
    future.run()
    assert (future.result(), future.exception(), future.done(), future.cancel()) == (0, None, True, False)
    assert lazy_parts(future) == set()


def test_a_cancelled_one_makes_nothing_either():
    future = future_of(int)
    assert future.cancel()
    assert future.cancelled()
    assert lazy_parts(future) == set()


def test_a_callback_makes_no_condition():
    future, called = future_of(int), []
    future.add_done_callback(called.append)
    future.run()
    assert called == [future]
    assert lazy_parts(future) == {"_lazy_callbacks"}


def test_who_asks_for_the_condition_gets_one_and_always_the_same():
    future = future_of(int)
    condition = future._condition
    assert future._condition is condition
    with condition:
        assert future.cancel()
        condition.notify_all()


@pytest.mark.parametrize("touch", [lambda _: None, lambda future: future._condition], ids=["alone", "watched"])
def test_a_claimed_task_is_claimed_once(touch):
    calls = []
    future = future_of(calls.append, 1)
    touch(future)
    assert future.is_pending()
    assert future.claim()
    assert not future.is_pending()
    assert not future.claim()
    future.run()
    assert calls == []
    assert future.running()
    assert not future.cancel()


@pytest.mark.parametrize("touch", [lambda _: None, lambda future: future._condition], ids=["alone", "watched"])
def test_a_cancelled_task_does_not_run_and_who_waits_is_told(touch):
    calls, called = [], []
    future = future_of(calls.append, 1)
    touch(future)
    future.add_done_callback(called.append)
    assert future.cancel()
    assert future.cancel()
    assert called == [future]
    assert concurrent.futures.wait([future], timeout=0).not_done == {future}
    future.run()
    assert concurrent.futures.wait([future], timeout=0).done == {future}
    assert calls == []
    with pytest.raises(CancelledError):
        future.result()
    with pytest.raises(CancelledError):
        future.exception()


def test_an_exception_comes_with_its_traceback():
    future = future_of(fail, ValueError("mine"))
    future.run()
    with pytest.raises(ValueError, match="mine") as caught:
        future.result()
    assert caught.value is future.exception()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "fail"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_an_exception_of_any_kind_is_the_result(error):
    future = future_of(fail, error)
    future.run()
    assert future.exception() is error


def test_results_cannot_be_set_twice():
    future = future_of(int)
    future.run()
    with pytest.raises(InvalidStateError, match=r"FINISHED: <TaskFuture at .* state=finished returned int>"):
        future.set_result(1)
    with pytest.raises(InvalidStateError):
        future.set_exception(ValueError())
    assert (future.result(), future.exception()) == (0, None)


def test_a_result_that_somebody_else_has_set_stays():
    future = future_of(lambda: future.set_result("other") or "own")
    with pytest.raises(InvalidStateError):
        future.run()
    assert future.result() == "other"


def test_what_was_given_to_a_call_is_dropped_when_it_has_ended():
    given = Thing()
    seen = weakref.ref(given)
    finished, failed, cancelled = future_of(id, given), future_of(int, given), future_of(dict, given=given)
    cancelled.cancel()
    for future in (finished, failed, cancelled):
        future.run()
    del given
    gc.collect()
    assert seen() is None


def test_an_error_and_its_future_are_no_cycle():
    """What a failed call has held is free when the last one who knows its error is gone, without the collector."""
    gc.disable()
    try:
        held = Thing()
        seen = weakref.ref(held)

        def call(held):
            raise ValueError(held)

        future = future_of(call, held)
        future.run()
        with pytest.raises(ValueError, match="Thing"):
            future.result()
        del future, held
        assert seen() is None
    finally:
        gc.enable()


def test_callbacks_are_called_in_their_order_and_at_once_when_it_is_done():
    future, called = future_of(int), []
    for number in range(3):
        future.add_done_callback(lambda _, number=number: called.append(number))
    future.run()
    future.add_done_callback(lambda _: called.append(3))
    assert called == [0, 1, 2, 3]


def test_an_error_in_a_callback_is_logged_and_the_others_are_called(caplog):
    future, called = future_of(int), []
    future.add_done_callback(lambda _: fail(ValueError("callback")))
    future.add_done_callback(called.append)
    future.run()
    assert called == [future]
    assert "exception calling callback" in caplog.text


def test_a_waker_is_called_first_and_once():
    future, called = future_of(int), []

    def wake(_):
        called.append("wake")

    future.add_done_callback(lambda _: called.append("callback"))
    future.wake_when_done(wake)
    future.wake_when_done(wake)
    future.run()
    assert called == ["wake", "callback"]
    future.wake_when_done(wake)
    assert called == ["wake", "callback", "wake"]


def test_a_task_descends_from_who_submitted_it():
    grandparent, stranger = future_of(int), future_of(int)
    parent = future_of(int, parent=weakref.ref(grandparent))
    child = future_of(int, parent=weakref.ref(parent))
    assert child.descends_from(parent)
    assert child.descends_from(grandparent)
    assert not child.descends_from(child)
    assert not child.descends_from(stranger)
    assert not grandparent.descends_from(child)


def test_a_child_does_not_keep_its_parent_alive():
    parent = future_of(int)
    child, seen = future_of(int, parent=weakref.ref(parent)), weakref.ref(parent)
    del parent
    gc.collect()
    assert seen() is None
    assert not child.descends_from(child)


def in_threads(*calls):
    """Call each in a thread of its own, all at once; return what they return."""
    results, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(number, call):
        start.wait()
        results[number] = call()

    threads = [threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.stress
@pytest.mark.parametrize("touch", [lambda _: None, lambda future: future._condition], ids=["alone", "watched"])
def test_a_call_is_made_or_cancelled(touch):
    outcomes = set()
    for turn in range(RUNS):
        calls, called = [], []
        future = future_of(calls.append, 1)
        future.add_done_callback(called.append)
        touch(future)
        actions = (future.run, future.cancel, future.run)
        cancelled = True in in_threads(*actions[turn % 3 :], *actions[: turn % 3])
        assert len(calls) + cancelled == 1
        assert called == [future]
        assert future.cancelled() is cancelled
        outcomes.add(cancelled)
    assert outcomes == {True, False}


@pytest.mark.stress
def test_no_callback_and_no_waiter_is_missed():
    for _ in range(RUNS):
        future, called = future_of(int), []
        wait = lambda future=future: concurrent.futures.wait([future], timeout=30)  # noqa: E731
        add = lambda future=future, called=called: future.add_done_callback(called.append)  # noqa: E731
        wake = lambda future=future, called=called: future.wake_when_done(called.append)  # noqa: E731
        results = in_threads(future.run, future.result, wait, add, wake, future.exception)
        assert results[1] == 0
        assert results[2].done == {future}
        assert called == [future, future]


@pytest.mark.stress
def test_waits_for_many_at_once_do_not_block_each_other():
    """Many futures share a lock, and two threads wait for them in groups that cross."""
    for _ in range(RUNS // 10):
        locks = [threading.RLock(), threading.RLock()]
        futures = [TaskFuture(locks[number % 2], int, (), {}) for number in range(20)]
        halves = [
            lambda half=half: concurrent.futures.wait(half, 30) for half in (futures[::3], futures[::-2], futures)
        ]
        runs = [lambda half=half: [future.run() for future in half] for half in (futures[:10], futures[10:])]
        assert all(not result.not_done for result in in_threads(*halves, *runs)[:3])
