"""What runs at a moment, as a worker leaves it to be seen."""

import threading
from types import SimpleNamespace

import pytest

import taskrunner
from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP
from taskrunner.execution.attempt import NO_TASK, describe_running
from taskrunner.plan.task import NO_DETAILS, TaskDetails

LONG = 30.0


def task(name, *, special=False, ready_at=0, attempt=1):
    details = TaskDetails(attempt=attempt) if special else NO_DETAILS
    return SimpleNamespace(id=name, is_special=special, ready_at=ready_at, details=details)


def note(of, ended):
    return (of, 0, 0, ended, None)


A, B = task("a", ready_at=1_000_000_000), task("b")
S = task("s", special=True, attempt=2)
SETTLED, OPEN = SimpleNamespace(is_settled=True), SimpleNamespace(is_settled=False)


@pytest.mark.parametrize(
    ("last", "begun", "notes", "seconds"),
    [
        (None, NO_TASK, [], None),
        (A, NO_TASK, [], 4.0),  # since it was ready
        (A, NO_TASK, [note(B, 3_000_000_000)], 2.0),  # since what the worker did before it
        (A, NO_TASK, [note(B, 0), note(A, 2_000_000_000)], None),  # it has ended
        (A, (S, None, 1), [note(S, 2_000_000_000)], 3.0),
        (S, NO_TASK, [], None),  # not begun yet, or expanded and waiting for its children
        (S, (S, None, 2_000_000_000), [], 3.0),
        (S, (S, OPEN, 2_000_000_000), [note(S, 1_000_000_000)], 3.0),  # another attempt, after one that was noted
        (S, (S, None, 2_000_000_000), [note(S, 3_000_000_000)], None),  # this attempt has ended
        (S, (S, SETTLED, 2_000_000_000), [], None),  # it was given up: another thread has the worker's place
    ],
)
def test_what_a_worker_runs(last, begun, notes, seconds):
    found = describe_running(3, last, begun, notes, 5_000_000_000)
    assert found == (None if seconds is None else Running(last.id, 3, last.details.attempt, seconds))


class Watcher:
    """Keeps all that it is shown; ``seen`` is set when as many run as are waited for."""

    def __init__(self, names):
        self.names = set(names)
        self.looks, self.children, self.expected = [], 0, None
        self.seen = threading.Event()

    def on_running(self, running, children):
        self.looks.append(running)
        self.children = children
        if {node.node for node in running} >= self.names:
            self.seen.set()

    def on_expected(self, seconds):
        self.expected = seconds

    def on_events(self, events):
        pass

    def close(self):
        pass


def run(watcher, graph, **options):
    return taskrunner.run(graph, observers=[watcher], **options)


def test_calls_async_nodes_commands_and_children_are_seen_while_they_run(tmp_path):
    watcher = Watcher(["call", "map[1]", "async", "command", "timed"])
    graph = taskrunner.Graph("g")

    async def wait():
        import asyncio  # noqa: PLC0415  only here

        return await asyncio.to_thread(watcher.seen.wait, LONG)

    graph.call(watcher.seen.wait, LONG, id="call")
    graph.map(lambda _: watcher.seen.wait(LONG), [1, 2], id="map")
    graph.call(wait, id="async")
    graph.call(watcher.seen.wait, LONG, id="timed", timeout=LONG)
    graph.run(f"until test -e {tmp_path}/end; do sleep 0.02; done", id="command")
    ending = threading.Thread(target=lambda: watcher.seen.wait(LONG) and (tmp_path / "end").touch())
    ending.start()
    result = run(watcher, graph, workers=4)
    ending.join()
    assert result.ok, result.failures
    workers = {node.node: node.worker for node in next(look for look in watcher.looks if len(look) == 6)}
    assert {workers.pop("async"), workers.pop("command")} == {EVENT_LOOP}
    assert sorted(workers.values()) == [0, 1, 2, 3]
    assert watcher.children == 2


def test_a_call_that_was_given_up_is_not_shown_as_what_its_worker_runs():
    watcher, end = Watcher(["after"]), threading.Event()
    graph = taskrunner.Graph("g")
    lost = graph.call(end.wait, LONG, id="lost", timeout=0.1, allow_failure=True)
    graph.call(watcher.seen.wait, LONG, id="after", needs=[lost])
    run(watcher, graph, workers=1)
    end.set()
    last = next(look for look in watcher.looks if "after" in [node.node for node in look])
    assert [(node.node, node.worker) for node in last] == [("after", 0)]


def test_attempts_are_told_apart():
    watcher, tries = Watcher(["nobody"]), iter([1])
    graph = taskrunner.Graph("g")

    def flaky():
        if next(tries, 0):
            raise ValueError
        watcher.names = {"n"}
        assert watcher.seen.wait(LONG)

    graph.call(flaky, id="n", retries={"max": 1, "backoff": 0})
    assert run(watcher, graph, workers=2).ok
    assert [look for look in watcher.looks if look][-1][0].attempt == 2


def test_nobody_is_asked_when_nobody_looks(monkeypatch):
    from taskrunner.execution.state import RunState  # noqa: PLC0415  only here

    asked = []
    monkeypatch.setattr(RunState, "running", lambda *_: asked.append(1) or [])
    graph = taskrunner.Graph("g")
    graph.call(threading.Event().wait, 0.2)
    blind = SimpleNamespace(on_events=lambda _: None, close=lambda: None)
    assert taskrunner.run(graph, observers=[blind]).ok
    assert asked == []


def test_an_earlier_run_tells_what_is_expected_of_those_that_run(tmp_path):
    graph = taskrunner.Graph("g")
    nodes = [graph.call(threading.Event().wait, 0.01, id=name) for name in "ab"]
    graph.map(threading.Event().wait, [0.01, 0.01], id="m", needs=[nodes[0]])
    watcher = Watcher([])
    run(watcher, graph, run_dir=tmp_path)
    assert watcher.expected is None
    run(watcher, graph, run_dir=tmp_path, targets=["m"])
    assert watcher.expected.keys() == {"a", "m", "m[0]", "m[1]"}
    assert watcher.expected["a"] >= 0.01


def test_a_mapped_node_is_not_shown_while_its_children_run_elsewhere():
    import asyncio  # noqa: PLC0415  only here

    watcher = Watcher(["m[0]"])

    async def wait(_):
        await asyncio.to_thread(watcher.seen.wait, LONG)

    graph = taskrunner.Graph("g")
    graph.map(wait, [1], id="m")
    assert run(watcher, graph, workers=1).ok
    last = next(look for look in watcher.looks if "m[0]" in [node.node for node in look])
    assert [(node.node, node.worker) for node in last] == [("m[0]", EVENT_LOOP)]
