"""The interpreter's exit and a fork, each in a process of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

PATIENCE = 60
PRELUDE = """
import os, sys, threading, time, warnings
from taskrunner import WorkStealingExecutor
from taskrunner.futures.lifetime import LIFETIME
PATIENCE = 30
def wait_for_exit():
    while not LIFETIME._is_over:
        time.sleep(0.001)
"""


@pytest.fixture
def run():
    """Run code in a process of its own; return what it prints. It must end by itself and say nothing else."""

    def act(code):
        command = [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(code)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return act


def test_the_interpreter_runs_what_is_queued_and_then_exits(run):
    code = """
        executor = WorkStealingExecutor(2)
        for name in (b"a ", b"b ", b"c ", b"d ", b"e "):
            executor.submit(lambda name=name: (wait_for_exit(), os.write(1, name)))
        """
    assert sorted(run(code)) == list("abcde")


def test_an_executor_that_was_never_used_does_not_keep_it(run):
    assert run("executor = WorkStealingExecutor(2); print('over')") == ["over"]


def test_an_idle_executor_does_not_keep_it(run):
    assert run("executor = WorkStealingExecutor(2); print(executor.submit(int).result())") == ["0"]


def test_one_that_was_shut_down_without_waiting_ends_its_tasks(run):
    code = """
        executor = WorkStealingExecutor(2)
        executor.submit(lambda: (wait_for_exit(), print("task", flush=True)))
        executor.shutdown(wait=False)
        """
    assert run(code) == ["task"]


def test_tasks_that_wait_for_tasks_come_to_their_end(run):
    code = """
        executor = WorkStealingExecutor(2)
        def outer():
            inner = [executor.submit(pow, n, 2) for n in range(5)]
            submitted.release()
            wait_for_exit()
            print(*(future.result() for future in inner), flush=True)
        submitted = threading.Semaphore(0)
        executor.submit(outer)
        submitted.acquire()
        """
    assert run(code) == ["0", "1", "4", "9", "16"]


def test_nothing_is_taken_at_the_exit(run):
    code = """
        import atexit
        executor, unused = WorkStealingExecutor(1), WorkStealingExecutor(1)
        def submit(executor):
            try:
                executor.submit(int)
            except RuntimeError as error:
                print(str(error).replace(" ", "-"))
        executor.submit(lambda: (wait_for_exit(), submit(executor)))
        atexit.register(submit, executor)
        atexit.register(submit, unused)
        """
    assert run(code) == ["cannot-schedule-new-futures-after-interpreter-shutdown"] * 3


FORK = """
warnings.simplefilter("ignore", DeprecationWarning)  # of forking while there are threads: that is the test
def in_child(act):
    child = os.fork()
    if not child:
        try:
            act()
        finally:
            sys.stdout.flush()
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")


@needs_fork
def test_a_forked_child_starts_over(run):
    code = """
        executor = WorkStealingExecutor(2)
        gate = threading.Event()
        queued = [executor.submit(gate.wait, PATIENCE) for _ in range(5)]
        def act():
            print("child", executor.submit(pow, 2, 3).result(PATIENCE))
            executor.shutdown()
        in_child(act)
        gate.set()
        print("parent", *[future.result(PATIENCE) for future in queued])
        """
    assert run(FORK + textwrap.dedent(code)) == ["child", "8", "parent", *["True"] * 5]


@needs_fork
def test_a_child_that_a_task_has_forked_starts_over(run):
    code = """
        executor = WorkStealingExecutor(1)
        def fork():
            kept = executor.submit(print, "once", flush=True)
            in_child(lambda: print("child", executor.submit(pow, 2, 3).result(PATIENCE)))
            return kept
        executor.submit(fork).result(PATIENCE).result(PATIENCE)
        """
    assert run(FORK + textwrap.dedent(code)) == ["child", "8", "once"]


@pytest.mark.slow
@needs_fork
def test_a_child_exits_although_its_parent_is_busy(run):
    """And no lock that a thread of the parent held is held in the child."""
    code = """
        executor = WorkStealingExecutor(2)
        stop = threading.Event()
        def spin():
            while not stop.is_set():
                executor.submit(int).result()
        spinning = [executor.submit(spin) for _ in range(2)]
        for _ in range(20):
            child = os.fork()
            if not child:
                assert executor.submit(int, 7).result(PATIENCE) == 7
                sys.exit()
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        executor.shutdown()
        print("over")
        """
    assert run(FORK + textwrap.dedent(code)) == ["over"]
