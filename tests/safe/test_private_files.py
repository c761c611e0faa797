import os
import stat

import pytest

from taskrunner.safe.private_files import make_private, open_private, write_private


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def _umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_files_and_folders_are_the_user_s_alone_whatever_the_umask_is(tmp_path):
    folder = tmp_path / "a" / "b"
    make_private(folder)
    write_private(folder / "file", b"x")
    assert (mode(tmp_path / "a"), mode(folder), mode(folder / "file")) == (0o700, 0o700, 0o600)
    assert (folder / "file").read_bytes() == b"x"


def test_a_folder_that_is_there_becomes_private_and_those_above_it_stay(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    tmp_path.joinpath("a").chmod(0o755)
    folder.chmod(0o755)
    make_private(folder)
    assert (mode(tmp_path / "a"), mode(folder)) == (0o755, 0o700)


def test_a_file_that_is_there_keeps_its_mode(tmp_path):
    path = tmp_path / "log"
    path.write_text("a")
    path.chmod(0o644)
    with open(path, "a", opener=open_private) as file:
        file.write("b")
    assert (mode(path), path.read_text()) == (0o644, "ab")


def test_a_device_can_be_opened():
    with open(os.devnull, "ab", opener=open_private) as file:
        file.write(b"x")


def test_a_file_where_a_folder_is_to_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        make_private(tmp_path / "file" / "runs")
