"""What a run leaves is for the user alone, whatever the umask is."""

import os
import stat

import pytest

NODES = ({"id": "a", "call": "functions:give"}, {"id": "say", "run": "echo out"}, {"id": "t", "run": "true"})


def modes(folder):
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    return {mode for path, mode in found.items() if path.is_dir()}, {
        mode for path, mode in found.items() if not path.is_dir()
    }


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def _umask(request, cli):  # noqa: ARG001  its files are made before
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_a_run_s_folder_and_its_files(cli, inside):
    before = os.umask(0o022)
    graph = cli.graph(*NODES, params={"token": "hunter2"})
    os.umask(before)
    assert inside("exec", graph).code == 0
    assert modes(cli.folder / ".taskrunner") == ({0o700}, {0o600})
    assert len([path for path in cli.last_run().rglob("*") if path.is_file()]) == 11
    assert inside("exec", graph, "--resume", "last").code == 0
    assert modes(cli.folder / ".taskrunner") == ({0o700}, {0o600})


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_log_file_that_is_not_there(cli, inside, form):
    before = os.umask(0o022)
    graph = cli.graph(*NODES)
    os.umask(before)
    assert inside("exec", graph, "--log-file", "run.log", "--log-format", form).code == 0
    assert stat.S_IMODE((cli.folder / "run.log").stat().st_mode) == 0o600


def test_a_log_file_that_is_there_keeps_its_mode(cli, inside):
    cli.write("run.log", "").chmod(0o644)
    assert inside("exec", cli.graph(*NODES), "--log-file", "run.log").code == 0
    assert stat.S_IMODE((cli.folder / "run.log").stat().st_mode) == 0o644


def test_a_folder_of_an_earlier_run_becomes_private(cli, inside):
    graph = cli.graph(*NODES)
    inside("exec", graph)
    cli.last_run().chmod(0o755)
    inside("exec", graph, "--resume", "last")
    assert stat.S_IMODE(cli.last_run().stat().st_mode) == 0o700
