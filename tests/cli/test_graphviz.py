import pytest

from taskrunner.cli import graphviz
from taskrunner.errors import TaskrunnerError, UsageError


@pytest.mark.parametrize(("nodes", "edges"), [(4001, 0), (2, 8001)])
def test_what_is_too_big_is_refused(nodes, edges):
    with pytest.raises(UsageError, match="draw a part with --focus NODE"):
        graphviz.check_size(nodes, edges)


def test_what_is_just_small_enough():
    graphviz.check_size(4000, 8000)


def test_dot_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(TaskrunnerError, match=r"dot took longer than 0\.05 s: draw a part with --focus NODE"):
        graphviz.svg("digraph {}", timeout_s=0.05)
