"""The project in the working directory: is uv there, is its lock up to date, is this environment the lock's.

uv is asked without network and without building anything, and changes nothing. Whether the environment is the
lock's is read from both.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

from taskrunner.doctor.environment.lock import LOCK, Lock, read_lock

BOUND = 20.0  # seconds
STALE = "needs to be updated"  # uv's words; with others it could not tell
_ASK = ("lock", "--check", "--offline", "--no-build", "--no-python-downloads", "--no-progress", "--color", "never")


class Project(msgspec.Struct, frozen=True):
    """What is known of uv and the lock.

    ``uv``: its version, "" if there is none. ``lock``: ``none``, ``unreadable``, ``fresh`` (what pyproject.toml asks
    for), ``stale``, or ``unknown``. ``locked``: how many of the installed distributions have the lock's version;
    ``differing``: those that have another, with both; ``unlocked``: those that the lock does not name.
    """

    uv: str
    lock: str
    locked: int = 0
    differing: tuple[str, ...] = ()
    unlocked: tuple[str, ...] = ()


def look(lock: Lock | None, state: str, installed: Iterable[tuple[str, str]]) -> Project:
    """Look at the working directory's project; ``lock`` and ``state`` are what ``open_lock`` gave."""
    uv = _find_uv()
    version = _version(uv) if uv else ""
    if lock is None:
        return Project(version, state)
    if version:
        state = _check(uv)
    pairs = [(name, version, lock.versions(name)) for name, version in installed]
    return Project(
        version,
        state,
        sum(has in versions for _, has, versions in pairs),
        tuple([f"{n} {has} (locked: {', '.join(v)})" for n, has, v in pairs if any(v) and has not in v]),
        tuple([name for name, _, versions in pairs if not versions]),
    )


def open_lock(path: Path = LOCK) -> tuple[Lock | None, str]:
    """Return the lock of the working directory, if there is one to be read, and what can be said of it so far."""
    try:
        lock = read_lock(path)
    except (OSError, ValueError, RecursionError):  # msgspec's errors and those of Unicode are ValueErrors
        return None, "unreadable"
    return lock, "none" if lock is None else "unknown"


def _find_uv() -> str:
    """Return the path of uv: the one that started this, that of the search path, or scripts/bootstrap's own."""
    home = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    places = (os.environ.get("UV", ""), "uv", str(home / "taskrunner" / "uv" / "bin" / "uv"))
    return next((found for place in places if place and (found := shutil.which(place))), "")


def _version(uv: str) -> str:
    code, told = _run(uv, "--version")
    words = told.split()
    return words[1] if code == 0 and len(words) > 1 and words[0] == "uv" else ""


def _check(uv: str) -> str:
    code, told = _run(uv, *_ASK)
    if code == 0:
        return "fresh"
    return "stale" if STALE in told else "unknown"


def _run(*argv: str) -> tuple[int, str]:
    """Run a command, and return its exit code and what it wrote; -1 if it does not start or end."""
    try:
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=BOUND, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")
