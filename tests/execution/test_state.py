import threading

import pytest

from taskrunner.execution.state import Control
from taskrunner.plan.outcome import FailedCall, describe


def failure(node):
    return describe(FailedCall(node, (node,)), ValueError(node))


def test_the_first_failure_raises_every_flag():
    control = Control()
    flags = [control.open_flag(), control.open_flag()]
    control.failed(failure("a"))
    assert flags == [[1], [1]]
    assert (control.because, [f.node for f in control.failures]) == ("a", ["a"])
    assert control.open_flag() == [1]


def test_keep_going_stops_after_so_many():
    control = Control(2)
    flag = control.open_flag()
    control.failed(failure("a"))
    assert flag == [0]
    control.failed(failure("b"))
    assert (flag, control.because) == ([1], "b")


def test_zero_never_stops():
    control = Control(0)
    flag = control.open_flag()
    for number in range(10):
        control.failed(failure(str(number)))
    assert (flag, len(control.failures)) == ([0], 10)


def test_an_interrupt_raises_the_flags_and_tells():
    control, told = Control(), []
    flag = control.open_flag()
    control.on_interrupt(lambda: told.append(control.signal))
    control.interrupt(15)
    assert (flag, told, control.because) == ([1], [15], "")


def test_a_crash_keeps_the_first_error():
    control, first = Control(), RuntimeError("first")
    control.crashed(first)
    control.crashed(RuntimeError("second"))
    assert control.crash is first
    assert control.open_flag() == [1]


@pytest.mark.parametrize(
    "stop",
    [
        lambda control: control.failed(failure("a")),
        lambda control: control.interrupt(2),
        lambda control: control.expire(1.0),
        lambda control: control.crashed(ValueError()),
    ],
)
def test_who_is_told_of_a_stop_may_wait_for_others_that_need_the_control(stop):
    control, met = Control(), []

    def meet():
        other = threading.Thread(target=control.open_flag)
        other.start()
        other.join(10)
        met.append(not other.is_alive())

    control.on_halt(meet)
    stop(control)
    assert met == [True]
