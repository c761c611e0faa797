import threading

import pytest

from taskrunner.execution.state import RunState
from taskrunner.plan.outcome import FailedCall, describe


def failure(node):
    return describe(FailedCall(node, (node,)), ValueError(node))


def test_the_first_failure_raises_every_flag():
    state = RunState()
    flags = [state.new_stop_flag(), state.new_stop_flag()]
    state.record_failure(failure("a"))
    assert flags == [[1], [1]]
    assert (state.because, [f.node for f in state.failures]) == ("a", ["a"])
    assert state.new_stop_flag() == [1]


def test_keep_going_stops_after_so_many():
    state = RunState(2)
    flag = state.new_stop_flag()
    state.record_failure(failure("a"))
    assert flag == [0]
    state.record_failure(failure("b"))
    assert (flag, state.because) == ([1], "b")


def test_zero_never_stops():
    state = RunState(0)
    flag = state.new_stop_flag()
    for number in range(10):
        state.record_failure(failure(str(number)))
    assert (flag, len(state.failures)) == ([0], 10)


def test_an_interrupt_raises_the_flags_and_tells():
    state, told = RunState(), []
    flag = state.new_stop_flag()
    state.on_interrupt(lambda: told.append(state.signal))
    state.interrupt(15)
    assert (flag, told, state.because) == ([1], [15], "")


def test_a_crash_keeps_the_first_error():
    state, first = RunState(), RuntimeError("first")
    state.record_crash(first)
    state.record_crash(RuntimeError("second"))
    assert state.crash is first
    assert state.new_stop_flag() == [1]


@pytest.mark.parametrize(
    "stop",
    [
        lambda state: state.record_failure(failure("a")),
        lambda state: state.interrupt(2),
        lambda state: state.time_out(1.0),
        lambda state: state.record_crash(ValueError()),
    ],
)
def test_who_is_told_of_a_stop_may_wait_for_others_that_need_the_control(stop):
    state, met = RunState(), []

    def meet():
        other = threading.Thread(target=state.new_stop_flag)
        other.start()
        other.join(10)
        met.append(not other.is_alive())

    state.on_stop(meet)
    stop(state)
    assert met == [True]
