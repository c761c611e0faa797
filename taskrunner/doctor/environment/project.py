"""Project in the working directory: uv, its lock, and the comparison of the environment with the lock.

uv runs without network, builds nothing and changes nothing. The comparison reads the metadata of the environment and
the lock.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

from taskrunner.doctor.environment.lock import LOCK, Lock, read_lock

TIMEOUT_S = 20.0
STALE = "needs to be updated"  # part of uv's message; with any other message the state is unknown
_CHECK_OPTIONS = (
    "lock", "--check", "--offline", "--no-build", "--no-python-downloads", "--no-progress", "--color", "never",
)  # fmt: skip


class Project(msgspec.Struct, frozen=True):
    """The state of uv and the lock.

    - ``uv``: its version, "" if it was not found.
    - ``lock``: ``none``, ``unreadable``, ``fresh`` (matches pyproject.toml), ``stale``, or ``unknown``.
    - ``locked``: the number of installed distributions with the lock's version.
    - ``differing``: the distributions with another version, with both versions.
    - ``unlocked``: the distributions that the lock does not contain.
    """

    uv: str
    lock: str
    locked: int = 0
    differing: tuple[str, ...] = ()
    unlocked: tuple[str, ...] = ()


def describe(lock: Lock | None, state: str, installed: Iterable[tuple[str, str]]) -> Project:
    """Return the state of the working directory's project; ``lock`` and ``state`` are the results of ``open_lock``."""
    uv = _find_uv()
    version = _version(uv) if uv else ""
    if lock is None:
        return Project(version, state)
    if version:
        state = _check(uv)
    entries = [(name, version, lock.versions(name)) for name, version in installed]
    return Project(
        version,
        state,
        sum(version in versions for _, version, versions in entries),
        tuple(
            [f"{n} {v} (locked: {', '.join(locked)})" for n, v, locked in entries if any(locked) and v not in locked]
        ),
        tuple([name for name, _, versions in entries if not versions]),
    )


def open_lock(path: Path = LOCK) -> tuple[Lock | None, str]:
    """Return the lock of the working directory, or None without a readable one, and its preliminary state."""
    try:
        lock = read_lock(path)
    except (OSError, ValueError, RecursionError):  # msgspec's errors and those of Unicode are ValueErrors
        return None, "unreadable"
    return lock, "none" if lock is None else "unknown"


def _find_uv() -> str:
    """Return the path of uv: the parent of this process, the one in the search path, or that of scripts/bootstrap."""
    data = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    candidates = (os.environ.get("UV", ""), "uv", str(data / "taskrunner" / "uv" / "bin" / "uv"))
    return next((path for candidate in candidates if candidate and (path := shutil.which(candidate))), "")


def _version(uv: str) -> str:
    code, output = _run(uv, "--version")
    words = output.split()
    return words[1] if code == 0 and len(words) > 1 and words[0] == "uv" else ""


def _check(uv: str) -> str:
    code, output = _run(uv, *_CHECK_OPTIONS)
    if code == 0:
        return "fresh"
    return "stale" if STALE in output else "unknown"


def _run(*argv: str) -> tuple[int, str]:
    """Run a command, and return its exit code and output; the code is -1 if it does not start or does not end."""
    try:
        completed = subprocess.run(  # noqa: S603
            argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return completed.returncode, (completed.stdout + completed.stderr).decode(errors="replace")
