import json
import time

import msgspec
import pytest

import taskrunner
from taskrunner import RunFailedError
from taskrunner.session.result import RunResult
from taskrunner.system.host import peak_memory


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
        ("inner", 'the result of "inner" is not available: the node is not an output'),
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


def test_a_failed_and_a_skipped_node_have_their_reasons(result):
    assert [(failure.node, failure.path) for failure in result.failures] == [("bad", ("bad",))]
    assert {node: (skip.reason, skip.because) for node, skip in result.skipped.items()} == {"after": ("needs", "bad")}


# -- the summary is made when somebody asks for it -------------------------------------------------------


def test_the_summary_is_made_once_and_only_when_it_is_asked_for():
    made = []
    result = RunResult(True, [], {"a": 1}, [], 0, lambda: made.append(1) or "summary")  # noqa: FBT003
    assert (result.ok, result["a"], result.timing, result.skipped, made) == (True, 1, [], {}, [])
    assert (result.summary, result.summary, made) == ("summary", "summary", [1])


@pytest.mark.parametrize("fails", [False, True])
def test_whether_a_run_was_ok_is_known_without_its_summary(monkeypatch, fails):
    def summarize(*_):
        raise AssertionError("nobody has asked")

    monkeypatch.setattr("taskrunner.session.result.summarize", summarize)
    graph = taskrunner.Graph()
    graph.call(fail if fails else int)
    assert taskrunner.run(graph, workers=1).ok is not fails


def test_a_summary_that_is_asked_for_late_tells_of_the_end_of_the_run():
    graph = taskrunner.Graph("early")
    first = graph.call(time.sleep, 0.02, id="first")
    graph.call(int, needs=[first], id="second")
    began = time.perf_counter()
    result = taskrunner.run(graph, workers=2)
    took, used = time.perf_counter() - began, peak_memory()
    later = bytearray(used + 2**24)  # touched: zeroed, and written to
    later[:: 2**12] = b"x" * len(later[:: 2**12])
    graph.call(fail, id="third", needs=["first"])
    graph.head = msgspec.structs.replace(graph.head, name="late")
    assert not taskrunner.run(graph, workers=2).ok
    time.sleep(0.05)
    summary = result.summary
    assert 0.02 <= summary.wall_s <= took
    assert summary.peak_memory_bytes <= used < peak_memory()
    assert (summary.graph, summary.nodes, summary.done, summary.ok) == ("early", 2, 2, True)
    assert (summary.critical_path, summary.slowest[0].node) == (("first", "second"), "first")
    assert sorted(entry.node for entry in result.timing) == ["first", "second"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_summary_is_that_of_the_last_event_and_of_the_folder(tmp_path, fails):
    class Ear:
        def on_events(self, events):
            heard.extend(events)

        def close(self):
            """Keep what was heard."""

    heard = []
    graph = taskrunner.Graph("g")
    graph.call(int if fails else len, graph.map(abs, [-1, -2], id="m"), id="end")
    result = taskrunner.run(graph, workers=2, observers=[Ear()], run_dir=tmp_path)
    summary = msgspec.to_builtins(result.summary)
    assert json.loads((tmp_path / result.summary.run / "summary.json").read_bytes()) == json.loads(json.dumps(summary))
    told = msgspec.to_builtins(heard[-1])
    assert (told.pop("event"), told.pop("level")) == ("run.done", "error" if fails else "info")
    assert told == {name: summary[name] for name in told}
    assert result.ok is summary["ok"] is not fails


# -- a result holds its outputs and nothing else -------------------------------------------------------


class Thing:
    """Something that a weak reference can watch."""

    def __call__(self, *_):
        """Stand for a function."""
