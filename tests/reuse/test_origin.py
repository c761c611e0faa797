"""Which modules are the user's own, and which count by a version."""

import importlib.metadata
import sys
import sysconfig
import types
from pathlib import Path

import pytest

from taskrunner.reuse.origin import PYTHON, version_of

SITE = Path(sysconfig.get_path("purelib"))


@pytest.mark.parametrize("name", ["json", "json.decoder", "sys", "math", "collections.abc", "_thread"])
def test_standard_library_counts_by_the_version_of_python(name):
    assert version_of(name) == PYTHON


@pytest.mark.parametrize("name", ["msgspec", "msgspec._core", "rich.console"])
def test_installed_module_counts_by_the_version_of_its_distribution(name):
    __import__(name)
    top = name.partition(".")[0]
    (distribution,) = set(importlib.metadata.packages_distributions()[top])
    expected = f"{distribution.replace('-', '_')}-{importlib.metadata.version(distribution)}"
    assert version_of(name).lower() == expected.lower()


@pytest.mark.parametrize("name", [__name__, "created_by_a_program"])
def test_other_module_is_own(name):
    assert version_of(name) is None


def test_path_decides_and_not_the_name(tmp_path):
    own = str(tmp_path / "json.py")
    assert version_of("json", own) is None
    assert version_of("msgspec", str(tmp_path / "src/msgspec/__init__.py")) is None  # editable, or a copy
    assert version_of("no_distribution", str(SITE / "no_distribution.py")) is None


def test_packages_of_other_environments_are_installed(tmp_path):
    site = tmp_path / "lib/dist-packages"
    for name, file, text in (
        ("one-1.0.dist-info", "RECORD", "space/one.py,sha256=x,1\nspace/more.py,,\n"),
        ("two-2.0.dist-info", "RECORD", "other.py,,\nspace/two.py,,\n"),
        ("old-3.0.egg-info", "top_level.txt", "old\n"),
        ("none-4.0.dist-info", "METADATA", "Name: none\n"),
    ):
        (site / name).mkdir(parents=True)
        (site / name / file).write_text(text)
    assert version_of("space.one", str(site / "space/one.py")) == "one-1.0 two-2.0"
    assert version_of("other", str(site / "other.py")) == "two-2.0"
    assert version_of("old.part", str(site / "old/part.py")) == "old-3.0"
    assert version_of("spac", str(site / "spac.py")) is None


def test_module_without_a_file_is_own_unless_standard(monkeypatch):
    monkeypatch.setitem(sys.modules, "made_by_a_test", types.ModuleType("made_by_a_test"))
    assert version_of("made_by_a_test") is None
