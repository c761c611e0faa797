import json
import re

import pytest

from taskrunner.errors import TaskrunnerError
from taskrunner.graph.graph import Graph
from taskrunner.run.folder import RunFolder, new_run_id


def test_ids_sort_by_time_and_differ():
    ids = [new_run_id() for _ in range(50)]
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", run_id) for run_id in ids)
    assert len(set(ids)) == 50
    assert [run_id[:15] for run_id in ids] == sorted(run_id[:15] for run_id in ids)


def test_the_graph_is_kept_as_it_was_run(tmp_path):
    folder = RunFolder(tmp_path / "runs", "r1")
    graph = Graph("g")
    graph.call(print, object, id="p")
    folder.write_graph(graph.file)
    kept = json.loads((folder.path / "graph.json").read_text())
    assert kept["nodes"] == [{"id": "p", "call": "builtins:print", "args": ["<class 'object'>"]}]
    assert folder.commands.is_dir()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TaskrunnerError, match="cannot make the run's folder"):
        RunFolder(tmp_path / "file", "r1")
