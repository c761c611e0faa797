"""Which earlier run a run with several workers is measured by."""

import sys

import msgspec
import pytest

import taskrunner
from taskrunner.storage.baseline import BASE_NODE_LIMIT, NODE_LIMIT_PER_SECOND, baseline
from taskrunner.storage.timings import MAX_RUNS

BASELINE = sys.modules[baseline.__module__]
USUAL = {
    "graph": "g", "ok": True, "workers": 1, "done": 3, "python": "CPython 3.13.9", "free_threaded": True, "gil": False,
    "wall_s": 1.0, "cached": 0, "kept": 0, "more": "of it",
}  # fmt: skip


@pytest.fixture
def leave(tmp_path):
    """Return what leaves a run's folder in a directory of runs."""

    def make(run_id, *, graph=b"{}", params=b"{}", **summary):
        folder = tmp_path / run_id
        folder.mkdir()
        (folder / "summary.json").write_bytes(msgspec.json.encode(USUAL | summary))
        (folder / "graph.json").write_bytes(graph)
        (folder / "params.json").write_bytes(params)
        (folder / "events.jsonl").write_bytes(b"{}\n")
        return tmp_path

    return make


def test_it_is_the_newest_one_before_the_run(leave):
    for run_id in ("1", "2", "4"):
        leave(run_id)
    runs = leave("3", workers=2)
    assert baseline(runs, "3") == "2"


@pytest.mark.parametrize(
    "other",
    [
        {"graph": b'{"nodes": []}'}, {"params": b'{"n": 2}'}, {"ok": False}, {"workers": 2}, {"done": 0},
        {"python": "CPython 3.14.0"}, {"free_threaded": False}, {"gil": True}, {"cached": 1}, {"kept": 1},
    ],
    ids=str,
)  # fmt: skip
def test_one_that_differs_is_passed_over(leave, other):
    leave("1")
    leave("2", **other)
    assert baseline(leave("3", workers=2), "3") == "1"


def test_one_of_another_name_is_passed_over(leave, tmp_path):
    leave("1")
    leave("2")
    (tmp_path / "2" / "summary.json").write_bytes(msgspec.json.encode(USUAL | {"graph": "another"}))
    assert baseline(leave("3", workers=2), "3") == "1"


@pytest.mark.parametrize("own", [{"workers": 1}, {"ok": False}, {"cached": 1}, {"kept": 1}, {"done": 0}], ids=str)
def test_a_run_that_is_none_to_compare_has_none(leave, own):
    leave("1")
    assert baseline(leave("2", **{"workers": 2} | own), "2") == ""


def test_there_may_be_none(leave, tmp_path):
    assert baseline(tmp_path, "none") == ""
    assert baseline(leave("1", workers=2), "1") == ""


@pytest.mark.parametrize("name", ["summary.json", "graph.json", "params.json", "events.jsonl"])
def test_one_that_is_damaged_is_passed_over(leave, tmp_path, name):
    leave("1")
    leave("2")
    (tmp_path / "2" / name).unlink()
    assert baseline(leave("3", workers=2), "3") == "1"
    (tmp_path / "2" / "summary.json").write_bytes(b"{")
    assert baseline(tmp_path, "3") == "1"


def test_events_that_take_long_to_read_are_left_alone(leave, tmp_path, monkeypatch):
    monkeypatch.setattr(BASELINE, "MAX_EVENTS_BYTES", 5)
    leave("1")
    leave("2")
    (tmp_path / "2" / "events.jsonl").write_bytes(b"{} \n{}\n")
    assert baseline(leave("3", workers=2), "3") == "1"
    (tmp_path / "3" / "events.jsonl").write_bytes(b"{} \n{}\n")
    assert baseline(tmp_path, "3") == ""


@pytest.mark.parametrize(("more", "found"), [(0, "1"), (1, "")])
def test_a_run_of_many_short_nodes_is_not_made_to_wait(leave, more, found):
    leave("1")
    runs = leave("2", workers=2, wall_s=3.0, done=BASE_NODE_LIMIT + 3 * NODE_LIMIT_PER_SECOND + more)
    assert baseline(runs, "2", is_thorough=False) == found
    assert baseline(runs, "2") == "1"


def test_only_so_many_runs_are_looked_at(leave):
    leave("000")
    for number in range(1, MAX_RUNS):
        leave(f"{number:03}", workers=3)
    assert baseline(leave(f"{MAX_RUNS:03}", workers=2), f"{MAX_RUNS:03}") == "000"
    last = f"{MAX_RUNS + 1:03}"
    assert baseline(leave(last, workers=2), last) == ""


def test_real_runs_leave_what_is_looked_at(tmp_path):
    def run(workers, **params):
        file = b'{"taskrunner": 1, "name": "g", "params": {"n": 1}, "nodes": [{"id": "a", "call": "builtins:list"}]}'
        graph = taskrunner.graph.graph.Graph.decode(file, "json")
        return taskrunner.run(graph, workers=workers, params=params, run_dir=tmp_path).summary.run

    one, other = run(1), run(1, n=2)
    assert baseline(tmp_path, run(2)) == one
    assert baseline(tmp_path, run(2, n=2)) == other
    assert baseline(tmp_path, run(2, n=3)) == ""
