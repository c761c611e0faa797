import msgspec

from taskrunner.analysis.lanes import lanes_of
from taskrunner.analysis.report.timeline import SHADES, shades, timeline_of
from taskrunner.analysis.totals import STATES


def call(node, **fields):
    return {"id": node, "call": "m:f", **fields}


def canvas(run, rows):
    return timeline_of(run, lanes_of(run), rows, "function", ["m:f"] * len(rows))


def test_slices_are_columns_of_gaps_and_lengths(recording):
    record = recording(call("a"), call("b", needs=["a"])).done("a", 0.5, 1.0, queued_s=0.25).retried("b", 2.0, 0.5)
    drawn = canvas(record.end(4.0).run(), {"a": 0, "b": 1})
    first, second = drawn.lanes
    assert (first.name, first.kind, first.rows) == ("worker 0", "worker", [0, 1])
    assert (first.gaps, first.lengths) == ([500_000, 500_000], [1_000_000, 500_000])
    assert first.queued == [250_000, 0]
    assert [STATES[i] for i in first.states] == ["done", "retried"]
    assert second.rows == []
    assert (drawn.wall, drawn.parts) == (4_000_000, [])


def test_the_parts_of_a_resumed_run_are_marked(recording):
    record = recording(call("a"), call("b")).done("a", 0.0, 1.0).end(2.0).begin().done("b", 0.0, 1.0).end(1.0)
    assert canvas(record.run(), {"a": 0, "b": 1}).parts == [2_000_000]


def test_steals_are_columns(recording):
    record = recording(call("a"), call("b", needs=["a"])).done("a", 0.0, 1.0)
    run = record.done("b", 1.5, 1.0, worker=1, queued_s=0.5, stolen=True).run()
    assert [list(column) for column in canvas(run, {"a": 0, "b": 1}).steals] == [[1], [0], [0], [1_000_000]]


def test_a_steal_from_nobody_known_is_marked_by_less_than_nothing(recording):
    run = recording(call("a")).done("a", 0.0, 1.0, stolen=True).run()
    assert [list(column) for column in canvas(run, {"a": 0}).steals] == [[0], [0], [-1], [-1]]


def test_lanes_have_names(recording):
    record = recording(call("a"), {"id": "c", "run": "true"}).done("a", 0.0, 1.0, worker=-1)
    run = record.done("c", 0.0, 1.0, worker=-1).run()
    assert [lane.name for lane in canvas(run, {"a": 0, "c": 1}).lanes] == [
        "worker 0",
        "worker 1",
        "command 1",
        "async 1",
    ]
    others = timeline_of(run, lanes_of(run, max_lanes=0), {"a": 0, "c": 1}, "function", ["m:f"] * 2)
    assert [lane.name for lane in others.lanes[2:]] == ["command, others", "async, others"]


def test_an_empty_run_can_be_written(recording):
    written = msgspec.json.decode(msgspec.json.encode(canvas(recording().run(), {})))
    assert written["steals"] == [[], [], [], []]


def test_the_groups_that_took_longest_have_colours_of_their_own():
    names = [f"f{i}" for i in range(10)]
    spent = [float(i) for i in range(10)]
    assert shades([*names, "f9"], [*spent, 1.0]) == [SHADES, SHADES, SHADES, 6, 5, 4, 3, 2, 1, 0]
    assert shades([], []) == []
