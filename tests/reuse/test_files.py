import os
import time
from pathlib import Path

import pytest

from taskrunner.reuse import files
from taskrunner.reuse.files import Contents, expand, stamps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.txt", "a.txt", "deep/c.txt", "deep/er/d.txt", "deep/.e.txt", "odd[1].txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([], []),
        (["b.txt", "a.txt", "b.txt"], ["b.txt", "a.txt"]),
        (["*.txt"], ["a.txt", "b.txt", "odd[1].txt"]),
        (["?.txt", "a*"], ["a.txt", "b.txt"]),
        (["*.c"], []),
        (["missing.txt"], ["missing.txt"]),
        (["deep"], ["deep/.e.txt", "deep/c.txt", "deep/er/d.txt"]),
        (["deep/*"], ["deep/c.txt"]),
        (["**/d.txt"], ["deep/er/d.txt"]),
        (["odd[1].txt"], ["odd[1].txt"]),
    ],
)
def test_paths_and_globs_stand_for_files(folder, patterns, found):
    assert expand(patterns) == found
    absolute = expand([str(folder / pattern) for pattern in patterns])
    assert absolute == [str(folder / name) for name in found]


def test_a_file_that_is_written_to_has_another_stamp(folder):
    before = stamps(["a.txt", "missing"])
    assert before == stamps(["a.txt", "missing"])
    assert before["missing"] is None
    (folder / "a.txt").write_text("other")
    assert stamps(["a.txt"])["a.txt"] != before["a.txt"]


@pytest.mark.usefixtures("folder")
def test_a_file_in_place_of_another_has_another_stamp_though_its_time_and_size_are_the_same():
    status = Path("a.txt").stat()
    before = stamps(["a.txt"])
    Path("new").write_text("x.txt")
    os.utime("new", ns=(status.st_atime_ns, status.st_mtime_ns))
    Path("new").replace("a.txt")
    assert stamps(["a.txt"]) != before


def digest(contents, path):
    return contents.digest(path, stamps([path])[path])


@pytest.mark.usefixtures("folder")
def test_a_digest_is_that_of_the_content():
    contents = Contents()
    assert digest(contents, "a.txt") == digest(Contents(), "a.txt") != digest(contents, "b.txt")
    assert digest(contents, "missing") == ""
    Path("same").write_text("a.txt")
    assert digest(contents, "same") == digest(contents, "a.txt")


@pytest.mark.usefixtures("folder")
def test_a_file_is_read_once_unless_it_may_have_changed_since(monkeypatch):
    read = []
    hashed = files.hashlib.file_digest
    monkeypatch.setattr(files.hashlib, "file_digest", lambda *given: read.append(given) or hashed(*given))
    contents = Contents()
    long_ago = time.time_ns() - 2 * files.MAX_CLOCK_STEP_NS
    os.utime("a.txt", ns=(long_ago, long_ago))
    assert digest(contents, "a.txt") == digest(contents, "a.txt")
    assert len(read) == 1
    digest(contents, "b.txt")
    digest(contents, "b.txt")
    assert len(read) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_an_error(folder):
    (folder / "a.txt").chmod(0)
    with pytest.raises(PermissionError):
        digest(Contents(), "a.txt")
