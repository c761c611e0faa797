"""The engine on Dask: how it meets a cluster, what it brings there, what it says before the run."""

import os
import sys
import textwrap
from pathlib import Path

import pytest
from cases import ITEM, call, ref
from told import Ear, decoded, run

import taskrunner
from taskrunner.errors import GraphError, UsageError
from taskrunner.events.types import RunWarning, SiteJoined

pytestmark = pytest.mark.cluster


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return what writes a package that only this process can import."""

    def write(name, text):
        folder = tmp_path / "here" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "work.py").write_text(textwrap.dedent(text))
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[module]
        return folder

    monkeypatch.syspath_prepend(tmp_path / "here")
    yield write
    for module in [module for module in sys.modules if module.startswith("shipped")]:
        del sys.modules[module]


def test_what_the_workers_cannot_import_is_told_before_the_run(cluster, package, tmp_path):
    package("shipped_not", "def give(): return 1")
    graph = decoded({"nodes": [call("a", "give"), {"id": "b", "call": "shipped_not.work:give"}]})
    with pytest.raises(GraphError) as caught:
        taskrunner.run(graph, engine=cluster.engine(), run_dir=tmp_path / "runs")
    assert "nodes[1].call: tcp://127.0.0.1:" in str(caught.value)
    assert "cannot import it" in str(caught.value)
    assert "ship its package or module" in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_packages_are_shipped_and_shipped_again_when_they_have_changed(cluster, package):
    node = {"id": "m", "call": "shipped_one.work:give", "args": [ITEM], "map": [1, 2, 3]}
    for number in (1, 2):
        folder = package("shipped_one", f"def give(item): return item * {number}")
        ear = Ear()
        engine = cluster.engine(ship=[str(folder)])
        result = taskrunner.run(decoded({"nodes": [node]}), engine=engine, observers=[ear])
        assert result.outputs == {"m": [number, 2 * number, 3 * number]}
        assert ear.of(RunWarning) == []


def test_a_module_is_shipped(cluster, tmp_path, monkeypatch):
    (tmp_path / "shipped_module.py").write_text("def give(): return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    graph = decoded({"nodes": [{"id": "a", "call": "shipped_module:give"}]})
    engine = cluster.engine(ship=[str(tmp_path / "shipped_module.py")])
    assert taskrunner.run(graph, engine=engine).outputs == {"a": 7}


def test_a_module_that_differs_is_told_before_the_run(new_cluster, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "differs.py").write_text("def give(): return 1\n")
    (tmp_path / "here" / "differs.py").write_text("def give(): return 2\n")
    monkeypatch.syspath_prepend(tmp_path / "here")
    cluster, ear = new_cluster(1, PYTHONPATH=f"{tmp_path / 'there'}{os.pathsep}{Path(__file__).parents[3]}"), Ear()
    graph = decoded({"nodes": [{"id": "a", "call": "differs:give"}]})
    result = taskrunner.run(graph, engine=cluster.engine(), observers=[ear])
    assert result.outputs == {"a": 1}
    (warning,) = [event.message for event in ear.of(RunWarning)]
    assert warning.startswith("module differs is ")
    assert " at tcp://127.0.0.1:" in warning
    sys.modules.pop("differs", None)


@pytest.mark.parametrize("path", ["missing", "text.txt"])
def test_what_cannot_be_shipped_is_told(cluster, tmp_path, path):
    (tmp_path / "text.txt").touch()
    graph = decoded({"nodes": [call("a", "give")]})
    with pytest.raises(UsageError, match="--ship expects a package directory or a"):
        taskrunner.run(graph, engine=cluster.engine(ship=[str(tmp_path / path)]))


def test_an_existing_cluster_has_its_own_workers():
    with pytest.raises(UsageError, match="an existing cluster has its own workers"):
        taskrunner.DaskEngine("tcp://127.0.0.1:1", workers=2)


def test_a_worker_may_run_several_nodes_at_once(new_cluster, tmp_path):
    cluster, ear = new_cluster(3), Ear()
    node = call("m", "meet", str(tmp_path), "m", 3, map=[0, 1, 2])
    result = taskrunner.run(decoded({"nodes": [node]}), engine=cluster.engine(), observers=[ear])
    assert result.outputs == {"m": [True] * 3}
    assert sorted(t.worker for t in result.timing if t.node != "m") == [0, 1, 2]
    assert [event.threads for event in ear.of(SiteJoined)] == [3]


def test_an_engine_is_used_again(cluster):
    engine = cluster.engine()
    for number in (1, 2):
        assert taskrunner.run(decoded({"nodes": [call("a", "give", number)]}), engine=engine).outputs == {"a": number}


def test_secrets_are_not_told(cluster, tmp_path):
    graph = {"params": {"token": None}, "nodes": [call("a", "fail", {"$param": "token"})]}
    result, _, _ = run(decoded(graph), tmp_path, engine=cluster.engine(), params={"token": "hide-this-value"})
    (failure,) = result.failures
    assert "hide-this-value" not in f"{failure.message} {failure.traceback} {failure.arguments}"
    (folder,) = tmp_path.iterdir()
    assert b"hide-this-value" not in (folder / "events.jsonl").read_bytes()


@pytest.mark.timeout(600)
def test_a_cluster_is_made_for_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.chdir(tmp_path)
    node = call("m", "meet_and_pid", str(tmp_path), 2, ITEM, map=[0, 1])
    graph = decoded({"nodes": [node, call("s", "size_of", ref("m"))], "outputs": ["m", "s"]})
    result = taskrunner.run(graph, engine=taskrunner.DaskEngine(workers=2))
    pids = set(result.outputs["m"])
    assert (result.ok, result.outputs["s"], len(pids), os.getpid() in pids) == (True, 2, 2, False)
    with pytest.raises(ProcessLookupError):
        os.kill(pids.pop(), 0)
