import pytest

import taskrunner
from taskrunner import RunFailedError


def fail():
    raise ValueError("no")


@pytest.fixture
def result():
    graph = taskrunner.Graph("g")
    bad = graph.call(fail, id="bad")
    graph.call(print, bad, id="after")
    inner = graph.call(dict, rows=[1, 2], id="inner")
    graph.call(len, inner, id="size")
    return taskrunner.run(graph, workers=1, stop_after=0)


def test_outputs_are_found_by_id_and_by_handle(result):
    assert result["size"] == result[taskrunner.Handle("size")] == 1
    assert result.outputs == {"size": 1}
    assert not result.ok


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ("bad", 'node "bad" failed: ValueError: no'),
        ("after", 'node "after" was skipped because of "bad"'),
        ("inner", 'the result of "inner" was not kept: it is no output'),
        ("nobody", 'no node "nobody" in this run'),
    ],
)
def test_a_result_that_is_not_there_says_why(result, node, why):
    with pytest.raises(RunFailedError) as caught:
        result[node]
    assert str(caught.value) == why


def test_timing_has_each_node_once_in_the_order_of_their_ends(result):
    timing = result.timing
    assert sorted(t.node for t in timing) == ["after", "bad", "inner", "size"]
    assert {t.node: t.state for t in timing} == {"bad": "failed", "after": "skipped", "inner": "done", "size": "done"}
    ends = [t.started_at + t.ran_s for t in timing]
    assert ends == pytest.approx(sorted(ends))
    assert all(t.queued_s >= 0 and t.ran_s >= 0 and t.worker == 0 for t in timing)
