"""The same graph ends alike on the threads of this process and on a Dask cluster of other processes."""

import sys
import threading
import types
from pathlib import Path

import msgspec
import nodes
import pytest
from cases import CASES, ITEM, call, ref
from click.testing import CliRunner
from told import Ear, decoded, run

import taskrunner
from taskrunner.cli.main import cli
from taskrunner.events.types import RunStart, RunWarning, SiteJoined


@pytest.mark.parametrize("name", CASES)
def test_a_graph_ends_on_dask_as_on_threads(name, check_case, cluster):
    check_case(CASES[name], cluster.engine())


@pytest.mark.parametrize("name", ["chains", "failures"])
def test_what_is_not_fused_ends_alike(name, check_case, cluster):
    check_case(CASES[name], cluster.engine(fuses=False))


# -- what threads do otherwise, or not at all ------------------------------------------------------------


def go(cluster, *graph, stop_after=0, fuses=True, ear=None, **options):
    engine = cluster.engine(fuses=fuses)
    observers = [] if ear is None else [ear]
    return taskrunner.run(
        decoded({"nodes": list(graph)}), engine=engine, stop_after=stop_after, observers=observers, **options
    )


def test_a_list_does_not_go_where_its_items_go(cluster):
    children = call("c", "name_of_slowly", ITEM, map=ref("made"))  # on both workers
    assert go(cluster, call("made", "held", 6), children).outputs["c"] == ["int"] * 6


def test_a_text_that_cannot_be_encoded_is_told_in_another_form(cluster):
    result = go(cluster, call("a", "fail_with", "surrogate"))
    assert [f.message for f in result.failures] == [r"ValueError: \ud800"]


@pytest.mark.parametrize(("function", "arguments"), [("lock", ()), ("held", (2,))])
def test_an_output_that_cannot_be_brought_here_is_a_failure(cluster, function, arguments):
    result = go(cluster, call("a", "give", 1), call("b", function, *arguments), call("c", "give", 3))
    assert result.outputs == {"a": 1, "c": 3}
    (failure,) = result.failures
    assert (result.ok, failure.node) == (False, "b")
    assert "cannot pickle" in failure.message


def test_an_output_may_be_a_function(cluster):
    assert go(cluster, call("a", "function", 7)).outputs["a"]() == 7


class Watcher:
    """Sees what runs, and lets it end then."""

    def __init__(self, path):
        self.path = path
        self.seen = {}

    def on_events(self, events):
        pass

    def on_running(self, running, _):
        for node in running:
            self.seen.setdefault(node.node, node)
            if node.node == "long":
                self.path.touch()

    def close(self):
        pass


def test_what_takes_long_is_seen_to_run(cluster, tmp_path):
    watcher = Watcher(tmp_path / "go")
    nodes = [call("a", "give", 1), call("long", "touch_and_wait", str(tmp_path / "begun"), str(watcher.path), ref("a"))]
    assert go(cluster, *nodes, ear=watcher, timeout=60).ok
    assert (watcher.seen["long"].worker, watcher.seen["long"].attempt) in [(0, 1), (1, 1)]


def test_a_result_that_cannot_be_moved_stays_and_who_takes_it_comes(cluster, tmp_path):
    locks = [call(node, "meet_and_lock", str(tmp_path), "both", 2) for node in "ab"]
    takers = [call(f"{node}-pid", "pid_with", ref(node)) for node in "ab"]
    result = go(cluster, *locks, *takers, call("c", "many", ref("a"), ref("b")), fuses=False, timeout=60)
    (failure,) = result.failures
    assert failure.node == "c"
    assert "cannot be pickled from different worker processes" in failure.message
    assert result.outputs["a-pid"] != result.outputs["b-pid"]


def test_items_that_cannot_be_moved_are_taken_where_they_are(cluster):
    result = go(cluster, call("made", "locks", 5), call("c", "pid_with", ITEM, map=ref("made")), timeout=60)
    assert len(set(result.outputs["c"])) == 1


def test_a_result_that_turns_out_not_to_move_fails_the_node_that_takes_it(cluster, tmp_path):
    hiding = [call(node, "meet_and_hide", str(tmp_path), "both", 2) for node in "ab"]
    result = go(cluster, *hiding, call("c", "many", ref("a"), ref("b")), timeout=30)
    (failure,) = result.failures
    assert failure.node == "c"
    assert failure.message.startswith("a result cannot be moved: ")
    assert "cannot pickle" in failure.message


def test_a_result_that_cannot_be_made_anew_fails_the_node_that_takes_it(cluster, tmp_path):
    made = [call(node, "meet_and_close", str(tmp_path), "both", 2) for node in "ab"]
    result = go(cluster, *made, call("c", "many", ref("a"), ref("b")), timeout=30)
    (failure,) = result.failures
    assert (failure.node, failure.message) == ("c", "a result cannot be moved: ValueError: it stays closed")


def test_the_cluster_is_as_good_as_before_after_that(cluster):
    assert go(cluster, call("m", "double", ITEM, map=[1, 2, 3, 4])).outputs == {"m": [2, 4, 6, 8]}


@pytest.mark.parametrize("function", ["address_of_worker", "address_of_worker_async"])
@pytest.mark.parametrize("options", [{}, {"timeout": 60.0}], ids=str)
def test_a_node_finds_its_worker(function, options, cluster):
    """Of all variables, a node's context holds Dask's."""
    result = go(cluster, call("a", function, **options), call("b", function, ref("a"), **options))
    assert result.outputs["b"].startswith("tcp://127.0.0.1:"), result.failures


# -- functions given in Python -----------------------------------------------------------------------------


def test_functions_given_in_python_travel(cluster):
    graph, factor = taskrunner.Graph("python"), 3
    one = graph.call(nodes.add, 1, 2)
    two = graph.call(lambda number: number * factor, one)
    three = graph.map(nodes.row, graph.call(nodes.count_to, two), id="rows")
    other = graph.call(nodes.who_async, id="other")
    part = graph.call(nodes.give, three[1][0])
    made = graph.call(nodes.name_of, nodes.Pair(1, 2))
    graph.output(two, three, other, part, made)
    here = taskrunner.run(graph)
    there = taskrunner.run(graph, engine=cluster.engine())
    assert there.ok
    assert there.outputs == here.outputs
    assert there[three[1]] == [1, 2]


def test_a_function_of_a_module_that_is_not_there_is_a_failure_that_says_so(cluster, monkeypatch):
    module = types.ModuleType("only_here")
    exec("def give(): return 1", vars(module))  # noqa: S102  it has no file
    monkeypatch.setitem(sys.modules, "only_here", module)
    graph = taskrunner.Graph()
    graph.call(module.give, id="a")
    graph.call(nodes.give, 2, id="b")
    result = taskrunner.run(graph, engine=cluster.engine(), stop_after=0)
    (failure,) = result.failures
    assert (failure.node, result.outputs) == ("a", {"b": 2})
    assert "only_here" in failure.message


@pytest.mark.parametrize("kind", ["call", "async"])
def test_an_argument_that_cannot_travel_fails_its_node_alone(cluster, kind):
    graph = taskrunner.Graph()
    graph.call(nodes.name_of if kind == "call" else nodes.who_async, threading.Lock(), id="a")
    graph.call(nodes.give, 2, id="b")
    result = taskrunner.run(graph, engine=cluster.engine(), stop_after=0)
    (failure,) = result.failures
    assert (failure.node, result.outputs) == ("a", {"b": 2})
    assert "cannot pickle" in failure.message


# -- a run that is stopped from outside --------------------------------------------------------------------


def out_of_time(tmp_path, **options):
    folder = str(tmp_path)
    graph = [
        call("call", "until_cancelled", folder),
        call("after", "give", ref("call")),
        call("clean", "give", "clean", needs=["after"], always=True),
        call("async", "forever"),
        {"id": "command", "run": "sleep 60"},
        call("quick", "give", 1),
        {**call("again", "fail"), "retries": {"max": 9, "backoff": 60.0}},
    ]
    return run(decoded({"nodes": graph}), tmp_path / "runs", stop_after=0, timeout=1.5, **options)


def test_a_run_out_of_time_ends_alike(cluster, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    first, here, _ = out_of_time(tmp_path / "here", workers=2)
    second, there, _ = out_of_time(tmp_path / "there", engine=cluster.engine())
    assert first.summary.timed_out_s == second.summary.timed_out_s == 1.5
    for part in ("outputs", "states", "skipped", "counts"):
        assert there[part] == here[part], part
    assert {key: told[:2] for key, told in there["failures"].items()} == {
        key: told[:2] for key, told in here["failures"].items()
    }
    assert (tmp_path / "there" / "cancelled").read_text() == "call 1 True True"


# -- where a command runs -----------------------------------------------------------------------------------


def test_a_command_runs_in_a_folder_of_its_run_on_the_worker(cluster, tmp_path):
    commands = [
        {"id": "where", "run": "pwd; mkdir sub"},
        {"id": "file", "run": "echo x > file; cat file", "needs": ["where"]},
        {"id": "below", "run": "pwd", "cwd": "sub", "needs": ["where"]},
    ]
    # Which worker runs which is not said, so these are a chain on the only one that is there then.
    result = go(cluster, commands[0], run_dir=tmp_path)
    (where,) = result.outputs.values()
    assert where.strip().startswith(str(cluster.folder))
    assert not Path(where.strip()).exists()  # it is gone with the run
    (folder,) = tmp_path.iterdir()
    assert (folder / "commands" / "where.out").read_text() == where


def test_large_output_is_brought_to_the_run_s_folder(cluster, tmp_path):
    size = 9_000_000  # more than is read at once
    result = go(cluster, {"id": "c", "run": f"head -c {size} /dev/zero", "capture": "none"}, run_dir=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert result.ok
    assert (folder / "commands" / "c.out").read_bytes() == bytes(size)
    assert (folder / "commands" / "c.out").stat().st_mode & 0o777 == 0o600


# -- priorities ---------------------------------------------------------------------------------------------


def test_of_the_nodes_that_are_ready_a_higher_priority_goes_first(new_cluster, tmp_path):
    cluster, folder = new_cluster(1), str(tmp_path)
    graph = [
        call("gate", "touch_and_wait", f"{folder}/begun", f"{folder}/go"),
        *[call(f"p{n}", "in_order", folder, f"{n}", priority=n) for n in (0, 2, -3, 1, -1)],
        call("open", "give", needs=["gate"]),
    ]
    (tmp_path / "go").touch()
    assert go(cluster, *graph).ok
    order = (tmp_path / "order").read_text().split()
    assert order.index("2") < order.index("1") < order.index("-1") < order.index("-3")


# -- what is told ---------------------------------------------------------------------------------------------


def test_a_run_says_where_it_runs_and_each_worker_is_a_lane(cluster, tmp_path):
    ear = Ear()
    graph = [call("m", "meet_and_pid", str(tmp_path), 2, ITEM, map=[0, 1]), call("w", "who_async")]
    result = go(cluster, *graph, ear=ear, run_dir=tmp_path / "runs")
    (start,) = ear.of(RunStart)
    assert (start.engine, start.workers) == ("dask", 2)
    joined = ear.of(SiteJoined)
    assert {site.pid for site in joined} == {p.pid for name, p in cluster.processes.items() if name != "scheduler"}
    assert [site.threads for site in joined] == [1, 1]
    assert ear.of(RunWarning) == []
    lanes = {t.node: t.worker for t in result.timing}
    assert {lanes["m[0]"], lanes["m[1]"]} == {0, 1}
    assert lanes["w"] == -1
    assert len(result.summary.busy) == 2
    assert all(0 <= t.started_at <= result.summary.wall_s for t in result.timing)
    assert all(t.ran_s >= 0 and t.queued_s >= 0 for t in result.timing)


@pytest.mark.parametrize("words", [("report",), ("trace",), ("show",), ("simulate",), ("runs",)], ids=str)
def test_a_run_on_dask_can_be_looked_at_as_any_other(cluster, tmp_path, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graph.json").write_bytes(msgspec.json.encode({"taskrunner": 1, **CASES["maps"].graph()}))
    graph = taskrunner.load("graph.json")
    runs = tmp_path / ".taskrunner" / "runs"
    for engine in (None, cluster.engine()):
        taskrunner.run(graph, params={"folder": "/nowhere"}, stop_after=0, run_dir=runs, engine=engine)
    more = {"show": ["graph.json", "--run", "last"], "runs": []}.get(words[0], ["last"])
    ended = CliRunner().invoke(cli, [words[0], *more])
    assert ended.exit_code == 0, ended.output
    if words == ("report",):
        both = sorted(path.name for path in runs.iterdir())
        assert CliRunner().invoke(cli, ["compare", *both]).exit_code == 0
