import json
import os
import re
import time
from pathlib import Path

import msgspec
import pytest

import taskrunner
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.graph.graph import Graph
from taskrunner.storage.redaction import StoredGraph
from taskrunner.storage.run_directory import RunDirectory, find_run, new_run_id, read_graph, run_ids


def test_ids_sort_by_time_and_differ():
    ids = [new_run_id() for _ in range(200) if time.sleep(0.00001) is None]
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{7}", run_id) for run_id in ids)
    assert len(set(ids)) == 200
    assert ids == sorted(ids)


def kept(graph, tmp_path):
    """Run a graph and return what its folder keeps of it."""
    run = taskrunner.run(graph, workers=1, run_dir=tmp_path / "runs").summary.run
    return (tmp_path / "runs" / run / "graph.json").read_bytes()


def test_the_graph_is_kept_as_it_was_run(tmp_path):
    folder = RunDirectory(tmp_path / "runs", "r1")
    folder.write_graph(StoredGraph(b"{}", {"n": 1}))
    assert (folder.path / "graph.json").read_bytes() == b"{}"
    assert read_graph(folder.path) == StoredGraph(b"{}", {"n": 1})
    assert sorted(path.name for path in folder.path.iterdir()) == ["commands", "graph.json", "params.json"]
    assert folder.commands.is_dir()


def test_of_a_graph_made_in_python_arguments_are_kept_as_their_repr(tmp_path):
    graph = Graph("g")
    graph.call(str, object, id="p")
    assert json.loads(kept(graph, tmp_path)) == {
        "taskrunner": 1,
        "name": "g",
        "nodes": [{"id": "p", "call": "builtins:str", "args": ["<class 'object'>"]}],
    }


@pytest.mark.parametrize("encoding", ["json", "toml", "msgpack"])
def test_of_a_graph_from_a_file_the_nodes_are_kept(tmp_path, encoding):
    file = {"taskrunner": 1, "name": "g", "nodes": [{"id": "a", "call": "builtins:abs", "args": [-1]}]}
    data = {"json": json.dumps, "toml": msgspec.toml.encode, "msgpack": msgspec.msgpack.encode}[encoding](file)
    data = data.encode() if isinstance(data, str) else data
    assert json.loads(kept(Graph.decode(data, encoding), tmp_path)) == file


def test_of_a_graph_that_was_changed_after_loading_the_change_is_kept(tmp_path):
    graph = Graph.decode(b'{"taskrunner": 1, "nodes": [{"id": "a", "call": "builtins:abs", "args": [-1]}]}', "json")
    graph.call(abs, -2, id="b")
    assert [node["id"] for node in json.loads(kept(graph, tmp_path))["nodes"]] == ["a", "b"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TaskrunnerError, match="cannot create the run directory"):
        RunDirectory(tmp_path / "file", "r1")


@pytest.fixture
def three_runs(tmp_path):
    for name in ("20260101-a", "20260101-b", "20260102-c"):
        RunDirectory(tmp_path, name).write_graph(StoredGraph(b"{}", {}))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("last", "20260102-c"),
        ("last~0", "20260102-c"),
        ("last~1", "20260101-b"),
        ("last~2", "20260101-a"),
        ("20260102", "20260102-c"),
        ("20260101-a", "20260101-a"),
    ],
)
def test_a_run_is_found_by_its_id_a_start_of_it_or_counted_from_the_last(three_runs, name, run):
    assert find_run(three_runs, name) == run


@pytest.mark.parametrize("name", ["last~3", "last~4", "last~5", "last~999999999", "last~", "last~-1", "2027"])
def test_a_run_that_is_not_there_is_no_other_one(three_runs, name):
    with pytest.raises(UsageError, match=f'no run "{name}"'):
        find_run(three_runs, name)


def test_a_run_that_may_not_be_read_is_left_out(tmp_path, monkeypatch):
    for run in ("mine", "hidden"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "graph.json").touch()
    stat = os.stat

    def refused(path, *args, **kwargs):  # chmod would not do: root may read all
        if "hidden" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refused)
    assert run_ids(tmp_path) == ["mine"]


def test_a_directory_of_runs_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UsageError, match=f"cannot read {tmp_path}: Permission denied"):
        run_ids(tmp_path)
