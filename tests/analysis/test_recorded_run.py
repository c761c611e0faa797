"""A run read back: times, states, what made what ready, and what a killed or resumed run has left."""

import json

import msgspec
import pytest

import taskrunner
from taskrunner.analysis.recorded_run import load_run
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.events import types as events
from taskrunner.events.reader import AnyEvent, read_events
from taskrunner.events.types import RunDone, RunStart

START = {
    "event": "run.start", "run": "r", "graph": "g", "nodes": 3, "workers": 2, "python": "CPython",
    "free_threaded": True, "gil": False, "platform": "Linux", "at": 0.0,
}  # fmt: skip
DONE = {
    "event": "run.done", "ok": True, "wall_s": 10.0, "done": 1, "failed": 0, "skipped": 0, "busy": [], "steals": 0,
    "critical_path_s": 0.0, "critical_path": [], "parallelism": 0.0, "gil": False, "peak_memory_bytes": 0,
}  # fmt: skip
BROKEN = {"error": "E", "traceback": "T", "arguments": "()"}
ID = "20260101-000000-abcdef0"


def ran(node, started, ended, *, event="node.done", ready=None, worker=0, attempt=1, **more):
    return {
        "event": event, "node": node, "worker": worker, "attempt": attempt, "stolen": False, "started_at": started,
        "queued_s": 0.0 if ready is None else started - ready, "ran_s": ended - started, **more,
    }  # fmt: skip


@pytest.fixture
def recorded(tmp_path):
    """Return what reads a run of such nodes that told such events."""

    def make(told, nodes=({"id": "a", "call": "m:f"},), tail=""):
        folder = tmp_path / ID
        folder.mkdir(exist_ok=True)
        (folder / "graph.json").write_text(json.dumps({"taskrunner": 1, "name": "g", "nodes": nodes}))
        (folder / "params.json").write_text("{}")
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in told) + tail)
        return load_run(tmp_path, "last")

    return make


CHAIN = (
    {"id": "a", "call": "m:f"},
    {"id": "b", "call": "m:f", "needs": ["a"]},
    {"id": "c", "call": "m:f", "needs": ["a", "b"]},
)
MAPPED = (
    {"id": "a", "call": "m:f"},
    {"id": "m", "call": "m:f", "map": {"$ref": "a"}},
    {"id": "z", "call": "m:f", "args": [{"$ref": "m"}]},
)


def test_times_count_from_the_start_and_attempts_stand_in_their_order(recorded):
    run = recorded([START, ran("b", 2.0, 3.0, ready=1.5, worker=1), ran("a", 0.5, 1.5)], CHAIN)
    told = [(a.node, a.worker, a.ready, a.started, a.ended, a.state, a.vertex) for a in run.attempts]
    assert told == [("a", 0, 0.5, 0.5, 1.5, "done", 0), ("b", 1, 1.5, 2.0, 3.0, "done", 1)]
    assert (run.attempts[1].queued_s, run.attempts[1].ran_s, run.wall_s) == (0.5, 1.0, 3.0)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (ran("a", 0, 1, cached=True), "cached"),
        (ran("a", 0, 1, event="node.failed", **BROKEN), "failed"),
        (ran("a", 0, 1, event="node.failed", **BROKEN, allowed=True), "allowed"),
        ({"event": "node.skipped", "node": "a", "reason": "when", "because": ""}, "skipped"),
    ],
)
def test_the_state_of_a_node(recorded, event, state):
    assert recorded([START, event]).state_of("a") == state


def test_the_last_attempt_counts_and_all_of_them_are_spent(recorded):
    retry = ran("a", 0, 1, event="node.retry", **BROKEN, wait_s=1.0)
    run = recorded([START, retry, ran("a", 2, 5, attempt=2)])
    assert [a.state for a in run.attempts] == ["retried", "done"]
    assert run.state_of("a") == "done"
    assert run.spent == {"a": 4.0}
    assert run.released_by(run.last["a"]) is None
    assert run.attempts[0].failure.error == "E"


def test_the_waits_between_attempts_are_part_of_the_critical_path(recorded):
    retry = ran("a", 0, 1, event="node.retry", **BROKEN, wait_s=1.0)
    run = recorded([START, retry, ran("a", 2, 5, attempt=2), ran("b", 5, 6)], CHAIN)
    assert run.critical_path == (6.0, ("a", "b"))


def test_what_a_resumed_run_runs_again_waited_for_nothing(recorded):
    retry = ran("a", 0, 1, event="node.retry", **BROKEN, wait_s=1.0)
    run = recorded([START, retry, START, ran("a", 7, 8)])
    assert run.critical_path == (2.0, ("a",))


def test_a_node_between_two_attempts_has_not_ended(recorded):
    run = recorded([START, ran("a", 0, 1, event="node.retry", **BROKEN, wait_s=1.0)])
    assert (run.last, run.state_of("a"), run.done) == ({}, "", None)


def test_what_ended_last_of_what_a_node_needs_made_it_ready(recorded):
    run = recorded([START, ran("a", 0, 1), ran("b", 1, 4), ran("c", 4, 5)], CHAIN)
    assert run.released_by(run.last["a"]) is None
    assert [run.released_by(run.last[node]).node for node in "bc"] == ["a", "b"]


def test_a_mapped_node_waits_for_its_children_and_they_for_what_it_needs(recorded):
    numbers = [10, 2, 0]
    events = [ran(f"m[{n}]", 1, 2 + n) for n in numbers]
    run = recorded([START, ran("a", 0, 1), *events, ran("m", 12, 13), ran("z", 13, 14)], MAPPED)
    assert run.needs("m") == run.children["m"] == ["m[0]", "m[2]", "m[10]"]
    assert run.needs("m[2]") == ["a"]
    assert run.released_by(run.last["m"]).node == "m[10]"
    assert {a.node: (a.vertex, a.child) for a in run.attempts}["m[10]"] == (1, 10)
    assert run.critical_path == (1.0 + 11.0 + 1.0 + 1.0, ("a", "m[10]", "m", "z"))


def test_a_node_is_stolen_from_the_worker_that_made_it_ready(recording):
    record = recording(*CHAIN[:2]).done("a", 0.0, 1.0, worker=1, stolen=True).done("b", 1.5, 1.0, stolen=True)
    run = record.run()
    assert [run.stolen_from(attempt) for attempt in run.attempts] == [None, 1]


def test_a_child_is_stolen_from_the_worker_where_those_ran_that_were_not_stolen(recording):
    record = recording(*MAPPED).done("a", 0.0, 1.0).done("m[0]", 1.0, 1.0, worker=1)
    run = record.done("m[1]", 1.0, 2.0, stolen=True).run()
    assert run.stolen_from(run.attempts[2]) == 1


def test_what_came_back_to_its_own_worker_or_from_the_event_loop_is_stolen_from_nobody_known(recording):
    record = recording(*CHAIN).done("a", 0.0, 1.0, worker=-1).done("b", 1.5, 1.0, stolen=True)
    run = record.done("c", 3.0, 1.0, stolen=True).run()
    assert [run.stolen_from(attempt) for attempt in run.attempts[1:]] == [None, None]


@pytest.mark.parametrize(
    ("start", "end", "has_gil"),
    [({}, {}, False), ({"gil": True}, {}, True), ({}, {"gil": True}, True)],
)
def test_the_gil_was_on_if_it_ever_was(recording, start, end, has_gil):
    assert recording(**start).end(1.0, **end).run().has_gil == has_gil
    assert recording().add(events.GilSwitchedOn("")).run().has_gil


def test_a_time_out_belongs_to_the_attempt_that_it_ended(recorded):
    told = {"event": "node.timeout", "node": "a", "worker": 0, "attempt": 1, "timeout_s": 1.0, "lost": True}
    run = recorded([START, told, ran("a", 0, 1, event="node.failed", **BROKEN), ran("b", 0, 1)], CHAIN)
    assert run.last["a"].timeout.lost
    assert run.last["b"].timeout is None


def test_the_parts_of_a_resumed_run_are_laid_end_to_end(recorded):
    skipped = {"event": "node.skipped", "node": "b", "reason": "stopped", "because": "a"}
    again = {"event": "run.resumed", "kept": 1, "changed": [], "unstored": []}
    failed = {**DONE, "ok": False}
    run = recorded(
        [START, ran("a", 0, 1), skipped, failed, {**START, "workers": 7}, again, ran("b", 0.5, 2.5), DONE], CHAIN
    )
    assert run.parts == [0.0, 10.0]
    assert run.last["b"].started == 10.5
    assert (run.skipped, run.wall_s, run.start.workers, run.done.ok) == ({}, 20.0, 7, True)


def test_a_line_that_was_not_finished_is_left_out(recorded):
    run = recorded([START, ran("a", 0, 1)], tail='{"event":"node.done","no')
    assert list(run.last) == ["a"]
    assert run.state == "unfinished"


def test_a_bad_line_is_named(recorded):
    with pytest.raises(TaskrunnerError, match=r"events\.jsonl:2: "):
        recorded([START, {"event": "nonsense"}, ran("a", 0, 1)])


@pytest.mark.parametrize(
    "change",
    [{"worker": -2}, {"attempt": 0}, {"ran_s": -1.0}, {"ran_s": 1e308}, {"queued_s": -1.0}, {"started_at": -1}],
)
def test_a_line_that_no_run_can_have_written_is_named(recorded, change):
    with pytest.raises(TaskrunnerError, match=r"events\.jsonl:2: Expected"):
        recorded([START, ran("a", 0, 1) | change])


@pytest.mark.parametrize("events", [[], [DONE]])
def test_events_without_a_start_tell_nothing(recorded, events):
    with pytest.raises(TaskrunnerError, match="does not record a run"):
        recorded(events)


def test_a_graph_that_cannot_be_read_leaves_the_times(recorded, tmp_path):
    recorded([START])
    (tmp_path / ID / "graph.json").write_text("{}")
    events = (tmp_path / ID / "events.jsonl").read_text()
    (tmp_path / ID / "events.jsonl").write_text(events + json.dumps(ran("m[3]", 0, 1)) + "\n")
    run = load_run(tmp_path, "2026")
    assert (run.dag, run.needs("m[3]"), run.critical_path) == (None, (), (0.0, ()))
    assert (run.attempts[0].vertex, run.attempts[0].child, run.vertex(run.attempts[0])) == (-1, 3, None)


def test_a_run_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match='no run "last"'):
        load_run(tmp_path, "last")


def test_reading_changes_no_mode(recorded, tmp_path):
    (tmp_path / ID).mkdir(mode=0o755)
    recorded([START])
    assert (tmp_path / ID).stat().st_mode & 0o777 == 0o755


def test_every_event_that_there_is_can_be_read_back():
    structs = [t for t in vars(events).values() if isinstance(t, type) and issubclass(t, msgspec.Struct)]
    tags = {str(t.__struct_config__.tag) for t in structs}
    assert {t.__struct_config__.tag for t in AnyEvent.__value__.__args__} == {tag for tag in tags if "." in tag}


def test_a_real_run_comes_back(tmp_path):
    graph = taskrunner.Graph("real")
    numbers = graph.map(abs, [-1, 2])
    total = graph.call(sum, numbers)
    result = taskrunner.run(graph, workers=2, run_dir=tmp_path)
    run = load_run(tmp_path, result.summary.run)
    assert {node: run.state_of(node) for node in run.last} == {timing.node: "done" for timing in result.timing}
    assert run.released_by(run.last[total.id]).node == numbers.id
    assert run.critical_path[1] == result.summary.critical_path
    assert run.critical_path[0] == pytest.approx(result.summary.critical_path_s)
    assert run.wall_s == pytest.approx(result.summary.wall_s)
    first, *_, last = read_events(tmp_path / run.id / "events.jsonl")
    assert isinstance(first, RunStart)
    assert isinstance(last, RunDone)
    assert first.versions["msgspec"] == msgspec.__version__


def test_the_import_that_switched_the_gil_on_is_known_with_its_node(recorded):
    assert (recorded([START]).gil_module, recorded([START]).gil_node) == (None, "")
    run = recorded([START, {"event": "gil.on", "module": "old.ext", "node": "a"}])
    assert (run.gil_module, run.gil_node) == ("old.ext", "a")
    assert recorded([START, {"event": "gil.on", "module": "old.ext"}]).gil_node == ""  # as earlier versions told it
