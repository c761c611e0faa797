"""The files that a node declares: which they are, and whether they are what they were."""

import glob
import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

# When a file was changed last, in nanoseconds, its size and its number; None: there is none, or none to be read.
type Stamp = tuple[int, int, int] | None

# A file system's clock may stand still as long as this: what was written twice within it can look untouched.
MAX_CLOCK_STEP_NS = 2_000_000_000


def expand(patterns: Iterable[str]) -> list[str]:
    """Return the paths of the files that paths and globs stand for; a folder stands for all that it holds.

    A path is kept though nothing is there, a glob may stand for nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if Path(pattern).is_dir():
            found |= dict.fromkeys(_matches(str(Path(glob.escape(pattern)) / "**"), hidden=True))
        elif glob.has_magic(pattern) and not Path(pattern).exists():
            found |= dict.fromkeys(_matches(pattern))
        else:
            found[pattern] = None
    return list(found)


def _matches(pattern: str, *, hidden: bool = False) -> list[str]:
    paths = glob.glob(pattern, recursive=True, include_hidden=hidden)  # noqa: PTH207  Path.glob takes no absolute pattern
    return [path for path in sorted(paths) if Path(path).is_file()]


def stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    """Return the stamp of each file: one that was written to since has another."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116  for every file of every node
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Contents:
    """The digests of files' contents. A file is read once, unless it may have changed since. Any thread may ask."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Stamp], str] = {}

    def digest(self, path: str, stamp: Stamp) -> str:
        """Return the digest of a file whose stamp was just taken; empty where there is none.

        Raises:
            OSError: it cannot be read.

        """
        if stamp is None:
            return ""
        if (path, stamp) in self._known:
            return self._known[path, stamp]
        with Path(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - stamp[0] > MAX_CLOCK_STEP_NS:
            self._known[path, stamp] = found
        return found
