"""Workers that die, a scheduler that is lost, and runs that go on: with what has finished, on whichever engine."""

import json
import threading
from pathlib import Path

import pytest
from cases import ITEM, call, ref
from told import Ear, decoded

import taskrunner
from taskrunner.engines.engine import EngineLostError
from taskrunner.events.types import NodeDone, NodeFailed, RunWarning, SiteJoined, SiteLeft

pytestmark = pytest.mark.timeout(900)


def calls(folder):
    """Return how often each name was noted."""
    return {path.name.removeprefix("calls-"): path.stat().st_size for path in Path(folder).glob("calls-*")}


class Running:
    """A run on a thread of its own, so that the test can do harm meanwhile."""

    def __init__(self, graph, **options):
        self.ear, self.result, self.error = Ear(), None, None
        self._options = {"observers": [self.ear], **options}
        self._thread = threading.Thread(target=self._run, args=(graph,))
        self._thread.start()

    def _run(self, graph):
        try:
            self.result = taskrunner.run(graph, **self._options)
        except BaseException as error:  # noqa: BLE001  it is the test's
            self.error = error

    def end(self):
        self._thread.join(100)
        assert not self._thread.is_alive()
        return self


def victim(cluster, file):
    """Wait until a node has written its process's id; return the name of that worker."""
    cluster.wait_until(file.exists)
    return cluster.pids()[int(file.read_text())]


def test_a_worker_that_dies_loses_nothing(new_cluster, tmp_path):
    cluster = new_cluster(1, 1)
    folder, begun, go = str(tmp_path), tmp_path / "begun", tmp_path / "go"
    nodes = [
        # Two are made at once, so one of them lies on each worker; both are needed at the end.
        call("a", "meet_and_note", folder, "a", 2),
        call("b", "meet_and_note", folder, "b", 2),
        call("waits", "touch_pid_and_wait", str(begun), str(go), ref("a"), ref("b")),
        call("end", "many", ref("a"), ref("b"), needs=["waits"]),
    ]
    running = Running(decoded({"outputs": ["end"], "nodes": nodes}), engine=cluster.engine())
    name = victim(cluster, begun)
    begun.unlink()
    cluster.kill(name)
    go.touch()
    result, ear = running.end().result, running.ear
    assert running.error is None
    assert (result.ok, result.outputs) == (True, {"end": [["a", "b"], {}]})
    (left,) = ear.of(SiteLeft)
    assert left.nodes == ("waits",)
    assert left.address in {event.address for event in ear.of(SiteJoined)}
    (warning,) = [event.message for event in ear.of(RunWarning)]
    assert warning.startswith("ran again, because their results were lost with a worker: ")
    assert sorted(calls(folder).values()) == [1, 2]  # the one of both that was lost
    assert len(ear.of(NodeDone)) == 4


def test_a_worker_that_comes_later_is_used_and_told_of(new_cluster, tmp_path):
    cluster = new_cluster(1)
    folder = str(tmp_path)
    graph = decoded({"nodes": [call("m", "meet", folder, "m", 2, map=[0, 1])]})
    running = Running(graph, engine=cluster.engine())
    cluster.wait_until(lambda: list(tmp_path.glob("m-*")))
    cluster.add("late")
    result = running.end().result
    assert (result.ok, result.outputs) == (True, {"m": [True, True]})
    assert [event.threads for event in running.ear.of(SiteJoined)] == [1, 1]


def test_a_node_that_ends_its_process_every_time_is_a_failure(new_cluster):
    cluster = new_cluster(1, 1, 1, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1")
    graph = decoded({"nodes": [call("a", "give", 1), call("dies", "die"), call("after", "give", ref("dies"))]})
    running = Running(graph, engine=cluster.engine(), stop_after=0).end()
    assert running.error is None
    (failure,) = running.result.failures
    assert failure.node == "dies"
    assert "dies" in failure.message or "die-" in failure.message
    assert running.result.skipped["after"].because == "dies"
    assert running.result.outputs == {"a": 1}
    assert len(running.ear.of(NodeFailed)) == 1


CHAIN = [
    call("m", "noted", {"$param": "folder"}, ITEM, 1, map=["m0", "m1", "m2"]),
    call("a", "noted", {"$param": "folder"}, "a", 2, ref("m")),
    call("big", "noted_big", {"$param": "folder"}, "big", 100_000, ref("a")),
    call("odd", "noted", {"$param": "folder"}, "odd", 4, ref("a")),
    call("b", "unless_noted", {"$param": "stop"}, {"$param": "folder"}, "b", 3, ref("odd")),
    call("c", "noted", {"$param": "folder"}, "c", ref("b")),
    call("d", "size_of", ref("big"), needs=["c"]),
]
GRAPH = {"params": {"folder": None, "stop": None}, "outputs": ["c", "d"], "nodes": CHAIN}


@pytest.mark.parametrize("there_first", [True, False], ids=["dask-threads", "threads-dask"])
def test_a_run_goes_on_on_another_engine(cluster, tmp_path, there_first):
    params = {"folder": str(tmp_path), "stop": str(tmp_path / "stop")}
    options = {"params": params, "run_dir": tmp_path / "runs"}
    (tmp_path / "stop").touch()
    engines = [cluster.engine(), None] if there_first else [None, cluster.engine()]
    first = taskrunner.run(decoded(GRAPH), engine=engines[0], stop_after=0, **options)
    assert [failure.node for failure in first.failures] == ["b"]
    (tmp_path / "stop").unlink()
    ear = Ear()
    second = taskrunner.run(decoded(GRAPH), engine=engines[1], resume="last", observers=[ear], **options)
    assert (second.ok, second.outputs) == (True, {"c": 3, "d": 100_000})
    again = {"big"} if there_first else set()  # what is large is in no journal: it does not come here
    assert calls(tmp_path) == {name: 1 + (name in again) for name in ("m0", "m1", "m2", "a", "odd", "big", "b", "c")}
    assert len(list((tmp_path / "runs").iterdir())) == 1
    told = [json.loads(line) for line in next((tmp_path / "runs").glob("*/events.jsonl")).read_text().splitlines()]
    assert [event["engine"] for event in told if event["event"] == "run.start"] == [
        "dask" if there else "threads" for there in (there_first, not there_first)
    ]


@pytest.mark.parametrize("fuses", [False, True])
def test_a_lost_scheduler_is_told_and_the_rest_is_done_on_threads(new_cluster, tmp_path, fuses):
    cluster = new_cluster(1, 1)
    begun, go = tmp_path / "begun", tmp_path / "go"
    folder = {"$param": "folder"}
    nodes = [
        call("m", "noted", folder, ITEM, 1, map=["m0", "m1"]),
        call("a", "noted", folder, "a", 2, ref("m")),
        call("waits", "touch_and_wait", str(begun), str(go), 3, ref("a")),
        call("end", "noted", folder, "end", ref("waits")),
    ]
    graph = {"params": {"folder": None}, "nodes": nodes}
    options = {"params": {"folder": str(tmp_path)}, "run_dir": tmp_path / "runs"}
    running = Running(decoded(graph), engine=cluster.engine(fuses=fuses), **options)
    cluster.wait_until(begun.exists)
    cluster.wait_until(lambda: {event.node for event in running.ear.of(NodeDone)} >= {"m", "a"})
    cluster.kill("scheduler")
    running.end()
    assert isinstance(running.error, EngineLostError)
    assert cluster.address in str(running.error)
    assert "--resume" in str(running.error)
    cluster.stop()  # what its workers had begun is of no use any more
    go.touch()
    result = taskrunner.run(decoded(graph), resume="last", **options)
    assert (result.ok, result.outputs) == (True, {"end": 3})
    assert calls(tmp_path) == {"m0": 1, "m1": 1, "a": 1, "end": 1}


def test_no_scheduler_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("taskrunner.engines.dask.engine.CONNECT_TIMEOUT_S", 1)
    graph = decoded({"nodes": [call("a", "give", 1)]})
    with pytest.raises(taskrunner.TaskrunnerError, match="no Dask scheduler with a worker answers at tcp"):
        taskrunner.run(graph, engine=taskrunner.DaskEngine("tcp://127.0.0.1:1"), run_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_cannot_move_and_is_lost_fails_its_taker(new_cluster, tmp_path):
    cluster, begun, go = new_cluster(1, 1), tmp_path / "begun", tmp_path / "go"
    nodes = [
        call("stays", "lock"),
        call("waits", "touch_pid_and_wait", str(begun), str(go), ref("stays")),
        call("end", "name_of", ref("stays"), needs=["waits"]),
    ]
    graph = decoded({"outputs": ["end"], "nodes": nodes})
    running = Running(graph, engine=cluster.engine(fuses=False), timeout=60)
    name = victim(cluster, begun)
    begun.unlink()
    cluster.kill(name)
    go.touch()
    running.end()
    assert running.error is None
    assert running.result.outputs == {}
    (failure,) = running.result.failures
    assert failure.node == "waits"
    assert "takes a result that cannot be pickled and was lost with tcp://" in failure.message
    assert [left.nodes for left in running.ear.of(SiteLeft)] == [("waits",)]
