"""Declared files of a node: the paths that its patterns match, and whether their contents are unchanged."""

import glob
import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

# The clock of a file system may have steps of this length: two writes within one step can leave the same stamp.
MAX_CLOCK_STEP_NS = 2_000_000_000

# The time of the last change of a file in nanoseconds, its size and its inode number. None: no file, or unreadable.
type Stamp = tuple[int, int, int] | None


class Contents:
    """The digests of file contents. A file is read once, unless it may have changed since. Any thread may use it."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, Stamp], str] = {}

    def digest(self, path: str, stamp: Stamp) -> str:
        """Return the digest of a file whose stamp was just taken; empty if the stamp is None.

        Raises:
            OSError: the file cannot be read.

        """
        if stamp is None:
            return ""
        if (path, stamp) in self._digests:
            return self._digests[path, stamp]
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - stamp[0] > MAX_CLOCK_STEP_NS:
            self._digests[path, stamp] = digest
        return digest


def expand(patterns: Iterable[str]) -> list[str]:
    """Return the files that paths and globs match; a directory matches all files in it.

    A path is returned even if nothing exists under it; a glob may match nothing.
    """
    files: dict[str, None] = {}
    for pattern in patterns:
        if Path(pattern).is_dir():
            files |= dict.fromkeys(_matches(str(Path(glob.escape(pattern)) / "**"), hidden=True))
        elif glob.has_magic(pattern) and not Path(pattern).exists():
            files |= dict.fromkeys(_matches(pattern))
        else:
            files[pattern] = None
    return list(files)


def stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    """Return the stamp of each file; a write to a file changes its stamp."""
    return {path: _stamp(path) for path in paths}


def _matches(pattern: str, *, hidden: bool = False) -> list[str]:
    paths = glob.glob(pattern, recursive=True, include_hidden=hidden)  # noqa: PTH207  Path.glob takes no absolute pattern
    return [path for path in sorted(paths) if Path(path).is_file()]


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116  called for every file of every node
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
