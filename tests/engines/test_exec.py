"""``taskrunner exec --engine dask`` and ``taskrunner doctor --address``, from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taskrunner.system import gil

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
BOUND = 100.0

GRAPH = {
    "taskrunner": 1,
    "name": "small",
    "nodes": [
        {"id": "a", "call": "nodes:add", "args": [1, 2]},
        {"id": "b", "call": "nodes:add", "args": [{"$ref": "a"}, 10]},
        {"id": "c", "run": ["echo", {"$ref": "b"}]},
    ],
}


@pytest.fixture
def inside(tmp_path):
    """Return what runs taskrunner in an empty folder in which the graph and its module can be found."""
    (tmp_path / "small.json").write_text(json.dumps(GRAPH))

    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TASKRUNNER", "DASK"))}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [Path(__file__).parent, ROOT]))

    def start(*words):
        command = [sys.executable, "-m", "taskrunner", *map(str, words)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def run(*words):
        process = start(*words)
        out, err = process.communicate(timeout=BOUND)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    run.start = start
    return run


def events(folder):
    (file,) = folder.glob(".taskrunner/runs/*/events.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_graph_runs_on_a_cluster(inside, cluster, tmp_path):
    done = inside("exec", "small.json", "--engine", "dask", "--address", cluster.address)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"c": "13\n"})
    assert "\nworkers       2 on dask, " in done.stderr
    start, *others = events(tmp_path)
    assert (start["event"], start["engine"], start["workers"]) == ("run.start", "dask", 2)
    sites = [event for event in others if event["event"] == "site.joined"]
    assert sorted(site["pid"] for site in sites) == sorted(cluster.processes[f"worker-{n}"].pid for n in (0, 1))
    assert {(site["threads"], site["free_threaded"]) for site in sites} == {(1, gil.IS_FREE_THREADED)}
    assert {site["gil"] for site in sites} == {not gil.IS_FREE_THREADED}
    (out,) = tmp_path.glob(".taskrunner/runs/*/commands/c.out")
    assert out.read_text() == "13\n"


def test_a_cluster_is_made_for_a_run_and_ended_with_it(inside, tmp_path):
    done = inside("exec", "small.json", "--engine", "dask", "--workers", 1, "--cpu-time")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"c": "13\n"})
    (site,) = [event for event in events(tmp_path) if event["event"] == "site.joined"]
    with pytest.raises(ProcessLookupError):
        os.kill(site["pid"], 0)
    measured = [event["node"] for event in events(tmp_path) if "cpu_s" in event]
    assert measured == ["a", "b"]


def test_ctrl_c_in_a_terminal_stops_the_run_and_not_its_workers(inside, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    nodes = [
        {"id": "a", "call": "nodes:touch_and_wait", "args": [str(begun), str(go)]},
        {"id": "b", "call": "nodes:add", "args": [1, 2], "needs": ["a"]},
        {"id": "c", "call": "nodes:add", "args": [3, 4], "needs": ["a"], "always": True},
    ]
    (tmp_path / "own.json").write_text(json.dumps({"taskrunner": 1, "nodes": nodes}))
    process = inside.start("exec", "own.json", "--engine", "dask", "--workers", 1)
    end = time.monotonic() + BOUND
    while not begun.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # the workers are in the terminal's group as well
    while "interrupted" not in (line := process.stderr.readline()):
        assert line
    go.touch()
    out, err = process.communicate(timeout=BOUND)
    assert (process.returncode, json.loads(out)["c"]) == (130, 7)
    states = {event["node"]: event["event"] for event in events(tmp_path) if event["event"].startswith("node.")}
    assert states == {"a": "node.done", "b": "node.skipped", "c": "node.done"}
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:  # multiprocessing's own helper ends when it hears that the others have
            os.killpg(process.pid, 0)
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--address", "tcp://127.0.0.1:1"), "--address requires --engine dask"),
        (("--ship", "small.json"), "--ship requires --engine dask"),
        (("--no-fuse",), "--no-fuse requires --engine dask"),
        (("--engine", "dask", "--address", "tcp://127.0.0.1:1", "-w", "2"), "an existing cluster has its own workers"),
        (("--engine", "dask", "--shuffle", "1"), "only threads of this process can follow a given order"),
    ],
)
def test_options_that_do_not_go_together_are_refused(inside, words, message):
    done = inside("exec", "small.json", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_what_a_worker_cannot_import_is_told_with_its_place_and_can_be_shipped(inside, cluster, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "mine" / "deep.py").write_text("def double(n): return 2 * n\n")
    node = {"id": "a", "call": "mine.deep:double", "args": [21]}
    (tmp_path / "own.json").write_text(json.dumps({"taskrunner": 1, "nodes": [node]}, indent=1))
    words = ("exec", "own.json", "--engine", "dask", "--address", cluster.address)
    done = inside(*words)
    assert (done.returncode, done.stdout) == (3, "")
    assert "own.json:6:12: nodes[0].call: tcp://127.0.0.1:" in done.stderr
    assert ' cannot import it: no module named "mine"' in done.stderr
    assert "; ship its package or module, or install it on the worker\n" in done.stderr
    done = inside(*words, "--ship", "mine")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"a": 42})
    (tmp_path / "mine" / "deep.py").write_text("def double(n): return 3 * n\n")  # shipped again, it counts as it is now
    done = inside(*words, "--ship", "mine")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"a": 63})


def test_a_module_can_be_shipped(inside, cluster, tmp_path):
    (tmp_path / "alone_module.py").write_text("def half(n): return n // 2\n")
    node = {"id": "a", "call": "alone_module:half", "args": [84]}
    (tmp_path / "own.json").write_text(json.dumps({"taskrunner": 1, "nodes": [node]}))
    words = ("exec", "own.json", "--engine", "dask", "--address", cluster.address, "--ship", "alone_module.py")
    done = inside(*words)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"a": 42})


def test_another_version_there_is_told_before_the_first_node_runs(inside, cluster, tmp_path):
    other = (Path(__file__).parent / "nodes.py").read_text() + "\n# changed\n"
    (tmp_path / "nodes.py").write_text(other)
    done = inside("exec", "small.json", "--engine", "dask", "--address", cluster.address)
    assert done.returncode == 0
    told = [event["event"] for event in events(tmp_path)]
    (warning,) = [event for event in events(tmp_path) if event["event"] == "run.warning"]
    assert warning["message"].startswith("module nodes is ")
    assert told.index("run.warning") < told.index("node.done")


def test_nodes_that_ask_for_the_cache_run_and_that_is_told(inside, cluster, tmp_path):
    node = {"id": "a", "call": "nodes:add", "args": [1, 2], "cache": True}
    (tmp_path / "own.json").write_text(json.dumps({"taskrunner": 1, "nodes": [node]}))
    for _ in range(2):
        done = inside("exec", "own.json", "--engine", "dask", "--address", cluster.address)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"a": 3})
        assert "the engine dask has no cache; these nodes run: a" in done.stderr


def test_no_scheduler_is_one_line_and_exit_1(inside):
    done = inside("exec", "small.json", "--engine", "dask", "--address", "no-such-scheme://x")
    assert done.returncode == 1
    assert done.stderr.startswith("taskrunner: ")
    assert "no Dask scheduler with a worker answers at no-such-scheme://x" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gil_of_the_workers_decides(inside, cluster):
    done = inside("exec", "small.json", "--engine", "dask", "--address", cluster.address, "--require-nogil")
    assert done.returncode == (0 if gil.IS_FREE_THREADED else 5)


def test_doctor_tells_what_the_workers_are(inside, cluster):
    done = inside("doctor", "small.json", "--no-import", "--address", cluster.address, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["cluster"] == cluster.address
    assert [(site["threads"], site["gil"], site["problems"]) for site in report["sites"]] == [
        (1, not gil.IS_FREE_THREADED, {})
    ] * 2
    assert report["verdict"]["status"] == ("ok" if gil.IS_FREE_THREADED else "on")
    told = inside("doctor", "--no-import", "--address", cluster.address, "--strict")
    assert f"\nworkers of {cluster.address}\n" in told.stdout
    assert told.returncode == (0 if gil.IS_FREE_THREADED else 5)
