"""What became of each node of runs that are written by hand."""

import msgspec
import pytest

from taskrunner.analysis.graph_view.status import Children, NodeStatus, StatusIndex
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.events.types import NodeDone, NodeFailed, NodeRetry, NodeSkipped, RunDone, RunResumed, RunStart
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.storage.history import PastRun

NODES = [
    {"id": "a", "call": "m:f"},
    {"id": "many", "call": "m:f", "map": {"$ref": "a"}, "args": [{"$item": True}]},
    {"id": "end", "call": "m:f", "args": [{"$ref": "many"}]},
    {"id": "side", "run": "true"},
]
PAST = PastRun(run="20260101-000000-abcdef0", state="ok", started="")
START = RunStart(
    run=PAST.run, graph="g", nodes=4, workers=2, python="", free_threaded=True, gil=False, platform="", at=0.0
)


def attempt(kind, node, started, ran, number=1, **fields):
    texts = {} if kind is NodeDone else {"error": "", "traceback": "", "arguments": ""}
    return kind(
        node=node,
        worker=1,
        attempt=number,
        queued_s=0.5,
        ran_s=ran,
        stolen=False,
        started_at=started,
        **texts,
        **fields,
    )


def done(node, started, ran, **fields):
    return attempt(NodeDone, node, started, ran, **fields)


def skipped(node, reason, because=""):
    return NodeSkipped(node=node, reason=reason, because=because)


END = RunDone(
    ok=True, wall_s=9.0, done=0, failed=0, skipped=0, busy=(), steals=0, critical_path_s=0.0, critical_path=(),
    parallelism=0.0, gil=False, peak_memory_bytes=0,
)  # fmt: skip
CHILDREN = (done("many[0]", 1.0, 2.0), done("many[1]", 1.0, 4.0))


def marks(*events, has_graph=True):
    dag = link(msgspec.convert({"taskrunner": 1, "name": "g", "nodes": NODES}, GraphFile)) if has_graph else None
    return StatusIndex(RecordedRun(PAST, [START, *events], dag))


def test_a_node_that_ran():
    found = marks(done("side", 0.0, 1.5), END)
    assert found.of("side") == NodeStatus("done", 1.5, 0.5, worker=1, attempts=1, critical=True)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (done("side", 0.0, 1.0, cached=True), "cached"),
        (attempt(NodeFailed, "side", 0.0, 1.0), "failed"),
        (attempt(NodeFailed, "side", 0.0, 1.0, allowed=True), "allowed"),
        (skipped("side", "when"), "skipped"),
        (END, "not run"),
    ],
)
def test_each_state(event, state):
    assert marks(event, END).of("side").state == state


def test_all_attempts_count():
    first = attempt(NodeRetry, "side", 0.0, 1.0, wait_s=0.0)
    found = marks(first, attempt(NodeFailed, "side", 2.0, 0.25, number=2), END).of("side")
    assert (found.state, found.attempts, found.ran_s, found.queued_s) == ("failed", 2, 1.25, 1.0)


def test_why_a_node_was_skipped():
    found = marks(skipped("end", "needs", "side"), END).of("end")
    assert found == NodeStatus("skipped", reason="needs", because="side")


def test_a_mapped_node_is_told_with_its_children():
    found = marks(done("a", 0.0, 0.25), *CHILDREN, done("many", 5.0, 0.125), END)
    assert found.of("many") == NodeStatus(
        "done", 6.125, 0.5, worker=1, attempts=1, critical=True, children=Children(2, 0, "many[1]", 4.0)
    )


def test_a_mapped_node_fails_with_a_child():
    broken = attempt(NodeFailed, "many[1]", 1.0, 1.0)
    found = marks(CHILDREN[0], broken, skipped("many", "needs", "many[1]"), skipped("end", "needs", "many[1]"), END)
    assert (found.of("many").state, found.of("many").children) == ("failed", Children(2, 1, "many[0]", 2.0))
    assert found.of("end").state == "skipped"


def test_a_mapped_node_that_could_not_begin_is_skipped():
    broken = attempt(NodeFailed, "a", 0.0, 1.0)
    assert marks(broken, skipped("many", "needs", "a"), END).of("many").state == "skipped"


def test_the_critical_path_goes_through_mapped_nodes():
    found = marks(done("a", 0.0, 0.25), *CHILDREN, done("many", 5.0, 0.125), done("end", 6.0, 1.0), END)
    assert found.links == {("a", "many"), ("many", "end")}
    assert [found.of(node).critical for node in ("a", "many", "end", "side")] == [True, True, True, False]


def test_what_had_not_ended_when_a_run_was_killed():
    found = marks(done("a", 0.0, 0.25), CHILDREN[0])
    assert [found.of(node).state for node in ("a", "many", "side")] == ["done", "not ended", "not ended"]
    assert found.of("many").children == Children(1, 0, "many[0]", 2.0)


def test_both_parts_of_a_resumed_run_count():
    again = (START, RunResumed(kept=1, changed=(), unstored=()))
    found = marks(done("a", 0.0, 0.25), skipped("side", "stopped"), END, *again, done("side", 0.0, 2.0), END)
    assert [found.of(node).state for node in ("a", "side", "end")] == ["done", "done", "not run"]


def test_a_node_that_the_run_does_not_know():
    found = marks(END)
    assert (found.contains("other"), found.of("other").state) == (False, "unknown")


def test_without_the_run_s_graph_any_node_may_have_been_there():
    found = marks(done("a", 0.0, 0.25), *CHILDREN, END, has_graph=False)
    assert (found.contains("other"), found.of("other").state) == (True, "not run")
    assert (found.of("a").state, found.of("many").children.count, found.links) == ("done", 2, frozenset())
