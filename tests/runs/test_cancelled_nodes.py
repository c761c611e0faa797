"""Cancelled nodes (case 1): a node that has seen its cancellation returns no result, whatever it returns."""

import asyncio
import contextlib
import os
import signal
import threading
import time

import pytest

import taskrunner
from taskrunner.storage.journal import read

BOUND = 30.0
# Whether the nodes of this module may finish; set before a resume.
RELEASED = threading.Event()
STARTED = threading.Event()
STOPPED = threading.Event()


@pytest.fixture(autouse=True)
def _blocked():
    RELEASED.clear()
    STARTED.clear()
    STOPPED.clear()


def look():
    """Return whether the node may finish; block until it is cancelled otherwise."""
    STARTED.set()
    if RELEASED.is_set():
        return "whole"
    taskrunner.current().sleep(BOUND)
    return None


def sleep_until_cancelled(*_):
    return look() or "half"


def read_cancelled(*_):
    STARTED.set()
    node = taskrunner.current()
    while not RELEASED.is_set():
        if node.cancelled:
            return "half"
        time.sleep(0.001)
    return "whole"


def look_on_another_thread(*_):
    node, found = taskrunner.current(), []
    STARTED.set()
    if RELEASED.is_set():
        return "whole"
    thread = threading.Thread(target=lambda: found.append(node.sleep(BOUND)))
    thread.start()
    thread.join()
    return "half"


def print_cancelled(*_):
    """Only a ``repr`` looks: this is no decision of the node."""
    STARTED.set()
    node = taskrunner.current()
    while "cancelled" not in repr(node) and not RELEASED.is_set():
        time.sleep(0.001)
    return "whole"


def never_look(*_):
    STARTED.set()
    deadline = time.monotonic() + BOUND
    while not STOPPED.is_set() and time.monotonic() < deadline:
        time.sleep(0.001)
    return "whole"


async def swallow_cancellation(*_):
    STARTED.set()
    if RELEASED.is_set():
        return "whole"
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(BOUND)
    return "half"


async def finish_after_cancellation(*_):
    STARTED.set()
    if RELEASED.is_set():
        return "whole"
    work = asyncio.ensure_future(asyncio.sleep(0.01, "late"))
    try:
        await asyncio.sleep(BOUND)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
    return await work


async def look_in_a_thread(*_):
    return await asyncio.to_thread(sleep_until_cancelled)


async def hide_in_an_inner_task(*_):
    return await asyncio.ensure_future(swallow_cancellation())


LOOKS = [
    sleep_until_cancelled,
    read_cancelled,
    look_on_another_thread,
    swallow_cancellation,
    finish_after_cancellation,
    look_in_a_thread,
    hide_in_an_inner_task,
]


def plain(function, **options):
    graph = taskrunner.Graph("cancelled")
    graph.call(list, [graph.call(function, id="a", **options)], id="b")
    return graph


def after_a_call(function):
    graph = taskrunner.Graph("cancelled")
    before = graph.call(len, "x", id="before")
    graph.call(list, [graph.call(function, before, id="a")], id="b")
    return graph


def mapped(function):
    graph = taskrunner.Graph("cancelled")
    graph.call(list, [graph.map(function, [1, 2], id="a")], id="b")
    return graph


FORMS = {
    "plain": plain,
    "timeout": lambda function: plain(function, timeout=BOUND),
    "retries": lambda function: plain(function, retries=3),
    "allow_failure": lambda function: plain(function, allow_failure=True),
    "cache": lambda function: plain(function, cache=True),
    "pool": lambda function: plain(function, priority=3),
    "after a call": after_a_call,
    "mapped": mapped,
}


def stop_by_timeout(graph, **options):
    return taskrunner.run(graph, timeout=0.1, workers=2, **options)


def stop_by_signal(graph, **options):
    def send():
        assert STARTED.wait(BOUND)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    result = taskrunner.run(graph, workers=2, on_interrupt=STOPPED.set, **options)
    sender.join()
    return result


@pytest.mark.parametrize("stop", [stop_by_timeout, stop_by_signal])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("function", LOOKS)
def test_a_node_that_has_seen_its_cancellation_is_not_done(tmp_path, function, form, stop):  # case 1
    options = {"run_dir": tmp_path / "runs", "cache_dir": tmp_path / "cache"}
    stopped = stop(FORMS[form](function), **options)
    assert (stopped.summary.ok, stopped.outputs) == (False, {})
    assert stopped.skipped["a"].reason == stopped.skipped["b"].reason == "stopped"
    assert not {"a", "a[0]", "a[1]", "b"} & set(read(next((tmp_path / "runs").iterdir()) / "journal"))
    RELEASED.set()
    resumed = taskrunner.run(FORMS[form](function), resume="last", **options)
    assert resumed.outputs == taskrunner.run(FORMS[form](function)).outputs


@pytest.mark.parametrize("function", [never_look, print_cancelled])
@pytest.mark.parametrize("form", ["plain", "timeout", "pool", "after a call"])
def test_a_node_that_never_looked_is_done(tmp_path, function, form):  # case 1
    stopped = stop_by_signal(FORMS[form](function), run_dir=tmp_path)
    assert set(stopped.skipped) == {"b"}
    assert "a" in read(next(tmp_path.iterdir()) / "journal")


def test_a_command_that_exits_with_0_after_the_stop_is_not_done(tmp_path):  # case 1
    def graph():
        graph = taskrunner.Graph("cancelled")
        script = 'trap "echo half; exit 0" TERM; test -e go && echo whole && exit; touch started; sleep 30 & wait'
        graph.call(list, [graph.run(script, id="a", cwd=str(tmp_path))], id="b")
        return graph

    options = {"run_dir": tmp_path / "runs", "cache_dir": tmp_path / "cache"}
    stopped = taskrunner.run(graph(), timeout=0.5, **options)
    assert (tmp_path / "started").exists()
    assert stopped.skipped["a"].reason == "stopped"
    (tmp_path / "go").touch()
    assert taskrunner.run(graph(), resume="last", **options)["b"] == ["whole\n"]


@pytest.mark.parametrize("function", [sleep_until_cancelled, swallow_cancellation, look_in_a_thread])
def test_a_node_that_has_seen_its_own_timeout_has_failed(function):  # case 1
    result = taskrunner.run(plain(function, timeout=0.05))
    assert [type(failure.error).__name__ for failure in result.failures] == ["NodeTimeoutError"]
    assert (result.outputs, result.skipped["b"].reason) == ({}, "needs")


def test_an_always_node_is_not_cancelled_by_the_stop():  # case 1
    graph = taskrunner.Graph("cancelled")
    first = graph.call(sleep_until_cancelled, id="a")
    graph.call(lambda: taskrunner.current().cancelled, id="clean", needs=[first], always=True)
    result = stop_by_timeout(graph)
    assert (result.outputs, result.skipped["a"].reason) == ({"clean": False}, "stopped")
