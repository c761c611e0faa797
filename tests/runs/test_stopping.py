"""How runs end that do not end by themselves: stopped by failures, by signals, by errors from outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import taskrunner
from taskrunner.events.types import NodeDone, NodeSkipped, RunDone


class Ear:
    def __init__(self):
        self.events = []
        self.closed = False

    def on_events(self, events):
        self.events += events

    def close(self):
        self.closed = True


def fail(*_):
    raise ValueError("no")


def run_child(tmp_path, code, **options):
    """Start a Python program; it says "ready" on a line of its own when it may be signalled."""
    path = tmp_path / "program.py"
    path.write_text(code)
    child = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True, **options)
    assert child.stdout.readline() == "ready\n"
    return child


def test_a_mapped_node_whose_child_failed_has_no_result_even_with_always():
    graph = taskrunner.Graph()
    mapped = graph.map(lambda n: fail() if n == 1 else n, [0, 1, 2], always=True, id="m")
    graph.call(print, mapped, id="after")
    result = taskrunner.run(graph, workers=1, stop_after=0)
    assert [f.node for f in result.failures] == ["m[1]"]
    assert {node: skip.because for node, skip in result.skipped.items()} == {"m": "m[1]", "after": "m[1]"}


def test_always_runs_the_children_of_a_mapped_node_after_a_failure():
    graph = taskrunner.Graph()
    mapped = graph.map(abs, [-1, -2], always=True, needs=[graph.call(fail)])
    assert taskrunner.run(graph)[mapped] == [1, 2]


def test_what_has_run_is_gathered_though_the_run_was_stopped():
    graph = taskrunner.Graph()
    children, failed = threading.Barrier(2), threading.Event()

    def child(number):
        if number:
            children.wait(10)
            assert failed.wait(10)
        return number

    def bad():
        children.wait(10)
        fail()

    class FailureEar(Ear):
        def on_events(self, events):
            super().on_events(events)
            if any(event.__struct_config__.tag == "node.failed" for event in events):
                failed.set()

    mapped = graph.map(child, [0, 1], id="m")
    graph.call(bad, id="bad", priority=-1)
    result = taskrunner.run(graph, workers=2, observers=[FailureEar()])
    assert result.outputs == {mapped.id: [0, 1]}
    assert not result.ok


def test_nodes_that_a_stop_left_out_are_events_as_well():
    graph, ear = taskrunner.Graph(), Ear()
    graph.call(fail, id="bad", priority=1)
    graph.call(print, id="other")
    taskrunner.run(graph, workers=1, observers=[ear])
    assert [e for e in ear.events if isinstance(e, NodeSkipped)] == [NodeSkipped("other", "stopped", "bad")]


def test_an_error_in_the_waiting_thread_stops_the_run_before_it_goes_on():
    graph, ear, started, release = taskrunner.Graph(), Ear(), threading.Event(), threading.Event()
    # The error is on its way when the handler releases the node: it needs a moment to arrive.
    first = graph.call(lambda: (started.set(), release.wait(10), time.sleep(0.3)), id="first")
    seen = []
    graph.call(seen.append, 1, needs=[first])

    class OwnError(Exception):
        pass

    def handler(*_):
        release.set()
        raise OwnError

    def send():
        started.wait(10)
        time.sleep(0.2)  # until it waits
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        waiter = threading.Thread(target=send)
        waiter.start()
        with pytest.raises(OwnError):
            taskrunner.run(graph, workers=1, observers=[ear])
        waiter.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (seen, ear.closed) == ([], True)
    assert [e.reason for e in ear.events if isinstance(e, NodeSkipped)] == ["stopped"]


PROGRAM = """
import time, taskrunner
graph = taskrunner.Graph()
def work():
    print("ready", flush=True)
    time.sleep(1.5)  # longer than a signal may wait for the main thread: pool.PATIENCE
graph.call(print, "never", needs=[graph.call(work)])
try:
    taskrunner.run(graph, workers=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print("went on", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 0, "interrupted\nwent on\n"), (signal.SIGTERM, -signal.SIGTERM, "")]
)
def test_a_signal_has_its_usual_effect_after_the_run(tmp_path, number, code, said):
    child = run_child(tmp_path, PROGRAM)
    child.send_signal(number)
    out, _ = child.communicate(timeout=30)
    assert (child.returncode, out) == (code, said)


def test_an_interrupt_reaches_async_nodes_though_the_callers_own_part_fails(tmp_path):
    code = """
import asyncio, taskrunner
def fail(): raise BrokenPipeError
async def wait():
    print("ready", flush=True)
    await asyncio.sleep(60)
graph = taskrunner.Graph()
graph.call(print, "cleaned", needs=[graph.call(wait)], always=True)
result = taskrunner.run(graph, workers=1, on_interrupt=fail)
print(result.summary.signal)
"""
    child = run_child(tmp_path, code)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, "cleaned\n2\n")


def test_a_signal_while_the_log_is_written_loses_no_result():
    graph = taskrunner.Graph()

    class Slow(Ear):
        def on_events(self, events):
            super().on_events(events)
            if any(isinstance(event, RunDone) for event in events):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0)  # the handler runs here at the latest

    async def one():
        return 1

    made = graph.call(one)
    result = taskrunner.run(graph, observers=[Slow()], on_interrupt=lambda: None)
    assert result[made] == 1


def test_a_whole_process_group_gets_its_grace(tmp_path):
    ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
    script = f"(trap 'sleep 0.3; touch {cleaned}; exit' TERM; touch {ready}; while :; do sleep 0.05; done); true"
    (tmp_path / "graph.json").write_text(json.dumps({"taskrunner": 1, "nodes": [{"id": "a", "run": script}]}))
    command = [sys.executable, "-m", "taskrunner", "exec", "graph.json", "-q"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert cleaned.exists()


def test_outputs_and_targets_may_be_named_twice():
    graph = taskrunner.Graph()
    made = graph.call(abs, -1)
    graph.output(made, made)
    assert taskrunner.run(graph)[made] == 1
    assert taskrunner.run(graph, targets=[made, made])[made] == 1


def test_one_target_needs_no_list():
    graph = taskrunner.Graph()
    made = graph.call(abs, -1)
    assert taskrunner.run(graph, targets="abs")[made] == taskrunner.run(graph, targets=made)[made] == 1


def test_an_unknown_log_level_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(taskrunner.UsageError, match="INFO"):
        taskrunner.run(taskrunner.Graph(), log_level="INFO", run_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_nothing_is_stolen_from_the_inbox():
    graph, both = taskrunner.Graph(), threading.Barrier(2)
    first = graph.call(abs, -1)
    for _ in range(10):
        graph.call(lambda: both.wait(10), needs=[first], priority=1)
    result = taskrunner.run(graph, workers=2)
    assert {t.worker for t in result.timing} == {0, 1}
    assert not any(t.stolen for t in result.timing if t.node != first.id)


def test_what_another_worker_takes_is_told_as_stolen_everywhere():
    graph, ear, both = taskrunner.Graph(), Ear(), threading.Barrier(2)
    first = graph.call(abs, -1, id="first")
    for _ in range(2):
        graph.call(lambda _: both.wait(10), first)
    result = taskrunner.run(graph, workers=2, observers=[ear])
    timing = {entry.node: entry for entry in result.timing}
    maker = timing.pop("first").worker
    assert sorted(entry.worker for entry in timing.values()) == [0, 1]
    assert [entry.stolen for entry in timing.values()] == [entry.worker != maker for entry in timing.values()]
    told = {event.node: event.stolen for event in ear.events if isinstance(event, NodeDone)}
    assert told == {entry.node: entry.stolen for entry in result.timing}
    assert result.summary.steals == sum(told.values())


def test_the_time_to_expand_a_map_is_its_nodes_time():
    graph = taskrunner.Graph()

    def lazily():
        deadline = time.perf_counter() + 0.05
        while time.perf_counter() < deadline:
            pass
        yield 1

    mapped = graph.map(abs, graph.call(lazily))
    times = {t.node: t for t in taskrunner.run(graph, workers=1).timing}
    assert times[mapped.id].ran_s >= 0.05
    assert times[mapped.id].queued_s >= 0


def test_the_critical_path_of_a_map_whose_child_failed():
    graph = taskrunner.Graph()
    graph.map(fail, [1], id="m")
    assert taskrunner.run(graph, workers=1).summary.critical_path == ("m[0]",)
