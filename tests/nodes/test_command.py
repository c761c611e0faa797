import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from msgspec import UNSET

from taskrunner.errors import TaskrunnerError
from taskrunner.nodes.command import Command, CommandError, CommandStartError, run_command


def command(argv, capture="text", stdin=UNSET, env=None, cwd=None):
    return Command(argv, env or {}, cwd, stdin, capture)


def run(tmp_path, argv, capture="text", name="c", **options):
    return asyncio.run(run_command(command(argv, capture, **options), tmp_path, name))


@pytest.mark.parametrize(
    ("capture", "result"),
    [("text", "[1]\n"), ("lines", ["[1]"]), ("json", [1]), ("bytes", b"[1]\n"), ("none", None)],
)
def test_what_becomes_of_the_output(tmp_path, capture, result):
    assert run(tmp_path, ["echo", "[1]"], capture) == result


def test_a_text_goes_to_the_shell(tmp_path):
    assert run(tmp_path, "echo $((1 + 2)) | cat") == "3\n"


def test_a_list_is_taken_as_it_is(tmp_path):
    assert run(tmp_path, ["echo", "$HOME", 5, [1, "x"], True]) == '$HOME 5 [1,"x"] true\n'


@pytest.mark.parametrize(("stdin", "read"), [("a b", "a b"), (b"\x61", "a"), ({"k": 1}, '{"k":1}'), (UNSET, "")])
def test_the_input(tmp_path, stdin, read):
    assert run(tmp_path, ["cat"], stdin=stdin) == read


def test_environment_and_folder(tmp_path):
    (tmp_path / "here").mkdir()
    assert run(tmp_path, "echo $A $B; pwd", env={"A": "x", "B": 2}, cwd=str(tmp_path / "here")) == (
        f"x 2\n{tmp_path}/here\n"
    )


def test_output_and_errors_are_kept_in_files(tmp_path):
    run(tmp_path, "echo out; echo err >&2", name="a[0]")
    assert (tmp_path / "a[0].out").read_text() == "out\n"
    assert (tmp_path / "a[0].err").read_text() == "err\n"


def test_names_that_are_no_file_names_stay_inside_and_apart(tmp_path):
    for name in ("../x", "a/b", "a b", "..", "ä" * 200):
        run(tmp_path, ["echo", name], name=name)
    assert len(list(tmp_path.glob("*.out"))) == 5
    assert not (tmp_path.parent / "x.out").exists()


def test_a_failure_has_the_code_and_the_end_of_the_output(tmp_path):
    with pytest.raises(CommandError) as caught:
        run(tmp_path, "echo gone wrong >&2; exit 7")
    assert caught.value.code == 7
    assert str(caught.value) == "exit code 7: echo gone wrong >&2; exit 7\ngone wrong"


def test_a_signal_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"^killed by SIGKILL: kill -9 \$\$"):
        run(tmp_path, "kill -9 $$")


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(CommandStartError, match=r"^cannot start no-such-program: .*No such file"):
        run(tmp_path, ["no-such-program"])


def test_output_that_is_no_json_is_a_clear_error(tmp_path):
    with pytest.raises(TaskrunnerError, match="the output is not JSON"):
        run(tmp_path, ["echo", "{"], "json")


def test_much_output_is_whole(tmp_path):
    script = "import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('y' * 3_000_000)"
    assert len(run(tmp_path, [sys.executable, "-c", script])) == 3_000_000
    assert (tmp_path / "c.err").stat().st_size == 3_000_000


def test_cancelling_ends_the_whole_process_group(tmp_path):
    pids = tmp_path / "pids"

    async def start_and_cancel():
        script = f"sleep 60 & echo $! $$ >{pids}.new; mv {pids}.new {pids}; wait"
        task = asyncio.create_task(run_command(command(script), tmp_path, "c"))
        while not pids.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert asyncio.run(start_and_cancel())
    for pid in map(int, pids.read_text().split()):
        wait_until_gone(pid)


def test_a_command_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("taskrunner.nodes.command.GRACE_PERIOD_S", 0.05)
    ready = tmp_path / "ready"

    async def start_and_cancel():
        script = f"trap '' TERM; echo $$ >{ready}.new; mv {ready}.new {ready}; while :; do sleep 1; done"
        task = asyncio.create_task(run_command(command(script), tmp_path, "c"))
        while not ready.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(start_and_cancel())
    wait_until_gone(int(ready.read_text()))


def wait_until_gone(pid):
    """A killed process that is nobody's child takes a moment to go, and nothing tells when it has."""
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def is_running(pid):
    """A zombie whose new parent has not reaped it yet is not running."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_is_running_tells_the_living():
    assert is_running(os.getpid())
    process = asyncio.run(_ended())
    assert not is_running(process)


async def _ended():
    process = await asyncio.create_subprocess_exec("sleep", "60")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return process.pid
