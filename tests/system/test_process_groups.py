"""What is left of commands when the program leaves at once."""

import signal
import subprocess
import threading

import pytest

from taskrunner.system import process_groups as processes

BOUND = 30.0


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "50"], start_new_session=True) as process:  # noqa: S607
        yield process
        process.kill()


def test_every_group_is_killed(sleeper, monkeypatch):
    monkeypatch.setattr(processes, "groups", {sleeper.pid, 2**22 + 1})  # the other one has gone by itself
    processes.kill_all()
    assert sleeper.wait(BOUND) == -signal.SIGKILL


def test_a_process_that_is_being_started_is_waited_for(sleeper, monkeypatch):
    """The time runs out only where nobody adds a group: here it is added while ``kill_all`` looks."""
    monkeypatch.setattr(processes, "_START_TIMEOUT_S", BOUND)
    monkeypatch.setattr(processes, "groups", set())
    inside, looked = threading.Event(), threading.Event()

    def start():
        with processes.starting():
            inside.set()
            assert looked.wait(BOUND)
            processes.groups.add(sleeper.pid)

    thread = threading.Thread(target=start)
    thread.start()
    assert inside.wait(BOUND)
    monkeypatch.setattr(processes.time, "sleep", lambda _: looked.set() or thread.join(BOUND))
    processes.kill_all()
    assert sleeper.wait(BOUND) == -signal.SIGKILL


def test_a_start_that_does_not_end_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(processes, "_START_TIMEOUT_S", 0.01)
    with processes.starting():
        processes.kill_all()
    assert not processes._starts
