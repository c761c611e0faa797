"""What importing a module does to the GIL, tried in child processes: what crashes or hangs ends nothing but itself."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from taskrunner.doctor.imports import child
from taskrunner.system import gil
from taskrunner.system.process_groups import groups, kill_all, signal_name

ON = "on"
OFF = "off"
UNKNOWN = "unknown"
ALREADY = "the GIL is on before anything is imported"

# They would make the child another interpreter than the one that is asked about.
_LEFT_OUT = ("PYTHON_GIL", "PYTHONSTARTUP", "PYTHONINSPECT")
_FILES = ("order", "report", "errors")  # what a child reads and writes
_MOST = 1_000_000  # bytes that are read of what a child tells
_LONGEST = 200  # characters of what it wrote last


class ImportOutcome(msgspec.Struct, frozen=True):
    """What the import of one module did.

    ``gil``: ``on``: it switched the GIL on, and ``culprit`` is the module that did, itself or one that it imports;
    ``off``: it did not; ``unknown``: ``problem`` says why. ``loaded``: the extension modules that came with it, with
    their files. ``is_whole``: the child survived it.
    """

    module: str
    gil: str = UNKNOWN
    culprit: str = ""
    problem: str = ""
    loaded: dict[str, str] = {}
    is_whole: bool = False


class _ChildReport(msgspec.Struct, frozen=True):
    """What a child tells of one module, on a line of JSON."""

    module: str
    before: bool
    after: bool
    culprit: str
    error: str
    loaded: dict[str, str]


def unclear(tried: Sequence[ImportOutcome]) -> list[ImportOutcome]:
    """Return those of a package's modules that leave it open what importing the package does to the GIL.

    An inner module that raises an error when it is imported by itself is none of them: whoever imports its package
    does not do that.
    """
    return [each for each in tried if each.gil == UNKNOWN and not (each.is_whole and "." in each.module)]


class Prober:
    """Tries imports in child processes, which have so many ``seconds``; any thread may call it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._stopped = False

    def stop(self) -> None:
        """Kill the children that there are, and start no more."""
        self._stopped = True
        kill_all()

    def try_in_order(
        self, names: Sequence[str], path: Sequence[str], folder: Path | None = None, *, every: bool = False
    ) -> list[ImportOutcome]:
        """Import modules, in their order, with ``path`` as the search path, and say of each what it did.

        One child imports them all, as a run would. Where it dies, or an import switches the GIL on, another one goes
        on with the next module; without ``every`` the first one that switches it on is the last one tried.
        With ``every`` each child has the whole time, else all of them have it together. Without ``folder`` each child
        works in an empty one.
        """
        end, tried = time.monotonic() + self.seconds, list[ImportOutcome]()
        while len(tried) < len(names) and (every or ON not in [each.gil for each in tried[-1:]]):
            rest, left = names[len(tried) :], self.seconds if every else end - time.monotonic()
            if left <= 0 or self._stopped:
                return tried + [ImportOutcome(name, problem=f"not tried: {self.seconds:g} s are over") for name in rest]
            tried += self._try(rest, path, folder, left)
        return tried

    def _try(self, names: Sequence[str], path: Sequence[str], folder: Path | None, left: float) -> list[ImportOutcome]:
        """Start a child and return what it told; if it died, with the module that it died of. That is one at least."""
        order = {"names": [*names], "path": [*path], "seconds": left, "watch": gil.__file__}
        with tempfile.TemporaryDirectory(prefix="taskrunner-", ignore_cleanup_errors=True) as room:
            for name in _FILES:
                Path(room, name).touch(0o600)
            Path(room, "order").write_text(json.dumps(order))  # ASCII: a path may be no UTF-8
            place = folder or Path(room, "empty")
            place.mkdir(exist_ok=True)
            problem = self._run(Path(room), place, left)
            tried = _read(Path(room, "report"), names)
        if len(tried) == len(names) or (tried and tried[-1].gil == ON):
            return tried
        return [*tried, ImportOutcome(names[len(tried)], problem=problem)]

    def _run(self, room: Path, place: Path, left: float) -> str:
        """Run a child to its end, and say in words how it ended."""
        try:
            process = _start(room, place)
        except OSError as error:
            return f"no process for it: {error.strerror}"
        groups.add(process.pid)
        try:
            code = process.wait(left)
        except subprocess.TimeoutExpired:
            return f"not done after {self.seconds:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left of it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            groups.discard(process.pid)
        return _ending(code, room / "errors")


def _start(room: Path, place: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-P", "-B", "-W", "ignore", child.__file__]
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    with contextlib.ExitStack() as files:
        order, report, errors = [files.enter_context((room / name).open("r+b")) for name in _FILES]
        return subprocess.Popen(  # noqa: S603  it is this interpreter
            argv, stdin=order, stdout=report, stderr=errors, cwd=place, env=environment, start_new_session=True
        )


def _read(report: Path, names: Sequence[str]) -> list[ImportOutcome]:
    """Read what a child told, as far as it makes sense: a module may have written there as well."""
    with report.open("rb") as file:
        lines = file.read(_MOST).split(b"\n")
    tried: list[ImportOutcome] = []
    for name, line in zip(names, lines, strict=False):
        try:
            told = msgspec.json.decode(line, type=_ChildReport)
        except ValueError:
            break
        if told.module != name:
            break
        tried.append(_outcome(told))
    return tried


def _outcome(told: _ChildReport) -> ImportOutcome:
    if told.before:
        return ImportOutcome(told.module, UNKNOWN, "", ALREADY, told.loaded, is_whole=True)
    if told.after:
        return ImportOutcome(told.module, ON, told.culprit or told.module, told.error, told.loaded, is_whole=True)
    return ImportOutcome(told.module, UNKNOWN if told.error else OFF, "", told.error, told.loaded, is_whole=True)


def _ending(code: int, errors: Path) -> str:
    """Say how a child ended that has not told of all that it should."""
    how = f"crashed: {signal_name(-code)}" if code < 0 else f"ended its process with exit code {code}"
    with errors.open("rb") as file:
        file.seek(max(0, errors.stat().st_size - _MOST))
        lines = file.read(_MOST).decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{how}: {last[:_LONGEST]}" if last else how
