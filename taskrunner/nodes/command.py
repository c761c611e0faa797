"""Command execution: start the process, wait for it on the event loop, and read its output.

The process writes its output straight to files and reads its input from a file. So there is no pipe, no
reader thread, and no output to lose when either process dies.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import UNSET

from taskrunner.errors import TaskrunnerError
from taskrunner.graph.spec import Capture
from taskrunner.nodes.errors import CommandError
from taskrunner.safe.private_files import open_private
from taskrunner.safe.secrets import Mask, looks_secret
from taskrunner.safe.strict_json import to_strict_json
from taskrunner.storage.run_directory import output_files
from taskrunner.system.process_groups import GRACE_PERIOD_S, groups, starting

POLL_INTERVAL_S = 0.02
MAX_TAIL_CHARS = 2000


class CommandStartError(TaskrunnerError):
    """A command that could not be started: for example, its program or its directory does not exist."""


class Command:
    """A command whose templates are bound. ``argv`` is a string for the shell, or a list."""

    __slots__ = ("argv", "capture", "cwd", "env", "stdin")

    def __init__(
        self, argv: str | Sequence[Any], env: Mapping[str, Any], cwd: str | None, stdin: Any, capture: Capture
    ) -> None:
        self.argv = argv if isinstance(argv, str) else [_format_value(part) for part in argv]
        self.env = {name: _format_value(value) for name, value in env.items()}
        self.cwd = cwd
        self.stdin = stdin
        self.capture = capture

    def input(self) -> bytes | None:
        """Return the bytes for standard input; None if the command reads nothing."""
        if self.stdin is UNSET or self.stdin is None:
            return None
        return self.stdin if isinstance(self.stdin, bytes) else _format_value(self.stdin).encode()

    def __str__(self) -> str:
        return self.argv if isinstance(self.argv, str) else " ".join(self.argv)

    def mask(self, text: str) -> str:
        """Mask the values of the command's secret variables in a string; some are results of other nodes."""
        return Mask([value for name, value in self.env.items() if looks_secret(name)])(text)


# Runs a command in the directory for its output, under the name of its node, and returns its result.
type RunCommand = Callable[[Command, Path, str], Coroutine[Any, Any, Any]]


async def run_command(command: Command, directory: Path, name: str) -> Any:
    """Run a command and return its standard output, in the form that ``capture`` specifies.

    The output is stored in ``directory`` as ``<name>.out`` and ``<name>.err``. Cancellation ends the whole
    process group: SIGTERM, a grace period, SIGKILL.

    Raises:
        CommandError: the command failed.
        CommandStartError: the command could not be started.

    """
    out, err = output_files(directory, name)
    with contextlib.ExitStack() as files:
        stdin = files.enter_context(_open_stdin(command.input()))
        command.stdin = UNSET  # the file holds it now
        stdout = files.enter_context(_open_output(out))
        stderr = files.enter_context(_open_output(err))
        try:
            process = await _start_or_end(command, stdin, stdout, stderr)
        except OSError as error:
            raise CommandStartError(command.mask(f"cannot start {command}: {error}")) from error
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await _end_group(process)
        raise
    finally:
        groups.discard(process.pid)
    if code:
        raise CommandError(command.mask(str(command)), code, command.mask(_tail(err) or _tail(out)))
    return _read_output(out, command)


async def _start_or_end(
    command: Command, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
) -> asyncio.subprocess.Process:
    """Start a process; on cancellation during the start, end its whole group and not only the process."""
    start = asyncio.ensure_future(_start(command, stdin, stdout, stderr))
    try:
        return await asyncio.shield(start)
    except asyncio.CancelledError:
        process = await start
        try:
            await _end_group(process)
        finally:
            groups.discard(process.pid)
        raise


async def _start(
    command: Command, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
) -> asyncio.subprocess.Process:
    """Start a process and register its group in ``groups``."""
    environment = {**os.environ, **command.env}
    with starting():
        if isinstance(command.argv, str):
            process = await asyncio.create_subprocess_shell(
                command.argv, stdin=stdin, stdout=stdout, stderr=stderr,
                env=environment, cwd=command.cwd, start_new_session=True,
            )  # fmt: skip
        else:
            process = await asyncio.create_subprocess_exec(
                *command.argv, stdin=stdin, stdout=stdout, stderr=stderr,
                env=environment, cwd=command.cwd, start_new_session=True,
            )  # fmt: skip
        groups.add(process.pid)
    return process


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End a process and its whole group, and reap the process."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_PERIOD_S):
            await process.wait()
            while _signal_group(process, 0):  # noqa: ASYNC110  no event reports that a group is empty
                await asyncio.sleep(POLL_INTERVAL_S)
    _signal_group(process, signal.SIGKILL)
    await process.wait()


def _signal_group(process: asyncio.subprocess.Process, number: int) -> bool:
    """Send a signal to a process group, and return whether the group exists; 0 only checks.

    The group has the number of its process, which leads a separate session.
    """
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _open_stdin(data: bytes | None) -> IO[bytes]:
    if data is None:
        return Path(os.devnull).open("rb")
    file = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    file.write(data)
    file.seek(0)
    return file


def _open_output(path: Path) -> IO[bytes]:
    return open(path, "wb", opener=open_private)


def _read_output(path: Path, command: Command) -> Any:
    capture = command.capture
    if capture == "none":
        return None
    data = path.read_bytes()
    if capture == "bytes":
        return data
    if capture == "json":
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            message = f"the output is not JSON: {error}; it begins with {data[:60]!r}"
            raise TaskrunnerError(command.mask(message)) from None
    text = data.decode(errors="replace")
    return _split_lines(text) if capture == "lines" else text


def _split_lines(text: str) -> list[str]:
    """Split a string at the line ends of a file; ``splitlines`` has ten more separators."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MAX_TAIL_CHARS))
        return file.read().decode(errors="replace").strip()


def _format_value(value: Any) -> str:
    """Format a value for a command: strings and paths unchanged, all other values as JSON."""
    if isinstance(value, os.PathLike):
        return str(value)
    return value if isinstance(value, str) else to_strict_json(value).decode()
