"""Result cache: each result by the digest of everything that it was computed from. Several runs may share it.

An entry is a file ``<first 2 digits>/<64 digits>`` in the directory of the cache:

    magic
    SHA-256 of the key and the payload      32 bytes
    payload

It is written to a file with another name and then renamed. So a reader finds a whole entry or none, regardless of
the number of writers. If two runs write the same entry, the later one replaces the earlier one, which is equal.
A damaged entry counts as missing, and so does an entry under the name of another. The modification time of the
file is the time of the last use.
"""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from taskrunner.safe.private_files import make_private, write_private

MAGIC = b"taskrunner cache 2\n"
_HEADER_BYTES = len(MAGIC) + hashlib.sha256().digest_size
_KEY = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".new"
# Age from which a file that was never renamed belongs to a run that no longer exists.
_STALE_AFTER_S = 3600.0


class Entry(msgspec.Struct, frozen=True):
    """One entry: its file, its size in bytes, and the time of its last use, in seconds since 1970."""

    path: Path
    size: int
    used: float


class Cache:
    """The entries in one directory, which the first ``put`` creates."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, key: str) -> bytes | None:
        """Return the payload under a key, or None if there is no valid entry; this counts as a use."""
        payload = self.peek(key)
        if payload is not None:
            with contextlib.suppress(OSError):  # the cache of another user, or an entry that was just removed
                os.utime(self._path(key))
        return payload

    def peek(self, key: str) -> bytes | None:
        """Return the payload under a key, or None if there is no valid entry; this does not count as a use."""
        try:
            data = self._path(key).read_bytes()
        except OSError:
            return None
        payload = data[_HEADER_BYTES:]
        return payload if data[:_HEADER_BYTES] == MAGIC + _checksum(key, payload) else None

    def put(self, key: str, payload: bytes) -> None:
        """Store an entry, and replace an existing one.

        Raises:
            OSError: the entry cannot be written; an existing one is unchanged.

        """
        path = self._path(key)
        for directory in (self.directory, path.parent):
            if not directory.is_dir():
                make_private(directory)
        new = path.with_name(f"{key}.{os.urandom(8).hex()}{_UNFINISHED}")
        try:
            write_private(new, MAGIC + _checksum(key, payload) + payload)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def remove(self, key: str) -> None:
        """Remove an entry, if it exists.

        Raises:
            OSError: the entry exists and cannot be removed.

        """
        self._path(key).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Return all entries, the least recently used one first."""
        return sorted(self._files(whole=True), key=lambda entry: (entry.used, entry.path))

    def prune(self, *, older_than: float | None = None, max_bytes: int | None = None) -> list[Entry]:
        """Remove entries without a use for ``older_than`` seconds, then those in excess of ``max_bytes``.

        The least recently used entries are removed first. Return the removed entries.

        Raises:
            OSError: an entry cannot be removed.

        """
        now = time.time()
        for entry in self._files(whole=False):
            if now - entry.used > _STALE_AFTER_S:
                entry.path.unlink(missing_ok=True)
        entries = self.entries()
        total = sum(entry.size for entry in entries)
        removed = []
        for entry in entries:
            is_old = older_than is not None and now - entry.used > older_than
            if not is_old and (max_bytes is None or total <= max_bytes):
                break  # the same is true of all later entries, which were used more recently
            entry.path.unlink(missing_ok=True)
            total -= entry.size
            removed.append(entry)
        return removed

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / key

    def _files(self, *, whole: bool) -> Iterator[Entry]:
        """Yield the whole entries, or the unfinished ones; skip all files that the cache did not create."""
        for path in self.directory.glob("[0-9a-f][0-9a-f]/*"):
            if whole:
                is_ours = _KEY.fullmatch(path.name) and path.name[:2] == path.parent.name
            else:
                is_ours = path.name.endswith(_UNFINISHED)
            if is_ours:
                with contextlib.suppress(FileNotFoundError):  # removed by another run
                    status = path.stat()
                    yield Entry(path, status.st_size, status.st_mtime)


def _checksum(key: str, payload: bytes) -> bytes:
    checksum = hashlib.sha256(key.encode())
    checksum.update(payload)
    return checksum.digest()
