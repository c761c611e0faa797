"""What a run runs on."""

import sys
from importlib import metadata

from taskrunner.system.host import processors, versions


def test_the_versions_of_what_was_imported_are_those_that_are_installed():
    found = versions()
    assert {"msgspec", "pytest"} <= set(found)
    assert found == {name: metadata.version(name) for name in found}


def test_what_was_not_imported_is_not_named(monkeypatch, tmp_path):
    (tmp_path / "nobody-1.0.dist-info").mkdir()
    (tmp_path / "Sys-7.5.dist-info").mkdir()  # names are written as their makers like
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing"), str(tmp_path / "file.zip")])
    assert versions() == {"sys": "7.5"}


def test_there_is_a_processor():
    assert processors() >= 1
