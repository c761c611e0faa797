"""CPython's own tests of ThreadPoolExecutor and of Future, run against ours.

They are in the interpreters that ``scripts/bootstrap`` builds. Where they are not, set TASKRUNNER_CPYTHON_LIB
to the folder ``Lib`` of the same version's source: only ``test`` is taken from there.
"""

import concurrent.futures
import importlib
import inspect
import logging
import os
import sys
import threading
import unittest
from pathlib import Path

import pytest

from taskrunner import WorkStealingExecutor
from taskrunner.futures.future import TaskFuture

ROOT = Path(__file__).parents[2]
LIB = os.environ.get("TASKRUNNER_CPYTHON_LIB", "")
if LIB:
    sys.path.append(LIB)  # at the end: the rest of the library stays the interpreter's own

pytest.importorskip(
    "test.test_concurrent_futures",
    reason=f"no CPython tests of executors in {sys.base_prefix}: remove that folder, if scripts/bootstrap has built"
    " it, and run scripts/bootstrap again; or set TASKRUNNER_CPYTHON_LIB to the folder Lib of the same source",
)

# One case forks fifty times beside a thread that is never idle: seconds here, minutes on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Each case that cannot apply, and why.
SKIPPED = {
    "test_default_workers": "the default is one worker for each core: tasks are expected to compute",
    "test_idle_thread_reuse": "all workers start with the first task; ThreadPoolExecutor adds one at a time",
    "test_threads_terminate": "the same: it expects three threads after three tasks, of five",
    "test_thread_names_default": "it wants ThreadPoolExecutor's own name in the threads' names",
}

PRELUDE = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
sys.path += {[LIB] if LIB else []!r}
import concurrent.futures, taskrunner
concurrent.futures.ThreadPoolExecutor = taskrunner.WorkStealingExecutor
concurrent.futures.WorkStealingExecutor = taskrunner.WorkStealingExecutor
"""


def suite(module):
    return importlib.import_module(f"test.test_concurrent_futures.{module}")


class Future(TaskFuture):
    """Made without arguments, as the tests make them, and with the name that they expect."""

    def __init__(self):
        super().__init__(threading.RLock(), int, (), {})


@pytest.fixture(autouse=True)
def _ours(request, monkeypatch):
    """Put ours in the place of CPython's: in this process, in child processes, and for futures made by hand."""
    if reason := SKIPPED.get(request.node.originalname):
        pytest.skip(reason)
    # Some read from stderr what is logged: it comes there if nothing else takes it, and here pytest does.
    monkeypatch.setattr(logging.getLogger("concurrent.futures"), "handlers", [logging.lastResort])
    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", WorkStealingExecutor)
    shutdown = suite("test_shutdown")
    run = shutdown.assert_python_ok
    monkeypatch.setattr(shutdown, "assert_python_ok", lambda option, code: run("-W", "error", option, PRELUDE + code))
    made_by_hand = suite("util")
    monkeypatch.setattr(made_by_hand, "Future", Future)
    for module in (suite("test_future"), suite("test_as_completed"), suite("test_wait")):
        monkeypatch.setattr(module, "Future", Future, raising=False)
        for name in [name for name in vars(module) if name.endswith("_FUTURE")]:
            old = getattr(module, name)
            made = made_by_hand.create_future(old._state, old._exception, old._result)
            monkeypatch.setattr(module, name, made)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = set(threading.enumerate())  # libraries that other tests have used keep threads of their own
    yield
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


class Ours:
    executor_type = WorkStealingExecutor


class TestExecutor(Ours, suite("test_thread_pool").ThreadPoolExecutorTest):
    pass


class TestShutdown(Ours, suite("test_shutdown").ThreadPoolShutdownTest):
    pass


class TestWait(Ours, suite("test_wait").ThreadPoolWaitTests):
    pass


class TestAsCompleted(Ours, suite("test_as_completed").ThreadPoolAsCompletedTest):
    pass


class TestInitializer(Ours, suite("test_init").ThreadPoolInitializerTest):
    pass


class TestFailingInitializer(Ours, suite("test_init").ThreadPoolFailingInitializerTest):
    pass


class TestFuture(suite("test_future").FutureTests):
    pass


def test_every_skipped_case_exists():
    cases = {name for value in globals().values() if isinstance(value, type) for name in dir(value)}
    assert set(SKIPPED) <= cases


def test_every_case_that_is_not_of_processes_is_run():
    folder = Path(suite("util").__file__).parent
    modules = [suite(path.stem) for path in folder.glob("test_*.py")]
    theirs = {value for module in modules for value in vars(module).values() if is_case(value)}
    ours = {base for value in globals().values() if isinstance(value, type) for base in value.__bases__}
    left_out = {case.__name__ for case in theirs - ours if not case.__name__.startswith("ProcessPool")}
    # It starts process pools; the other one is what each case is made from.
    assert left_out == {"FailingInitializerResourcesTest", "BaseTestCase"}


def is_case(value):
    return inspect.isclass(value) and issubclass(value, unittest.TestCase)
