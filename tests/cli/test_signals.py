"""Signals at any moment: each run ends soon, with the right code, and leaves no process behind."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

ROUNDS = 100
# What a process ends with that a signal met before the run had begun or after it was over.
CODES = {signal.SIGINT: (0, 130, -signal.SIGINT), signal.SIGTERM: (0, 143, -signal.SIGTERM)}
GRACE = 15.0  # seconds: several times what the slowest node takes to end on a busy machine


def processes_with(mark):
    """Return the processes that a mark in their environment shows to be ours."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(path.parent.name)
        except OSError:
            pass
    return found


# Messages of an interpreter that was interrupted before it ran any code of this package.
INTERPRETER_START = ("Fatal Python error: init_", "Could not import runpy module")


@pytest.fixture
def busy_graph(cli):
    """Write a graph with every kind of node that ends by itself within half a second."""
    cli.write(
        "busy.py",
        """
        import asyncio, time, taskrunner
        def nap(n): time.sleep(0.02); return n
        def listen(): return taskrunner.current().sleep(0.3)
        async def wait(): await asyncio.sleep(0.3)
        def flaky(): raise ValueError("no")
        """,
    )
    nodes = [{"id": f"nap{i}", "call": "busy:nap", "args": [i]} for i in range(10)]
    nodes += [{"id": f"wait{i}", "call": "busy:wait"} for i in range(3)]
    nodes += [{"id": f"run{i}", "run": ["sleep", "0.3"]} for i in range(3)]
    nodes += [
        {"id": "listen", "call": "busy:listen", "timeout": 5},
        {"id": "flaky", "call": "busy:flaky", "retries": {"max": 2, "backoff": 0.1}, "allow_failure": True},
        {"id": "clean", "call": "busy:nap", "args": [1], "always": True, "needs": ["nap0", "run0", "wait0"]},
        {"id": "each", "map": [1, 2, 3], "call": "busy:nap", "args": [{"$item": True}]},
    ]
    return cli.graph(*nodes)


def one_round(cli, graph, number, moment, mark):
    process = cli.start("exec", graph, "-w", "2", env={"MARK": mark})
    time.sleep(moment)
    process.send_signal(number)
    started = time.monotonic()
    ended = cli.end(process)
    assert time.monotonic() - started < GRACE, (number, moment)
    if any(message in ended.err for message in INTERPRETER_START):
        return ended.code
    assert ended.code in CODES[number], (number, moment, ended)
    assert "InternalError" not in ended.err, ended.err
    assert processes_with(mark) == []
    return ended.code


@pytest.mark.stress
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment(cli, busy_graph, number):
    chance = random.Random(number)  # noqa: S311
    whole = time.monotonic()
    assert cli("exec", busy_graph, "-w", "2").code == 0
    whole = time.monotonic() - whole
    codes = [
        one_round(cli, busy_graph, number, chance.uniform(0, whole * 1.05), f"mark-{number}-{i}-{os.getpid()}")
        for i in range(ROUNDS // 2)
    ]
    assert 128 + number in codes


def test_a_signal_in_the_middle(cli, busy_graph):
    assert one_round(cli, busy_graph, signal.SIGINT, 0.6, f"mark-{os.getpid()}") in CODES[signal.SIGINT]


@pytest.mark.parametrize("fields", [{}, {"timeout": 60}])
def test_a_signal_wakes_a_function_that_sleeps_by_current(cli, fields):
    cli.write(
        "sleeper.py",
        """
        from pathlib import Path
        import taskrunner
        def sleep():
            Path("began").touch()
            return taskrunner.current().sleep(50), taskrunner.current().cancelled
        """,
    )
    process = cli.start("exec", cli.graph({"id": "n", "call": "sleeper:sleep", **fields}))
    cli.wait_for("began", process)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    ended = cli.end(process)
    assert time.monotonic() - started < GRACE
    assert (ended.code, ended.out) == (130, "")  # case 1: it has seen its cancellation


def test_a_terminal_that_is_closed_stops_a_run_in_good_order(cli):
    graph = cli.graph(
        {"id": "c", "run": ["sh", "-c", "touch began; sleep 50"]},
        {"id": "end", "call": "functions:touch", "args": ["cleaned"], "always": True, "needs": ["c"]},
    )
    process = cli.start("exec", graph)
    cli.wait_for("began", process)
    for _ in range(2):  # by the system and by the shell
        process.send_signal(signal.SIGHUP)
    assert cli.end(process).code == 129
    assert (cli.folder / "cleaned").exists()


def test_what_nohup_has_started_goes_on(cli):
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = cli.start("exec", cli.graph({"id": "n", "call": "functions:start_and_poll", "args": ["began", "end"]}),
                        preexec_fn=ignore)  # fmt: skip
    cli.wait_for("began", process)
    process.send_signal(signal.SIGHUP)
    (cli.folder / "end").touch()
    assert cli.end(process).code == 0


@pytest.mark.parametrize("words", [[], ["--log-format", "json"], ["--log-format", "console"]])
def test_standard_error_may_be_closed_from_the_start(cli, words):
    ended = cli.end(
        cli.start("exec", cli.graph({"id": "n", "call": "functions:give"}), *words, preexec_fn=lambda: os.close(2))
    )
    assert (ended.code, ended.json) == (0, {"n": 1})
