from itertools import pairwise

import pytest

from taskrunner.observe.recorded import Attempt
from taskrunner.observe.report import timeline
from taskrunner.observe.report.timeline import Steal, clipped, lanes_of, steals_of

A = {"id": "a", "call": "m:f"}
MAPPED = {"id": "m", "call": "m:f", "map": [1, 2, 3]}
SHELL = {"id": "c", "run": "true"}
LOOP = -1


def shown(lanes):
    return {lane.name: [(piece.attempt.node, piece.start, piece.end) for piece in lane.slices] for lane in lanes}


def test_there_is_a_lane_for_each_worker_also_for_one_that_did_nothing(recording):
    run = recording(A, workers=3).done("a", 0.5, 1.0, worker=1).run()
    assert shown(lanes_of(run)) == {"worker 0": [], "worker 1": [("a", 500_000, 1_500_000)], "worker 2": []}


def test_a_run_that_went_on_with_more_workers_has_lanes_for_all(recording):
    run = recording(A, workers=1).begin(workers=2).done("a", 0.0, 1.0).run()
    assert [lane.name for lane in lanes_of(run)] == ["worker 0", "worker 1"]


def test_slices_of_a_lane_never_overlap(recording):
    """The end of a mapped node counts the time of its expansion as if it had been spent just before."""
    record = recording(MAPPED).done("m[0]", 1.0, 1.0).done("m[1]", 2.0, 1.0).done("m", 2.5, 1.0)
    lane = lanes_of(record.run())[0]
    assert shown([lane]) == {
        "worker 0": [("m[0]", 1_000_000, 2_000_000), ("m[1]", 2_000_000, 3_000_000), ("m", 3_000_000, 3_500_000)]
    }


@pytest.mark.parametrize("seed", range(20))
def test_clipped_slices_keep_their_order_and_their_ends(recording, seed):
    run = recording(A)
    for i in range(30):
        run.done("a", (i * 7919 * (seed + 1)) % 97 / 10, (i * 31 + seed) % 13 / 10)
    attempts = run.run().attempts
    slices = clipped(attempts)
    assert sorted([piece.end for piece in slices]) == sorted([round(a.ended * 1e6) for a in attempts])
    assert all(one.end <= other.start <= other.end for one, other in pairwise(slices))
    assert all(piece.start >= round(piece.attempt.started * 1e6) or piece.start == piece.end for piece in slices)


def test_what_overlaps_on_the_event_loop_gets_the_first_free_lane(recording):
    record = recording({"id": "a", "call": "m:f"}, {"id": "b", "call": "m:f"}, {"id": "d", "call": "m:f"}, SHELL)
    record.done("a", 0.0, 2.0, worker=LOOP).done("b", 1.0, 2.0, worker=LOOP).done("d", 2.0, 1.0, worker=LOOP)
    record.done("c", 0.0, 1.0, worker=LOOP)
    assert shown(lanes_of(record.run())[2:]) == {
        "command 1": [("c", 0, 1_000_000)],
        "async 1": [("a", 0, 2_000_000), ("d", 2_000_000, 3_000_000)],
        "async 2": [("b", 1_000_000, 3_000_000)],
    }


def test_without_a_graph_nobody_knows_what_was_a_command(recording):
    run = recording(SHELL).done("c", 0.0, 1.0, worker=LOOP).run(has_graph=False)
    assert shown(lanes_of(run)[2:]) == {"event loop 1": [("c", 0, 1_000_000)]}


def test_there_is_an_end_to_the_number_of_lanes(recording, monkeypatch):
    monkeypatch.setattr(timeline, "MOST_LANES", 2)
    record = recording(*[{"id": f"a{i}", "call": "m:f"} for i in range(5)])
    for i in range(5):
        record.done(f"a{i}", i / 10, 1.0, worker=LOOP)
    lanes = lanes_of(record.run())[2:]
    assert [(lane.name, len(lane.slices)) for lane in lanes] == [("async 1", 1), ("async 2", 1), ("async, others", 3)]


def test_a_steal_comes_from_the_worker_that_made_the_node_ready(recording):
    record = recording(A, {"id": "b", "call": "m:f", "needs": ["a"]})
    run = record.done("a", 0.0, 1.0, worker=1).done("b", 1.5, 1.0, worker=0, queued_s=0.5, stolen=True).run()
    assert list(steals_of(run, lanes_of(run))) == [Steal(lane=0, place=0, source=1, moment=1_000_000)]


def test_a_stolen_child_comes_from_the_worker_where_those_ran_that_were_not_stolen(recording):
    record = recording(MAPPED).done("m[0]", 0.0, 1.0, worker=1).done("m[1]", 0.0, 1.0, queued_s=0.0, stolen=True)
    run = record.run()
    assert list(steals_of(run, lanes_of(run))) == [Steal(0, 0, 1, 0)]


def test_where_a_stolen_node_without_needs_comes_from_nobody_knows(recording):
    run = recording(A).done("a", 0.0, 1.0, stolen=True).run()
    assert list(steals_of(run, lanes_of(run))) == [Steal(0, 0, -1, -1)]


def test_what_came_back_to_its_own_worker_is_stolen_from_nobody_known(recording):
    record = recording(A, {"id": "b", "call": "m:f", "needs": ["a"]})
    run = record.done("a", 0.0, 1.0).done("b", 1.5, 1.0, queued_s=0.5, stolen=True).run()
    assert list(steals_of(run, lanes_of(run))) == [Steal(0, 1, -1, -1)]


def test_an_attempt_is_what_a_slice_holds(recording):
    (piece,) = lanes_of(recording(A).done("a", 0.0, 1.0).run())[0].slices
    assert isinstance(piece.attempt, Attempt)
    assert lanes_of(recording(A).done("a", 0.0, 1.0).run())[0].busy == 1_000_000
