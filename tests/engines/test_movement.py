"""Results stay where they are made: the client's memory does not grow, and who takes a large one runs beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import ITEM, call, ref
from told import decoded

import taskrunner

SIZE = 100_000_000
CLIENT = """
import json, resource, sys
import taskrunner
from taskrunner import DaskEngine

def highest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def run(*nodes, **fields):
    graph = taskrunner.Graph.decode(json.dumps({"taskrunner": 1, **fields, "nodes": nodes}).encode(), "json")
    return taskrunner.run(graph, engine=DaskEngine(sys.argv[1]), **options)

def call(node, function, *args, **fields):
    return {"id": node, "call": "nodes:" + function, "args": args, **fields}

def ref(node, *path):
    return {"$ref": node, "path": path}

options = {"run_dir": sys.argv[3]}
run(call("a", "give", 1))  # what the first run imports and allocates
before, size = highest(), int(sys.argv[2])
made = [call(f"big-{n}", "big", size) for n in range(2)]
sizes = [call(f"size-{n}", "size_of", ref(f"big-{n}")) for n in range(2)]
both = call("both", "joined_size", ref("big-0"), ref("big-1"))
many = call("many", "bigs", 2, size // 2)
mapped = call("mapped", "size_of", {"$item": True}, map=ref("many"))
result = run(*made, *sizes, both, many, mapped, outputs=["size-0", "size-1", "both", "mapped"])
print(json.dumps({"ok": result.ok, "outputs": result.outputs, "grown": highest() - before}))
"""


def test_large_results_do_not_come_to_the_client(cluster, tmp_path):
    path = os.pathsep.join([str(Path(__file__).parent)])
    ended = subprocess.run(
        [sys.executable, "-c", CLIENT, cluster.address, str(SIZE), str(tmp_path)],
        check=True, capture_output=True, timeout=100, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    told = json.loads(ended.stdout)
    assert told["ok"]
    assert told["outputs"] == {"size-0": SIZE, "size-1": SIZE, "both": 2 * SIZE, "mapped": [SIZE // 2] * 2}
    assert told["grown"] < SIZE // 4
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 1_000_000  # nor to its disk


@pytest.mark.parametrize("fuses", [True, False])
def test_who_takes_a_large_result_runs_where_it_is(cluster, tmp_path, fuses):
    folder, size = str(tmp_path), 20_000_000
    nodes = []
    for name in ("a", "b"):  # one on each worker
        nodes += [
            call(name, "meet_and_make", folder, 2, size),
            call(f"{name}-small", "give", 1),
            call(f"{name}-1", "pid_with", ref(name), ref(f"{name}-small")),
            call(f"{name}-2", "pid_with", [ref(name, "data")], ref(f"{name}-1")),
            call(f"{name}-3", "pid_with", ref(f"{name}-2"), kwargs={"more": ref(name)}),
            call(f"{name}-pid", "give", ref(name, "pid")),
        ]
    graph = {"nodes": nodes, "outputs": [f"{name}-{what}" for name in "ab" for what in ("1", "2", "3", "pid")]}
    outputs = taskrunner.run(decoded(graph), engine=cluster.engine(fuses=fuses)).outputs
    assert outputs["a-pid"] != outputs["b-pid"]
    for name in "ab":
        assert {outputs[f"{name}-{number}"] for number in "123"} == {outputs[f"{name}-pid"]}


def test_a_chain_is_one_work_and_stays_on_its_worker(cluster):
    nodes = [call("n-0", "pids"), *[call(f"n-{i}", "pids", ref(f"n-{i - 1}")) for i in range(1, 20)]]
    result = taskrunner.run(decoded({"nodes": nodes}), engine=cluster.engine())
    assert len(result.outputs["n-19"]) == 20
    assert len(set(result.outputs["n-19"])) == 1
    assert len({timing.worker for timing in result.timing}) == 1


def test_children_run_on_all_workers(cluster, tmp_path):
    node = call("m", "meet_and_pid", str(tmp_path), 2, ITEM, map=[0, 1])
    (pids,) = taskrunner.run(decoded({"nodes": [node]}), engine=cluster.engine()).outputs.values()
    assert set(pids) == {process.pid for name, process in cluster.processes.items() if name != "scheduler"}
