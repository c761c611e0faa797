"""Import probe: the effect of imports on the GIL, tested in child processes that may crash or hang."""

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
ALREADY = "the GIL is on before any import"

_REMOVED_VARIABLES = ("PYTHON_GIL", "PYTHONSTARTUP", "PYTHONINSPECT")  # they would change the child's interpreter
_FILES = ("order", "report", "errors")  # standard input, output and error of a child
_MAX_REPORT_BYTES = 1_000_000
_MAX_MESSAGE_CHARS = 200  # of the last line of a child's standard error


class ImportOutcome(msgspec.Struct, frozen=True):
    """The outcome of importing one module.

    - ``gil``: ``on`` if it switched the GIL on, and ``culprit`` is this module or the imported one that did; ``off`` if
      not; ``unknown`` for the reason in ``problem``.
    - ``loaded``: the extension modules loaded with it, and their files.
    - ``is_whole``: whether the child process survived the import.
    """

    module: str
    gil: str = UNKNOWN
    culprit: str = ""
    problem: str = ""
    loaded: dict[str, str] = {}
    is_whole: bool = False


class _ChildReport(msgspec.Struct, frozen=True):
    """A child's report on one module, sent as a line of JSON."""

    module: str
    before: bool
    after: bool
    culprit: str
    error: str
    loaded: dict[str, str]


class Prober:
    """A probe with a time limit of ``timeout_s`` seconds for its child processes; any thread may call it."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._is_stopped = False

    def stop(self) -> None:
        """Kill the running children, and start no more."""
        self._is_stopped = True
        kill_all()

    def probe_in_order(
        self, names: Sequence[str], path: Sequence[str], directory: Path | None = None, *, probe_all: bool = False
    ) -> list[ImportOutcome]:
        """Import modules in order, with ``path`` as the search path, and return their outcomes.

        One child imports all of them, as a run would. If it dies, or an import switches the GIL on, another child
        continues with the next module. Without ``probe_all``, the first module that switches the GIL on is the last
        one tested, and the time limit applies to all children together. With ``probe_all``, it applies to each child.

        The children use ``directory`` as their working directory, or else an empty one each.
        """
        deadline, outcomes = time.monotonic() + self.timeout_s, list[ImportOutcome]()
        while len(outcomes) < len(names) and (probe_all or ON not in [outcome.gil for outcome in outcomes[-1:]]):
            pending = names[len(outcomes) :]
            timeout_s = self.timeout_s if probe_all else deadline - time.monotonic()
            if timeout_s <= 0 or self._is_stopped:
                problem = f"not tested: the time limit of {self.timeout_s:g} s is over"
                return outcomes + [ImportOutcome(name, problem=problem) for name in pending]
            outcomes += self._probe(pending, path, directory, timeout_s)
        return outcomes

    def _probe(
        self, names: Sequence[str], path: Sequence[str], directory: Path | None, timeout_s: float
    ) -> list[ImportOutcome]:
        """Run one child and return its outcomes, at least one; the last one is the module that killed it, if any."""
        request = {"names": [*names], "path": [*path], "seconds": timeout_s, "watch": gil.__file__}
        with tempfile.TemporaryDirectory(prefix="taskrunner-", ignore_cleanup_errors=True) as temporary:
            for name in _FILES:
                Path(temporary, name).touch(0o600)
            Path(temporary, "order").write_text(json.dumps(request))  # ASCII: a path may be invalid UTF-8
            working_directory = directory or Path(temporary, "empty")
            working_directory.mkdir(exist_ok=True)
            problem = self._run_child(Path(temporary), working_directory, timeout_s)
            outcomes = _read_report(Path(temporary, "report"), names)
        if len(outcomes) == len(names) or (outcomes and outcomes[-1].gil == ON):
            return outcomes
        return [*outcomes, ImportOutcome(names[len(outcomes)], problem=problem)]

    def _run_child(self, temporary: Path, working_directory: Path, timeout_s: float) -> str:
        """Run a child until it ends, and return a message that describes its end."""
        try:
            process = _start(temporary, working_directory)
        except OSError as error:
            return f"cannot start a process: {error.strerror}"
        groups.add(process.pid)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return f"timed out after {self.timeout_s:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # the whole group has ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            groups.discard(process.pid)
        return _describe_end(code, temporary / "errors")


def unclear(outcomes: Sequence[ImportOutcome]) -> list[ImportOutcome]:
    """Return the outcomes that leave the effect of importing the package unknown.

    An inner module that raises an error when it is imported alone does not count: users import its package instead.
    """
    return [each for each in outcomes if each.gil == UNKNOWN and not (each.is_whole and "." in each.module)]


def _start(temporary: Path, working_directory: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-P", "-B", "-W", "ignore", child.__file__]
    environment = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
    with contextlib.ExitStack() as files:
        request, report, errors = [files.enter_context((temporary / name).open("r+b")) for name in _FILES]
        return subprocess.Popen(  # noqa: S603  it is this interpreter
            argv,
            stdin=request,
            stdout=report,
            stderr=errors,
            cwd=working_directory,
            env=environment,
            start_new_session=True,
        )


def _read_report(path: Path, names: Sequence[str]) -> list[ImportOutcome]:
    """Read a child's report up to the first invalid line: an imported module may have written to the same file."""
    with path.open("rb") as file:
        lines = file.read(_MAX_REPORT_BYTES).split(b"\n")
    outcomes: list[ImportOutcome] = []
    for name, line in zip(names, lines, strict=False):
        try:
            report = msgspec.json.decode(line, type=_ChildReport)
        except ValueError:
            break
        if report.module != name:
            break
        outcomes.append(_to_outcome(report))
    return outcomes


def _to_outcome(report: _ChildReport) -> ImportOutcome:
    module, error, loaded = report.module, report.error, report.loaded
    if report.before:
        return ImportOutcome(module, UNKNOWN, "", ALREADY, loaded, is_whole=True)
    if report.after:
        return ImportOutcome(module, ON, report.culprit or module, error, loaded, is_whole=True)
    return ImportOutcome(module, UNKNOWN if error else OFF, "", error, loaded, is_whole=True)


def _describe_end(code: int, errors: Path) -> str:
    """Return how a child ended before its report was complete."""
    message = f"crashed: {signal_name(-code)}" if code < 0 else f"exited with code {code}"
    with errors.open("rb") as file:
        file.seek(max(0, errors.stat().st_size - _MAX_REPORT_BYTES))
        lines = file.read(_MAX_REPORT_BYTES).decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{message}: {last[:_MAX_MESSAGE_CHARS]}" if last else message
