"""What a recorded run becomes: jobs with what they took, needed and held."""

import pytest

from taskrunner.analysis.attempts import ASYNC, COMMAND, WORKER
from taskrunner.analysis.simulation.workload import workload_of
from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import NodeSkipped
from taskrunner.plan.task import RANK_BITS


def jobs(hand, dag, *events):
    return {(job.node, job.expands): job for job in workload_of(hand.run(dag, *events)).jobs}


def one(hand, dag, *events):
    return {node: job for (node, _), job in jobs(hand, dag, *events).items()}


def test_durations_and_edges_are_those_of_the_run(hand):
    dag = hand.dag(hand.call("b", needs=["a"]), hand.call("a"), hand.call("c", args=[{"$ref": "b"}, {"$ref": "a"}]))
    found = workload_of(hand.run(dag, hand.done("a", ran=2), hand.done("b", started=2, ran=3), hand.done("c", ran=4)))
    assert [(job.node, job.seconds, job.successors, job.pending) for job in found.jobs] == [
        ("a", (2,), (1, 2), 0),
        ("b", (3,), (2,), 1),
        ("c", (4,), (), 2),
    ]
    assert found.critical_path() == [0, 1, 2]
    assert found.tails() == [9, 7, 4]


def test_where_a_node_ran_is_told_by_its_worker_and_its_call(hand):
    dag = hand.dag(hand.call("async"), {"id": "command", "run": "true"}, hand.call("plain"))
    found = one(hand, dag, hand.done("async", -1), hand.done("command", -1), hand.done("plain"))
    assert [found[node].kind for node in ("async", "command", "plain")] == [ASYNC, COMMAND, WORKER]


def test_pools_and_priorities_are_the_graph_s(hand):
    dag = hand.dag(hand.call("a", pool=["x", "y"], priority=3), hand.call("b"), pools={"x": 1, "y": 2})
    found = workload_of(hand.run(dag, hand.done("a"), hand.done("b")))
    assert [(job.limits, job.priority) for job in found.jobs] == [(("x", "y"), 3), ((), 0)]
    assert found.pools == {"x": 1, "y": 2}


def test_an_attempt_follows_another_after_its_wait(hand):
    events = (hand.retry("a", ran=1, wait=5), hand.done("a", started=6, ran=2, attempt=2))
    (job,) = one(hand, hand.dag(hand.call("a")), *events).values()
    assert (job.seconds, job.retry_delays) == ((1, 2), (5,))
    assert (job.busy_s, job.length_s) == (3, 8)


def test_a_mapped_node_is_its_expanding_its_children_and_their_gathering(hand):
    dag = hand.dag(
        hand.call("a"), hand.call("m", map={"$ref": "a"}, pool="x"), hand.call("z", needs=["m"]), pools={"x": 1}
    )
    events = (
        hand.done("a"),
        hand.done("m[1]", ran=3),
        hand.done("m[0]", ran=2),
        hand.done("m", ran=0.5),
        hand.done("z"),
    )
    found = workload_of(hand.run(dag, *events))
    assert [(job.node, job.seconds, job.successors, job.pending, job.limits) for job in found.jobs] == [
        ("a", (1,), (1,), 0, ()),
        ("m", (0.5,), (2, 3), 1, ()),
        ("m[0]", (2,), (4,), 1, ("x",)),
        ("m[1]", (3,), (4,), 1, ("x",)),
        ("m", (), (5,), 2, ()),
        ("z", (1,), (), 1, ()),
    ]
    assert [job.head for job in found.jobs] == [0, 1, 1, 1, 1, 5]
    assert found.critical_path() == [0, 1, 3, 4, 5]


def test_a_mapped_node_with_no_items_is_one_job(hand):
    (job,) = jobs(hand, hand.dag(hand.call("m", map=[], pool="x"), pools={"x": 1}), hand.done("m", ran=2)).values()
    assert (job.seconds, job.limits, job.expands) == ((2,), (), False)


def test_children_count_also_where_their_node_did_not_come_to_its_end(hand):
    found = jobs(hand, hand.dag(hand.call("m", map=[1, 2])), hand.done("m[1]"))
    assert found["m", True].seconds == ()
    assert found["m", False].pending == 1


def test_what_was_skipped_costs_nothing_and_what_did_not_run_is_left_out(hand):
    command = {"id": "c", "run": "true", "needs": ["a"], "pool": "x"}
    dag = hand.dag(hand.call("a"), command, hand.call("d", needs=["a"]), pools={"x": 1})
    found = one(hand, dag, hand.done("a"), NodeSkipped("c", "when", ""))
    assert found.keys() == {"a", "c"}
    assert found["a"].successors == (1,)
    assert (found["c"].seconds, found["c"].limits, found["c"].kind) == ((), (), WORKER)


def test_of_a_node_that_a_resumed_run_began_again_the_last_attempts_count(hand):
    events = (hand.start, hand.done("a", ran=9), hand.done("b", ran=1), hand.start, hand.done("a", ran=2))
    dag = hand.dag(hand.call("a"), hand.call("b"))
    assert [job.seconds for job in workload_of(hand.run(dag, *events)).jobs] == [(2,), (1,)]


def test_ranks_are_microseconds_of_the_chain_behind_a_node_below_any_priority(hand):
    ranked = hand.workload((1,), (2, 0), ({"seconds": 3, "priority": 2},), ranked=True)
    assert ranked.priorities() == [3_000_001, 2_000_001, (2 << RANK_BITS) + 3_000_001]
    assert hand.workload((1,), (2, 0), ({"seconds": 3, "priority": 2},)).priorities() == [0, 0, 2]


def test_a_run_that_tells_too_little_is_refused(hand):
    with pytest.raises(TaskrunnerError, match="nothing to simulate: no node of run r has a recorded duration"):
        workload_of(hand.run(hand.dag(hand.call("a"))))
    with pytest.raises(TaskrunnerError, match="nothing to simulate: no node of run r has a recorded duration"):
        workload_of(hand.run(hand.dag(hand.call("a")), hand.done("gone")))
    with pytest.raises(TaskrunnerError, match="the graph of run r cannot be read"):
        workload_of(hand.run(None, hand.done("a")))
