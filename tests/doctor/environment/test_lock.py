"""What a lock file tells: versions, and the tags of wheels."""

import pytest

from taskrunner.doctor.environment.lock import canonical, read_lock
from taskrunner.doctor.environment.project import describe, open_lock

LOCK = """
version = 1

[[package]]
name = "native"
version = "1.0"
source = { registry = "https://example.org" }
wheels = [
    { url = "https://example.org/a/native-1.0-cp313-cp313t-manylinux_2_28_x86_64.whl", size = 1 },
    { url = "https://example.org/a/native-1.0-7-cp314-cp314t.cp314-musllinux_1_2%5Fx86_64.whl" },
    { path = "wheels/native-1.0-py3-none-any.whl" },
    { filename = "native-1.0.tar.gz" },
    { url = "https://example.org/short.whl" },
]

[[package]]
name = "native"
version = "1.0"
source = { directory = "here" }

[[package]]
name = "Two.Names"
version = "2.0"

[[package]]
name = "two-names"
version = "3.0"

[[package]]
name = "dynamic"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "uv.lock"
    path.write_text(LOCK)
    return path


def test_the_tags_of_a_version_are_those_of_all_its_wheels(path):
    assert read_lock(path).tags("Native", "1.0") == {
        "cp313-cp313t-manylinux_2_28_x86_64",
        "cp314-cp314t.cp314-musllinux_1_2_x86_64",
        "py3-none-any",
    }


def test_what_the_lock_does_not_name_has_no_tags(path):
    lock = read_lock(path)
    assert (lock.tags("native", "2.0"), lock.tags("other", "1.0")) == (set(), set())


def test_a_name_has_the_versions_of_all_its_forms(path):
    assert read_lock(path).versions("TWO_names") == ["2.0", "3.0"]
    assert read_lock(path).versions("other") == []


def test_names_are_compared_in_one_form():
    assert canonical("A._-b") == "a-b"


def test_there_may_be_no_lock(tmp_path):
    assert read_lock(tmp_path / "uv.lock") is None
    assert open_lock(tmp_path / "uv.lock") == (None, "none")


@pytest.mark.parametrize("text", ["", "[[package]]", "package = 3", "a = [", "[[package]]\nname = 1", "\0"])
def test_a_file_that_is_no_lock_is_unreadable_or_empty(tmp_path, text):
    path = tmp_path / "uv.lock"
    path.write_text(text)
    lock, state = open_lock(path)
    assert (lock is None) == (state == "unreadable") == bool(text)


def test_a_folder_is_unreadable(tmp_path):
    assert open_lock(tmp_path) == (None, "unreadable")


@pytest.fixture
def _no_uv(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)


@pytest.mark.usefixtures("_no_uv")
def test_the_environment_is_compared_with_the_lock(path):
    lock, state = open_lock(path)
    told = describe(lock, state, [("Native", "1.0"), ("two.names", "4.0"), ("other", "1.0"), ("dynamic", "0.1")])
    assert (told.uv, told.lock) == ("", "unknown")
    assert told.locked == 1
    assert told.differing == ("two.names 4.0 (locked: 2.0, 3.0)",)
    assert told.unlocked == ("other",)


@pytest.mark.usefixtures("_no_uv")
@pytest.mark.parametrize(
    ("script", "version", "state"),
    [
        ("echo 'uv 1.2.3 (x)'", "1.2.3", "fresh"),
        (
            "case $1 in --version) echo uv 1.2.3;; *) echo 'it needs to be updated, but' >&2; exit 1; esac",
            "1.2.3",
            "stale",
        ),
        ("case $1 in --version) echo uv 1.2.3;; *) echo 'no network' >&2; exit 1; esac", "1.2.3", "unknown"),
        ("exit 1", "", "unknown"),
        ("echo something else", "", "unknown"),
        ("kill $$", "", "unknown"),
    ],
)
def test_uv_is_asked_and_may_not_know(path, tmp_path, script, version, state):
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\n{script}\n")
    uv.chmod(0o700)
    told = describe(*open_lock(path), [])
    assert (told.uv, told.lock) == (version, state)


@pytest.mark.usefixtures("_no_uv")
def test_uv_is_asked_for_nothing_that_takes_a_network_or_changes_anything(path, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho uv 1.2.3\n')
    uv.chmod(0o700)
    describe(*open_lock(path), [])
    version, check = (tmp_path / "asked").read_text().splitlines()
    assert version == "--version"
    assert check.startswith("lock --check --offline --no-build --no-python-downloads ")
