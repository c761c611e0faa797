"""Orders that a run is asked to take."""

import threading

import pytest

import taskrunner
from taskrunner.engines.local import backend as threads
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.plan.ordering import UNRANKED, replayed, shuffled
from taskrunner.pool.policy import SeededPolicy
from taskrunner.storage.timings import recorded_order


def give(value):
    return value


@pytest.fixture
def graph():
    """Return a graph of many nodes that are ready at once, children among them."""
    graph = taskrunner.Graph("many")
    for number in range(5):
        first = graph.call(give, number, id=f"first-{number}", priority=number)
        graph.call(give, first, id=f"second-{number}")
    graph.map(give, range(5), id="each")
    return graph


def starts(result):
    """Return the calls in the order in which they began."""
    began = sorted(result.timing, key=lambda timing: timing.started_at)
    return [timing.node for timing in began if timing.node != "each"]


def test_equal_seeds_give_equal_orders_and_others_do_not(graph):
    orders = [starts(taskrunner.run(graph, workers=1, shuffle=seed)) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(orders[0]))}


def test_a_seed_shuffles_children_and_goes_before_priorities(graph):
    orders = [starts(taskrunner.run(graph, workers=1, shuffle=seed)) for seed in range(6)]
    children = {tuple(node for node in order if node.startswith("each[")) for order in orders}
    assert len(children) > 1
    assert len({order.index("first-0") < order.index("first-4") for order in orders}) == 2


def test_with_one_worker_every_node_has_its_rank():
    graph = taskrunner.Graph("apart")
    nodes = [f"n{number}" for number in range(30)]
    for node in nodes:
        graph.call(give, node, id=node)
    for seed in range(3):
        order = starts(taskrunner.run(graph, workers=1, shuffle=seed))
        assert order == sorted(nodes, key=shuffled(seed), reverse=True)


def test_with_several_workers_about_half_of_the_nodes_have_no_rank_and_the_others_keep_theirs():
    nodes = [f"n{number}" for number in range(1000)]
    for seed in range(3):
        all_ranks, some = shuffled(seed), shuffled(seed, allow_stealing=True)
        ranked = [node for node in nodes if some(node) != UNRANKED]
        assert 400 < len(ranked) < 600
        assert list(map(some, ranked)) == list(map(all_ranks, ranked))
        assert min(map(all_ranks, nodes)) > UNRANKED


SEED = 5
IN_DEQUES, IN_INBOX = (
    [node for node in map(str, range(40)) if bool(shuffled(SEED, allow_stealing=True)(node)) is is_ranked]
    for is_ranked in (False, True)
)


@pytest.mark.parametrize(("ids", "steals"), [(IN_DEQUES, 1), (IN_INBOX, 0)])
def test_what_has_no_rank_is_stolen_and_what_has_one_is_not(ids, steals):
    """Two nodes wait for each other: so the worker that made them ready runs one, and the other one the other."""
    meeting = threading.Barrier(2, timeout=60)
    graph = taskrunner.Graph("pair")
    first = graph.call(give, 1, id="first")
    for node in ids[:2]:
        graph.call(lambda _: meeting.wait() >= 0, first, id=node)
    result = taskrunner.run(graph, workers=2, shuffle=SEED)
    assert result.ok
    assert sum(timing.stolen for timing in result.timing if timing.node in ids) == steals


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_on_several_workers_each_node_runs_once_whichever_way_it_goes(graph, workers):
    usual = taskrunner.run(graph, workers=1)
    for seed in range(10):
        result = taskrunner.run(graph, workers=workers, shuffle=seed)
        assert sorted(starts(result)) == sorted(starts(usual))
        assert result.outputs == usual.outputs


@pytest.mark.parametrize(("order", "seeds"), [({"shuffle": 5}, [5]), ({"replay": "last"}, []), ({}, [])])
def test_only_under_a_seed_the_pool_chooses_by_it(graph, tmp_path, monkeypatch, order, seeds):
    taskrunner.run(graph, workers=1, run_dir=tmp_path)
    found = []
    monkeypatch.setattr(threads, "SeededPolicy", lambda seed: found.append(seed) or SeededPolicy(seed))
    taskrunner.run(graph, workers=2, run_dir=tmp_path, **order)
    assert found == seeds


@pytest.mark.parametrize("seed", [None, 7, 8])
def test_a_replay_on_one_worker_is_exact(graph, tmp_path, seed):
    first = taskrunner.run(graph, workers=1, shuffle=seed, run_dir=tmp_path)
    taskrunner.run(graph, workers=1, shuffle=99, run_dir=tmp_path)
    again = taskrunner.run(graph, workers=1, replay="last~1", run_dir=tmp_path)
    assert starts(again) == starts(first)
    assert again.outputs == first.outputs


def test_a_run_says_which_order_it_was_asked_for(graph, tmp_path):
    first = taskrunner.run(graph, workers=1, shuffle=5, run_dir=tmp_path).summary.run
    again = taskrunner.run(graph, workers=1, replay=first, run_dir=tmp_path).summary.run
    begin = [(tmp_path / run / "events.jsonl").read_text().partition("\n")[0] for run in (first, again)]
    assert '"shuffle":5,"replay":""' in begin[0]
    assert f'"shuffle":null,"replay":"{first}"' in begin[1]


def test_orders_that_cannot_be_are_refused(graph, tmp_path):
    with pytest.raises(UsageError, match="not both"):
        taskrunner.run(graph, shuffle=1, replay="last", run_dir=tmp_path)
    with pytest.raises(UsageError, match="only where runs have directories"):
        taskrunner.run(graph, replay="last")
    with pytest.raises(UsageError, match="no run"):
        taskrunner.run(graph, replay="last", run_dir=tmp_path)
    (tmp_path / "events.jsonl").write_text('{"event":"run.start"}\n')
    with pytest.raises(TaskrunnerError, match="contains no started node"):
        recorded_order(tmp_path)


def test_the_first_start_of_a_node_counts(tmp_path):
    lines = ['{"event":"node.done","node":"b","started_at":2.0}', '{"event":"node.done","node":"a","started_at":3.0}',
             '{"event":"node.retry","node":"a","started_at":1.0}', '{"event":"node.done","no']  # fmt: skip
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    assert recorded_order(tmp_path) == ["a", "b"]


def test_a_mapped_node_goes_just_before_its_first_child_and_what_is_unknown_last():
    rank = replayed(["a", "m[1]", "b", "m[0]"], {"m"})
    nodes = ["x", "m[0]", "b", "m", "a", "m[1]"]
    assert sorted(nodes, key=rank, reverse=True) == ["a", "m", "m[1]", "b", "m[0]", "x"]


def test_a_rank_is_above_zero_whatever_the_id():
    assert min(shuffled(3)(node) for node in ["", "a", "\ud800", "x" * 1000]) > 1
