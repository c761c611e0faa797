"""The search, on graphs with planted mistakes and on clean ones."""

from pathlib import Path

import pytest

import taskrunner
from taskrunner import RunOptions
from taskrunner.stress.interleaving import Interleaving
from taskrunner.stress.report import ORDER, OVERLAP, UNSTEADY
from taskrunner.stress.search import BaselineFailedError, StressOptions, _Search, search

FOLDER = Path(__file__).parents[2] / "workloads"
COUNT = iter(range(1_000_000))


def load(name):
    return taskrunner.load(FOLDER / f"{name}.json")


def give(*values):
    return list(values)


def count():
    return next(COUNT)


def append(items, item):
    items.append(item)


def fail(*_):
    raise ValueError("no luck")


def fail_if_empty(items):
    return items[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_edge_is_found_and_shrunk_to_one_pair(tmp_path, workers):
    report = search(load("racy-edge"), StressOptions(run=RunOptions(run_dir=tmp_path, workers=workers)))
    assert report.finding is not None
    assert (report.finding.kind, report.finding.reorderings) == (ORDER, (("interest", "deposit"),))
    (difference,) = report.finding.differences
    assert (difference.node, difference.expected, difference.found) == ("balance", "1650", "1600")
    replayed = taskrunner.run(load("racy-edge"), workers=1, run_dir=tmp_path, replay=report.finding.run)
    assert replayed["balance"] == 1600


def test_a_missing_edge_is_explained_by_who_ended_first_where_all_began_as_usual(tmp_path, monkeypatch):
    """Both ran at once beside a pair that has nothing to do with it."""

    def run_with_seed(self, seed):
        call_log = self._run_in_order(["account", "interest", "deposit", "receipt", "balance"])
        call_log.started = self.baseline.started
        call_log.interleaving = Interleaving(("receipt", "balance"), seed)
        return call_log

    monkeypatch.setattr(_Search, "_run_with_seed", run_with_seed)
    finding = search(load("racy-edge"), StressOptions(run=RunOptions(run_dir=tmp_path, workers=2))).finding
    assert (finding.kind, finding.reorderings) == (ORDER, (("interest", "deposit"),))


@pytest.mark.usefixtures("nobody_is_stuck")
def test_a_missing_lock_is_found_by_two_deposits_and_found_again():
    report = search(load("racy"), StressOptions())
    assert report.finding is not None
    assert report.finding.kind == OVERLAP
    assert {node.partition("[")[0] for node in report.finding.pair} == {"deposit"}
    assert [difference.node for difference in report.finding.differences] == ["balance"]
    assert report.finding.again == report.finding.tries
    again = search(load("racy"), StressOptions(first_seed=report.finding.seed, seeds=1))
    assert again.finding == report.finding


@pytest.mark.parametrize("params", [{"n": 8, "copies": 6}])
def test_a_clean_graph_gives_no_alarm(params):
    report = search(load("fib"), StressOptions(run=RunOptions(params=params, workers=2), seeds=40))
    assert (report.finding, report.shared, report.runs) == (None, (), 42)
    assert report.met == 20


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "params"),
    [("fib", {"n": 8, "copies": 6}), ("ingest", {"sources": [2, 3], "batches": 2, "delay": 0.0, "rounds": 5})],
)
def test_a_clean_workload_gives_no_alarm_in_a_thousand_runs(name, params):
    report = search(load(name), StressOptions(run=RunOptions(params=params, workers=2), seeds=1000, track=True))
    assert (report.finding, report.shared, report.runs) == (None, (), 1002)


def test_a_result_that_changes_by_itself_is_told_as_such():
    graph = taskrunner.Graph("g")
    graph.call(count, id="number")
    report = search(graph, StressOptions(seeds=5))
    assert report.finding is not None
    assert (report.finding.kind, [d.node for d in report.finding.differences]) == (UNSTEADY, ["number"])
    assert search(graph, StressOptions(seeds=5, ignore=("number",))).finding is None


def test_a_failure_is_a_difference(tmp_path):
    graph = taskrunner.Graph("g")
    items = graph.call(give, id="items")
    graph.call(append, items, 1, id="fill")
    graph.call(fail_if_empty, items, id="look")
    report = search(graph, StressOptions(run=RunOptions(workers=1, run_dir=tmp_path)))
    assert report.finding is not None
    assert report.finding.reorderings == (("look", "fill"),)
    assert "IndexError" in next(d.found for d in report.finding.differences if d.node == "look")


def test_a_graph_that_fails_by_itself_is_refused():
    graph = taskrunner.Graph("g")
    graph.call(fail, id="bad")
    with pytest.raises(BaselineFailedError, match='node "bad" fails in the baseline run'):
        search(graph, StressOptions())
    allowed = taskrunner.Graph("g")
    allowed.call(fail, id="bad", allow_failure=True)
    assert search(allowed, StressOptions(seeds=2)).finding is None


def test_tracking_warns_though_the_result_is_right(tmp_path):
    graph = taskrunner.Graph("g")
    items = graph.call(give, id="items")
    graph.call(append, items, 1, id="fill")
    graph.call(give, items, id="look")
    after = graph.call(len, items, id="after", needs=["fill"])
    graph.output(after)
    run = RunOptions(run_dir=tmp_path, workers=2)
    report = search(graph, StressOptions(run=run, seeds=1, track=True, ignore=("look",)))
    assert report.finding is None
    assert [(found.type, found.changed_by, found.seen_by) for found in report.shared] == [("list", "fill", "look")]


def test_a_result_without_a_form_is_named():
    graph = taskrunner.Graph("g")
    graph.call(object, id="thing")
    assert search(graph, StressOptions(seeds=2)).uncompared == ("thing",)
