"""CPU time of calls: what is measured, what is not, and that nothing else changes by it."""

import inspect
import itertools
import json
import sys
import threading
import time

import msgspec
import pytest

import taskrunner
from taskrunner.events.types import NodeDone, NodeFailed, NodeRetry, RunStart
from taskrunner.execution.cpu_time import CpuTime
from taskrunner.storage.summary import MAX_FUNCTIONS, FunctionTime, add_up

CPU_TIME = sys.modules[CpuTime.__module__]  # taskrunner.run is a function's name as well
ME = __name__


class Ear:
    def __init__(self):
        self.events = []

    def on_events(self, events):
        self.events += events

    def close(self):
        pass

    def measured(self, *forms):
        """Return what is known of each attempt."""
        told = [event for event in self.events if isinstance(event, forms or NodeDone)]
        return {(event.node, event.attempt): msgspec.to_builtins(event).get("cpu_s") for event in told}


class Ticking:
    """A clock of each thread's own that goes on by a second whenever it is read."""

    def __init__(self):
        self._here = threading.local()

    def __call__(self):
        self._here.now = getattr(self._here, "now", 0) + 1_000_000_000
        return self._here.now


@pytest.fixture
def ticking(monkeypatch):
    """Have every call take a second of CPU time."""
    monkeypatch.setattr(CPU_TIME, "clock", Ticking())


def give(value=None):
    return value


def rest(seconds):
    time.sleep(seconds)


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def fail(*_):
    message = "no luck"
    raise ValueError(message)


def fail_twice():
    if taskrunner.current().attempt < 3:
        fail()
    return taskrunner.current().node


async def give_async(value=None):
    return value


def measured(*nodes, **choices):
    """Run nodes; return the result and the ear."""
    file = {"taskrunner": 1, "name": "g", "nodes": nodes}
    ear = Ear()
    graph = taskrunner.graph.graph.Graph.decode(msgspec.json.encode(file), "json")
    return taskrunner.run(graph, **{"workers": 2, "cpu_time": True, "observers": [ear], **choices}), ear


def call(name, function, *args, **fields):
    return {"id": name, "call": f"{ME}:{function.__name__}", "args": args, **fields}


def test_who_sleeps_waits_and_who_spins_works():
    result, ear = measured(call("rests", rest, 0.05), call("spins", spin, 0.05))
    ran = {event.node: event.ran_s for event in ear.events if isinstance(event, NodeDone)}
    spent = ear.measured()
    assert 0 <= spent["rests", 1] < ran["rests"] / 2
    assert 0.05 <= spent["spins", 1] <= ran["spins"] + 0.001  # two clocks
    assert spent["rests", 1] < spent["spins", 1]
    assert result.summary.cpu.functions[0].waited_s >= 0.04


@pytest.mark.usefixtures("ticking")
def test_every_call_is_measured_whoever_runs_it():
    nodes = [call(f"n{number}", give, number) for number in range(50)]
    result, ear = measured(*nodes, workers=3)
    assert ear.measured() == {(f"n{number}", 1): 1.0 for number in range(50)}
    cpu = result.summary.cpu
    assert (cpu.calls, cpu.cpu_s) == (50, 50.0)
    assert cpu.ran_s == pytest.approx(sum(timing.ran_s for timing in result.timing))


@pytest.mark.usefixtures("ticking")
def test_a_call_that_raises_is_measured_and_so_is_each_attempt():
    retries = {"max": 3, "backoff": 0}
    result, ear = measured(call("a", fail_twice, retries=retries), call("b", fail, allow_failure=True))
    assert result["a"] == "a"
    assert ear.measured(NodeDone, NodeRetry, NodeFailed) == {("a", 1): 1.0, ("a", 2): 1.0, ("a", 3): 1.0, ("b", 1): 1.0}
    assert result.summary.cpu.calls == 4


@pytest.mark.usefixtures("ticking")
def test_children_are_measured_and_the_mapped_node_is_not():
    _, ear = measured(call("m", give, {"$item": True}, map=[1, 2]))
    assert ear.measured() == {("m[0]", 1): 1.0, ("m[1]", 1): 1.0, ("m", 1): None}


@pytest.mark.usefixtures("ticking")
def test_async_nodes_and_commands_have_none():
    result, ear = measured(call("a", give_async, 7), {"id": "c", "run": ["true"]}, call("b", give, 7))
    assert result.ok
    assert ear.measured() == {("a", 1): None, ("c", 1): None, ("b", 1): 1.0}
    assert result.summary.cpu.calls == 1


@pytest.mark.usefixtures("ticking")
def test_a_node_that_was_not_called_has_none():
    _, ear = measured(
        call("a", give, None), call("b", give, {"$ref": "a", "path": ["x"]}), call("c", give, needs=["b"])
    )
    assert ear.measured(NodeDone, NodeFailed) == {("a", 1): 1.0, ("b", 1): None}


def test_a_call_that_was_given_up_has_none_even_if_it_returns_in_time():
    result, ear = measured(call("lost", rest, 0.1, timeout=0.01, allow_failure=True), call("last", rest, 0.2))
    assert result.ok
    assert ear.measured(NodeDone, NodeFailed)["lost", 1] is None
    assert result.summary.cpu.calls == 1


@pytest.mark.usefixtures("ticking")
def test_what_came_from_the_cache_has_none_and_the_keys_are_the_same(tmp_path):
    node = call("a", give, 7, cache=True)
    first, _ = measured(node, cache_dir=tmp_path, cpu_time=False)
    again, ear = measured(node, cache_dir=tmp_path)
    forced, loud = measured(node, cache_dir=tmp_path, force=True)
    assert [each.summary.cached for each in (first, again, forced)] == [0, 1, 0]
    assert (again.summary.cpu.calls, forced.summary.cpu.calls) == (0, 1)
    assert ear.measured() == {("a", 1): None}
    assert loud.measured() == {("a", 1): 1.0}


@pytest.mark.usefixtures("ticking")
def test_a_resumed_run_measures_what_it_runs(tmp_path):
    nodes = [call("a", give, 7), call("b", fail_twice, needs=["a"], retries=1)]
    broken, _ = measured(*nodes, run_dir=tmp_path)
    nodes[1]["retries"] = 2
    result, ear = measured(*nodes, run_dir=tmp_path, resume="last")
    assert (broken.ok, result.ok) == (False, True)
    assert ear.measured(NodeDone, NodeRetry) == {("b", 1): 1.0, ("b", 2): 1.0, ("b", 3): 1.0}


def test_without_it_nothing_is_wrapped_measured_or_written(tmp_path):
    functions = []
    choices = {"cpu_time": False, "run_dir": tmp_path, "adapt": lambda plan: functions.append(plan.tasks[0].function)}
    result, ear = measured(call("a", give), **choices)
    assert functions == [give]
    assert result.summary.cpu is None
    assert "cpu_s" not in (tmp_path / result.summary.run / "events.jsonl").read_text()
    assert not next(event for event in ear.events if isinstance(event, RunStart)).cpu_time


def test_a_run_leaves_what_it_measured(tmp_path):
    result, ear = measured(call("a", spin, 0.001), run_dir=tmp_path)
    folder = tmp_path / result.summary.run
    (done,) = [
        line
        for line in map(json.loads, (folder / "events.jsonl").read_text().splitlines())
        if line["event"] == "node.done"
    ]
    assert done["cpu_s"] >= 0.001
    kept = json.loads((folder / "summary.json").read_text())["cpu"]
    assert (kept["calls"], kept["cpu_s"]) == (1, done["cpu_s"])
    assert [each["call"] for each in kept["functions"]] == [f"{ME}:spin"]
    assert next(event for event in ear.events if isinstance(event, RunStart)).cpu_time


def test_there_is_one_wrapper_for_all_nodes_of_a_function_and_it_looks_like_it():
    plans = []
    measured(call("a", give, 1), call("b", give, 2), call("c", rest, 0), call("d", give_async), adapt=plans.append)
    functions = {task.id: task.function for task in plans[0].tasks}
    assert functions["a"] is functions["b"] is not give
    assert functions["d"] is give_async
    assert inspect.signature(functions["a"]) == inspect.signature(give)
    assert functions["c"].__wrapped__ is rest


@pytest.mark.parametrize("name", ["builtins:sum", "builtins:dict", "functools:partial", "operator:itemgetter"])
def test_anything_that_can_be_called_can_be_measured(name):
    argument = {"$ref": "f"} if "partial" in name else []
    result, ear = measured({"id": "a", "call": name, "args": [argument]}, call("f", make))
    assert result.ok, result.failures
    assert ear.measured()["a", 1] >= 0


def make():
    return give


def test_the_functions_that_waited_longest_are_told_of():
    calls = [(f"m:f{number}", 10.0, 10.0 - number) for number in range(MAX_FUNCTIONS + 2)]
    found = add_up([*calls, ("m:f1", 10.0, 0.0)])
    assert (found.calls, found.ran_s, found.cpu_s) == (8, 80.0, 49.0)
    assert found.functions[0] == FunctionTime("m:f1", 2, 20.0, 9.0)
    assert [each.call for each in found.functions] == ["m:f1", "m:f6", "m:f5", "m:f4", "m:f3"]
    assert FunctionTime("m:f", 1, 1.0, 1.1).waited_s == 0.0  # two clocks
    assert add_up([]).functions == ()


@pytest.mark.stress
def test_many_workers_lose_nothing():
    """Race: the recorder reads the dicts of threads that add to them; one that is read too early would have none."""
    nodes = [call("m", give, {"$item": True}, map=list(range(3000)))]
    for _ in itertools.repeat(None, 5):
        _, ear = measured(*nodes, workers=8)
        spent = ear.measured()
        spent.pop(("m", 1))
        assert len(spent) == 3000
        assert all(value is not None for value in spent.values())
