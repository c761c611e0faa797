"""One run in numbers: made of a few hand-written events, and beside what a real run says of itself."""

import json

import pytest

import taskrunner
from taskrunner.analysis.comparison.measures import digest, worker_seconds
from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.analysis.totals import totals_of
from taskrunner.events.types import (
    EVENT_LOOP,
    GilSwitchedOn,
    NodeDone,
    NodeFailed,
    NodeRetry,
    NodeSkipped,
    RunDone,
    RunStart,
)
from taskrunner.graph.graph import Graph
from taskrunner.storage.history import FAILED, OK, UNFINISHED, PastRun

GRAPH = {
    "taskrunner": 1,
    "name": "demo",
    "pools": {"disk": 1},
    "nodes": [
        {"id": "load", "call": "m:load"},
        {"id": "parse", "call": "m:parse", "map": {"$ref": "load"}, "args": [{"$item": True}]},
        {"id": "pooled", "call": "m:load", "pool": "disk"},
        {"id": "wait", "call": "m:wait"},
        {"id": "list", "run": ["ls", "-l"]},
        {"id": "shell", "run": "ls | wc"},
        {"id": "end", "call": "m:end", "needs": ["parse", "wait"]},
    ],
}


def start(workers=2, **fields):
    known = {
        "run": "r1",
        "graph": "demo",
        "nodes": 7,
        "python": "CPython 3.13.9",
        "platform": "Linux-6-x86_64",
        "at": 0.0,
    }
    return RunStart(**known, workers=workers, free_threaded=True, gil=False, **fields)


def done(wall_s, **fields):
    known = {"ok": True, "done": 0, "failed": 0, "skipped": 0, "busy": (), "steals": 0, "critical_path_s": 0.0}
    known |= {"critical_path": (), "parallelism": 0.0, "gil": False, "peak_memory_bytes": 2**20, "wall_s": wall_s}
    return RunDone(**known | fields)


def ran(node, started, ran_s, worker=0, queued=0.0, **fields):
    times = {"queued_s": queued, "ran_s": ran_s, "started_at": started, "attempt": 1, "stolen": False}
    return NodeDone(node=node, worker=worker, **times | fields)


def broken(kind, node, started, ran_s, **fields):
    told = {
        "error": "ValueError: no",
        "traceback": "",
        "arguments": "()",
        "worker": 0,
        "queued_s": 0.0,
        "stolen": False,
    }
    return kind(node=node, ran_s=ran_s, started_at=started, **told | {"attempt": 1} | fields)


def recorded(*events, state=OK, graph=GRAPH):
    dag = Graph.decode(json.dumps(graph).encode(), "json").link({}) if graph else None
    return RecordedRun(PastRun(run="r1", state=state, started=""), events, dag)


def seconds_of(run):
    return worker_seconds(run, totals_of(run))


def test_the_workers_time_is_busy_overhead_and_idle():
    run = recorded(
        start(),
        ran("load", 0.5, 1.0, queued=0.5),  # for 0.5 s both workers could have taken one, and one was ready
        ran("end", 2.0, 1.0, worker=1, queued=0.25),
        done(4.0),
    )
    assert seconds_of(run) == (2.0, 0.75, 5.25)


def test_more_ready_nodes_than_workers_are_no_more_overhead():
    run = recorded(start(1), ran("load", 0.5, 1.0, queued=0.5), ran("end", 1.5, 1.0, queued=1.5), done(2.5))
    assert seconds_of(run) == (2.0, 0.5, 0.0)


def test_what_waits_for_a_pool_or_on_the_event_loop_is_no_overhead():
    run = recorded(
        start(1), ran("pooled", 1.0, 1.0, queued=1.0), ran("wait", 1.0, 2.0, worker=EVENT_LOOP, queued=1.0), done(4.0)
    )
    assert seconds_of(run) == (1.0, 0.0, 3.0)


def test_a_mapped_node_has_made_a_worker_busy_with_its_expanding_too():
    # of its second one half was before 1.0, where nothing else ran
    run = recorded(start(1), ran("parse[0]", 1.0, 1.0), ran("parse", 1.5, 1.0), done(2.5))
    assert seconds_of(run) == (2.0, 0.0, 0.5)


def test_the_parts_of_a_resumed_run_count_with_their_own_workers():
    run = recorded(start(1), ran("load", 0.0, 1.0), start(3), ran("end", 0.0, 1.0), done(1.0))
    assert seconds_of(run) == (2.0, 0.0, 2.0)
    assert "run r1 was resumed: its 2 parts are laid end to end" in digest(run).caveats


def test_work_is_what_calls_and_commands_took_but_not_async_nodes():
    run = recorded(
        start(), ran("load", 0.0, 1.0), ran("wait", 0.0, 4.0, worker=-1), ran("list", 0.0, 0.5, worker=-1), done(6.0)
    )
    found = digest(run).measures
    assert (found.work_s, found.parallelism, found.wall_s) == (1.5, 0.25, 6.0)


def test_what_became_of_the_nodes_is_counted():
    run = recorded(
        start(),
        ran("load", 0.0, 1.0, stolen=True, cached=True),
        broken(NodeRetry, "wait", 0.0, 0.5, wait_s=0.0, stolen=True),
        broken(NodeFailed, "wait", 1.0, 0.25, attempt=2),
        broken(NodeFailed, "pooled", 1.0, 0.25, allowed=True),
        NodeSkipped("end", "needs", "wait"),
        done(2.0, ok=False),
        state=FAILED,
    )
    found = digest(run)
    assert found.abnormal == {"load": "cached", "wait": "failed", "pooled": "allowed"}
    assert found.spent == {"load": 1.0, "wait": 0.75, "pooled": 0.25}
    numbers = found.measures
    assert (numbers.done, numbers.cached, numbers.failed, numbers.skipped, numbers.retried) == (1, 1, 2, 1, 1)
    assert (numbers.steals, numbers.memory) == (1, 2**20)  # as in the summary, of last attempts
    assert found.caveats == ("run r1: failed",)


def test_seconds_are_added_up_by_what_is_called():
    run = recorded(
        start(),
        ran("load", 0.0, 1.0),
        ran("pooled", 0.0, 0.5),
        ran("parse[0]", 1.0, 1.0),
        ran("parse[1]", 1.0, 2.0),
        ran("parse", 3.0, 0.25),
        ran("list", 0.0, 1.0, worker=-1),
        ran("shell", 0.0, 2.0, worker=-1),
        ran("stranger", 0.0, 8.0),
    )
    assert digest(run).functions == {"m:load": 1.5, "m:parse": 3.25, "$ ls": 3.0}


def test_a_run_that_was_killed_counts_up_to_its_last_event():
    found = digest(recorded(start(), ran("load", 0.5, 1.0), state=UNFINISHED))
    assert (found.measures.wall_s, found.measures.memory) == (1.5, None)
    assert found.caveats == ("run r1: unfinished, counted up to the last event",)


def test_a_run_without_a_graph_has_no_path_and_no_functions():
    found = digest(recorded(start(), ran("load", 0.0, 1.0), done(1.0), graph=None))
    assert (found.measures.critical_path_s, found.path, found.functions) == (None, (), {})
    assert found.caveats == ("cannot read the graph of run r1: no critical path, no functions",)


def test_a_run_in_which_nothing_ran_says_so():
    found = digest(recorded(start(), done(0.0)))
    assert found.caveats == ("run r1 recorded no attempts",)
    assert (found.measures.parallelism, found.measures.wall_s) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("events", "gil"),
    [
        ([start(), done(1.0)], "off"),
        ([start(), GilSwitchedOn("old"), done(1.0)], "on"),
        ([start(), done(1.0, gil=True)], "on"),
    ],
)
def test_the_gil_counts_as_on_if_it_ever_was(events, gil):
    assert digest(recorded(*events)).facts["GIL"] == gil


def test_the_facts_are_what_the_run_ran_on():
    found = digest(recorded(start(4, processors=8, versions={"click": "8.5"}), done(1.0)))
    assert found.facts == {
        "python": "CPython 3.13.9",
        "GIL": "off",
        "workers": "4",
        "processors": "8",
        "platform": "Linux-6-x86_64",
        "click": "8.5",
    }


def test_the_numbers_are_those_of_the_summary(tmp_path):
    graph = Graph("g")
    parts = graph.map(sorted, [[3, 1], [2, 1], [5]], id="parts")
    graph.call(len, parts, id="number")
    summary = taskrunner.run(graph, workers=2, run_dir=tmp_path).summary
    found = digest(load_run(tmp_path, "last"))
    numbers = found.measures
    assert numbers.wall_s == pytest.approx(summary.wall_s)
    assert numbers.parallelism == pytest.approx(summary.parallelism)
    assert numbers.critical_path_s == pytest.approx(summary.critical_path_s)
    assert found.path == summary.critical_path
    assert (numbers.steals, numbers.memory) == (summary.steals, summary.peak_memory_bytes)
    whole = numbers.busy_s + numbers.overhead_s + numbers.idle_s
    assert whole == pytest.approx(2 * summary.wall_s)
