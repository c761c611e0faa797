"""What a process tells of itself before it is to run nodes."""

import os
import platform
import sys

import pytest

from taskrunner.engines.worker.probe import differences, probe
from taskrunner.system import gil


def test_a_process_tells_what_it_is():
    found = probe([])
    assert (found.pid, found.host) == (os.getpid(), platform.node())
    assert (found.free_threaded, found.gil) == (gil.IS_FREE_THREADED, gil.is_enabled())
    assert platform.python_version() in found.python
    assert found.versions["Python"] == platform.python_version()
    assert {"taskrunner", "msgspec", "distributed"} <= set(found.versions)
    assert found.problems == {}


def test_packages_that_calls_name_are_told_with_their_versions():
    found = probe(["pytest:main", "os.path:join"])
    assert found.versions["pytest"] == pytest.__version__


def test_a_module_of_no_package_is_told_by_what_is_in_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    hashes = []
    for text in ("def f(): return 1\n", "def f(): return 1\n", "def f(): return 2\n"):
        (tmp_path / "module_of_none.py").write_text(text)
        sys.modules.pop("module_of_none", None)
        hashes.append(probe(["module_of_none:f"]).versions["module module_of_none"])
    sys.modules.pop("module_of_none", None)
    assert hashes[0] == hashes[1] != hashes[2]


def test_calls_that_cannot_be_imported_are_told_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "module_that_fails.py").write_text("raise SystemExit(3)\n")
    found = probe(["no_such_module:f", "os.path:no_such_name", "module_that_fails:f", "os.path:join"])
    assert set(found.problems) == {"no_such_module:f", "os.path:no_such_name", "module_that_fails:f"}
    assert "no_such_module" in found.problems["no_such_module:f"]
    assert "no_such_name" in found.problems["os.path:no_such_name"]
    assert "SystemExit" in found.problems["module_that_fails:f"]


def test_what_differs_is_told_with_both_versions():
    here, there = {"same": "1", "other": "1", "only-here": "1"}, {"same": "1", "other": "2", "only-there": "3"}
    assert differences(here, there) == {"other": ("1", "2"), "only-here": ("1", ""), "only-there": ("", "3")}
    assert differences(here, here) == {}
