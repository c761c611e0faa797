from itertools import pairwise

import pytest

from taskrunner.analysis.attempts import OFFLOADED, WORKER
from taskrunner.analysis.lanes import Slice, clip, lanes_of, nanoseconds

A = {"id": "a", "call": "m:f"}
MAPPED = {"id": "m", "call": "m:f", "map": [1, 2, 3]}
SHELL = {"id": "c", "run": "true"}
LOOP = -1


def shown(lanes):
    """Return the slices of each lane, by its kind and number, with their times in milliseconds."""
    return {
        f"{lane.kind} {lane.number}": [(p.attempt.node, p.start / 1e6, p.end / 1e6) for p in lane.slices]
        for lane in lanes
    }


def test_there_is_a_lane_for_each_worker_also_for_one_that_did_nothing(recording):
    run = recording(A, workers=3).done("a", 0.5, 1.0, worker=1).run()
    assert shown(lanes_of(run)) == {"worker 0": [], "worker 1": [("a", 500, 1500)], "worker 2": []}


def test_a_run_that_went_on_with_more_workers_has_lanes_for_all(recording):
    run = recording(A, workers=1).begin(workers=2).done("a", 0.0, 1.0).run()
    assert [(lane.kind, lane.number) for lane in lanes_of(run)] == [(WORKER, 0), (WORKER, 1)]


def test_slices_of_a_lane_never_overlap(recording):
    """The end of a mapped node counts the time of its expansion as if it had been spent just before."""
    record = recording(MAPPED).done("m[0]", 1.0, 1.0).done("m[1]", 2.0, 1.0).done("m", 2.5, 1.0)
    lane = lanes_of(record.run())[0]
    assert shown([lane]) == {"worker 0": [("m[0]", 1000, 2000), ("m[1]", 2000, 3000), ("m", 3000, 3500)]}


@pytest.mark.parametrize("seed", range(20))
def test_clipped_slices_keep_their_order_and_their_ends(recording, seed):
    run = recording(A)
    for i in range(30):
        run.done("a", (i * 7919 * (seed + 1)) % 97 / 10, (i * 31 + seed) % 13 / 10)
    attempts = run.run().attempts
    given = [Slice(nanoseconds(a.started), nanoseconds(a.ended), a) for a in attempts]
    slices = clip(given)
    assert [piece.end for piece in slices] == sorted([piece.end for piece in given])
    assert all(one.end <= other.start <= other.end for one, other in pairwise(slices))
    assert all(piece.start >= nanoseconds(piece.attempt.started) or piece.start == piece.end for piece in slices)


def test_what_overlaps_on_the_event_loop_gets_the_first_free_lane(recording):
    record = recording({"id": "a", "call": "m:f"}, {"id": "b", "call": "m:f"}, {"id": "d", "call": "m:f"}, SHELL)
    record.done("a", 0.0, 2.0, worker=LOOP).done("b", 1.0, 2.0, worker=LOOP).done("d", 2.0, 1.0, worker=LOOP)
    record.done("c", 0.0, 1.0, worker=LOOP)
    assert shown(lanes_of(record.run())[2:]) == {
        "command 0": [("c", 0, 1000)],
        "async 0": [("a", 0, 2000), ("d", 2000, 3000)],
        "async 1": [("b", 1000, 3000)],
    }


def test_without_a_graph_nobody_knows_what_was_a_command(recording):
    run = recording(SHELL).done("c", 0.0, 1.0, worker=LOOP).run(has_graph=False)
    assert shown(lanes_of(run)[2:]) == {"event loop 0": [("c", 0, 1000)]}


def test_there_is_an_end_to_the_number_of_lanes(recording):
    record = recording(*[{"id": f"a{i}", "call": "m:f"} for i in range(5)])
    for i in range(5):
        record.done(f"a{i}", i / 10, 1.0, worker=LOOP)
    lanes = lanes_of(record.run(), max_lanes=2)[2:]
    assert [(lane.number, len(lane.slices)) for lane in lanes] == [(0, 1), (1, 1), (-1, 3)]


def test_a_mapped_node_is_gathered_after_the_last_of_its_children_on_whichever_worker(recording):
    record = recording(MAPPED).done("m[0]", 0.0, 3.0, worker=1).done("m", 1.0, 2.5)
    assert shown(lanes_of(record.run())) == {"worker 0": [("m", 3000, 3500)], "worker 1": [("m[0]", 0, 3000)]}


def loop(recording, *spans):
    """Return the lanes of what waited on the event loop from and to so many nanoseconds, a nanosecond apart."""
    record = recording(workers=0)
    for start, end in spans:
        record.done("a", start / 1e9, (end - start) / 1e9, worker=LOOP)
    lanes = lanes_of(record.run(), lambda _run, _attempt: OFFLOADED, gap=1)
    return [[(piece.start, piece.end) for piece in lane.slices] for lane in lanes]


def test_with_a_gap_slices_that_touch_are_on_lanes_of_their_own(recording):
    spans = loop(recording, (1, 10), (2, 5), (5, 6), (6, 9), (11, 12))
    assert spans == [[(1, 10), (11, 12)], [(2, 5), (6, 9)], [(5, 6)]]


def test_with_a_gap_a_slice_lasts_as_long_and_none_starts_at_nothing(recording):
    assert loop(recording, (0, 0)) == [[(1, 2)]]


def test_seconds_become_the_nanoseconds_that_they_were_made_of():
    assert [nanoseconds(n / 1e9) for n in range(10_000)] == list(range(10_000))
