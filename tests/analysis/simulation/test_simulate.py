"""A recorded run on other numbers of workers: what is told of it, and how near it comes to what runs take."""

import json
import statistics
from pathlib import Path

import msgspec
import pytest

import taskrunner
from taskrunner.analysis.recorded_run import load_run
from taskrunner.analysis.simulation.simulate import Link, simulate, wall_s
from taskrunner.analysis.simulation.speedup_curve import ASCII, BLOCKS
from taskrunner.analysis.simulation.text import simulation_text
from taskrunner.analysis.simulation.workload import workload_of
from taskrunner.events.types import GilSwitchedOn, NodeSkipped

SHOWN = """\
run            r: g, 5 nodes on 2 workers
simulated      8.00 s on 2 workers; measured 8.00 s (+0.0%)
overhead       100.0 ms between nodes, 100.0 ms to wake up, 300.0 ms before the
               first and after the last node
order          newest first, as in the run

critical path, 7.50 s
   80%     6.00 s  b
   13%     1.00 s  a
    7%   500.0 ms  e

workers     wall  speed-up  efficiency    bound  over bound  bound by
      1  13.20 s      1.00        100%  12.50 s       +5.6%  work
      2   8.00 s      1.65         82%   7.50 s       +6.7%  critical path
      4   8.00 s      1.65         41%   7.50 s       +6.7%  critical path

speed-up #, allowed by the bound -
1 ###################################---                          1.00 of 1.06
2 ###########################################################---- 1.65 of 1.76
4 ###########################################################---- 1.65 of 1.76

advice for 2 workers
  Halving the 6.00 s of b would save 900.0 ms of 8.00 s (11%).
  Removing the edge from a to b, which passes no result, would save 900.0 ms of
  8.00 s (11%).
  2 workers come within 5% of the shortest run of the table.
"""


def events(hand):
    """Return a run of two workers that lost a tenth of a second each time: a, then b beside c and d, then e."""
    return (
        hand.done("a", started=0.1, ran=1.0, queued=0.1),
        hand.done("b", started=1.2, ran=6.0, queued=0.1),
        hand.done("c", 1, started=1.2, ran=2.0, queued=0.1),
        hand.done("d", 1, started=3.3, ran=3.0, queued=2.2),
        hand.done("e", started=7.3, ran=0.5, queued=0.1),
        hand.end(8.0),
    )


@pytest.fixture
def found(hand):
    graph = hand.dag(
        hand.call("a"), *[hand.call(x, needs=["a"]) for x in "bcd"], hand.call("e", args=[{"$ref": x} for x in "bcd"])
    )
    return simulate(hand.run(graph, *events(hand)), [4, 1, 2])


def test_what_is_shown(found):
    assert simulation_text(found, 80, ASCII) == SHOWN


def test_speed_up_efficiency_and_bound(hand):
    events = (
        hand.done("a", ran=2),
        hand.done("b", started=3, queued=3, ran=2),
        hand.done("c", started=6, queued=6, ran=4),
    )
    run = hand.run(hand.dag(*map(hand.call, "abc")), *events, hand.end(10.0))
    one, three = simulate(run, [3, 1]).predictions
    assert (one.workers, one.wall_s, one.speedup, one.efficiency) == (1, 10, 1, 1)
    assert (one.bound_s, one.bound_by, one.over_bound) == (8, "work", 0.25)
    assert (three.workers, three.wall_s, three.speedup, three.efficiency) == (3, 4, 2.5, 2.5 / 3)
    assert (three.bound_s, three.bound_by, three.over_bound) == (4, "critical path", 0)


def test_the_critical_path_is_told_by_its_longest_nodes(found):
    assert found.critical_path_s == 7.5
    assert found.critical_path[0] == Link("b", 6, 0.8)
    assert sum(link.share for link in found.critical_path) == pytest.approx(1)


def test_as_many_workers_as_come_near_are_enough(hand, found):
    assert found.enough == 2
    text = simulation_text(found, 200)
    assert "  2 workers come within 5% of the shortest run of the table." in text
    run = hand.run(hand.dag(*map(hand.call, "ab")), hand.done("a"), hand.done("b"))
    assert "The shortest run of the table needs all of its 2 workers." in simulation_text(simulate(run, [1, 2]), 80)


def test_the_advice_is_for_the_processors_of_the_run_s_machine(hand):
    run = hand.run(hand.dag(hand.call("a")), msgspec.structs.replace(hand.start, processors=6), hand.done("a"))
    assert simulate(run, [1]).advice.workers == 6
    assert simulate(run, [1], 3).advice.workers == 3
    run = hand.run(hand.dag(hand.call("a")), msgspec.structs.replace(hand.start, processors=0), hand.done("a"))
    assert simulate(run, [2, 5]).advice.workers == 5


def told(hand, *events):
    return simulate(hand.run(hand.dag(*map(hand.call, "abc")), *events), [1])


def test_what_makes_a_prediction_doubtful_is_noted(hand):
    notes = told(hand, hand.done("a"), hand.end(1.0)).notes
    assert notes == ()
    on = msgspec.structs.replace(hand.start, gil=True)
    for events in ([on, hand.done("a")], [hand.done("a"), GilSwitchedOn("x")], [hand.done("a"), hand.end(1, gil=True)]):
        assert told(hand, *events).notes[0].startswith("the GIL was on")
    killed = told(hand, hand.done("a"))
    assert killed.notes == ("the run did not finish: only its recorded attempts are simulated",)
    assert killed.measured_s is None
    (skipped,) = told(hand, hand.done("a"), NodeSkipped("b", "when", ""), hand.end(1.0)).notes
    assert skipped.endswith(": 1")
    (cached,) = told(hand, hand.done("a", cached=True), hand.end(1.0)).notes
    assert "cache" in cached
    (gone,) = told(hand, hand.done("a"), hand.done("gone"), hand.end(1.0)).notes
    assert gone.endswith(": 1")
    assert "caveat         attempts of nodes that are no longer in the graph are left out: 1" in simulation_text(
        told(hand, hand.done("a"), hand.done("gone"), hand.end(1.0)), 99
    )


def test_a_run_that_lost_what_is_not_usual_is_doubtful(hand):
    def notes(late):
        moments = {"a": 0, "b": 1, "c": 2, "d": 3 + late}
        events = [hand.done(node, started=at, queued=at) for node, at in moments.items()]
        start = msgspec.structs.replace(hand.start, workers=1)
        run = hand.run(hand.dag(*map(hand.call, "abcd")), start, *events, hand.end(4.0 + late))
        return simulate(run, [1]).notes

    assert notes(0.25) == ()
    assert notes(1)[0].startswith("the prediction differs from the measured time by more than 10%")


def test_a_resumed_run_is_simulated_as_one(hand):
    resumed = told(hand, hand.start, hand.done("a", ran=2), hand.start, hand.done("b", ran=3), hand.end(3.0))
    assert (resumed.measured_s, resumed.nodes, resumed.predictions[0].wall_s) == (None, 2, 5)


def test_a_ranked_run_is_simulated_with_the_critical_path_first(hand):
    run = hand.run(hand.dag(hand.call("a")), msgspec.structs.replace(hand.start, ranked=True), hand.done("a"))
    assert "critical path first, as in the run" in simulation_text(simulate(run, [1]), 80)
    assert simulate(run, [1]).ranked


def test_names_from_elsewhere_do_not_reach_the_terminal(hand):
    hostile = "a\n\x1b[31m" + "x" * 300
    run = hand.run(hand.dag(hand.call(hostile, pool=hostile), hand.call("b", needs=[hostile]), name=hostile,
                            pools={hostile: 1}), hand.done(hostile), hand.done("b"), hand.end(2.0))  # fmt: skip
    text = simulation_text(simulate(run, [1, 2]), 80, BLOCKS)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("width", [1, 40, 60, 120])
def test_lines_are_as_wide_as_they_may(found, width):
    lines = simulation_text(found, width).splitlines()
    table = next(i for i, line in enumerate(lines) if line.startswith("workers"))
    assert max(map(len, lines[:table])) <= max(width, 40)


def test_small_nodes_are_advised_to_be_put_together(hand):
    events = [hand.done(str(i), started=2.0 * i, queued=2.0 * i) for i in range(4)]
    found = simulate(hand.run(hand.dag(*[hand.call(str(i)) for i in range(4)]), *events, hand.end(7.0)), [1])
    advice = "4 nodes of m:f are small: 1.00 s on average, with an overhead of 1.00 s per node; combine batches of 4."
    assert advice in simulation_text(found, 200)


# -- beside what runs take -------------------------------------------------------------------------


def sleeps(node, seconds, call="time:sleep", **fields):
    return {"id": node, "call": call, "args": [seconds], **fields}


# Something of everything: two that wait for a place, children, async nodes, commands, an edge from each.
SLEEPERS = [
    sleeps("a", 0.05),
    *[sleeps(f"b{i}", 0.1, needs=["a"], pool="x") for i in range(2)],
    sleeps("c", {"$item": True}, map=[0.2, 0.1, 0.1, 0.05], needs=["a"]),
    *[sleeps(f"d{i}", 0.15, "asyncio:sleep") for i in range(3)],
    *[{"id": f"e{i}", "run": ["sleep", "0.1"]} for i in range(3)],
    sleeps("f", 0.1, needs=["c", "d0", "e0"]),
    sleeps("g", 0.05, needs=["b0", "b1", "e2"], priority=1),
    sleeps("h", 0.1, needs=["a"]),
]


def measured(runs, workers, nodes=SLEEPERS):
    path = Path(runs.parent / "graph.json")
    path.write_text(json.dumps({"taskrunner": 1, "name": "sleeps", "pools": {"x": 1}, "nodes": nodes}))
    taskrunner.run(taskrunner.load(path), workers=workers, run_dir=runs)
    return load_run(runs, "last")


@pytest.mark.stress
def test_what_is_predicted_is_near_what_is_measured(tmp_path):
    taken = {w: [measured(tmp_path / f"{w}-{i}", w) for i in range(5)] for w in (1, 2, 3)}
    walls = {w: statistics.median(run.wall_s for run in runs) for w, runs in taken.items()}
    for runs in taken.values():
        for workers, wall in walls.items():
            predicted = statistics.median(wall_s(workload_of(run), workers) for run in runs)
            assert predicted == pytest.approx(wall, rel=0.25)


def test_a_run_says_whether_its_graph_had_run_before(tmp_path):
    assert [measured(tmp_path / "runs", 2, SLEEPERS[:1]).start.ranked for _ in range(2)] == [False, True]
