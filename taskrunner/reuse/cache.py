"""The cache: what was computed, by the digest of all that it was computed from. Several runs may share it.

An entry is a file ``<first 2 digits>/<64 digits>`` in the cache's folder:

    magic
    SHA-256 of the key and the payload      32 bytes
    payload

It is written to a file of another name and then renamed: a reader finds a whole entry or none, whoever
writes. If two runs write the same one, the later replaces the earlier, which says the same. What is damaged,
or stands under another's name, is as good as not there. When it was used last is the file's own time.
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

MAGIC = b"taskrunner cache 1\n"
_START = len(MAGIC) + hashlib.sha256().digest_size
_KEY = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".new"
# Seconds after which a file that was never renamed belongs to a run that is no more.
_STALE_AFTER_S = 3600.0


class Entry(msgspec.Struct, frozen=True):
    """One entry: its file, its size in bytes, and when it was used last, in seconds since 1970."""

    path: Path
    size: int
    used: float


class Cache:
    """The entries in one folder, which is made when there is something to put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, None if there is no good entry; it counts as used now."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        payload = data[_START:]
        if data[:_START] != MAGIC + _checksum(key, payload):
            return None
        with contextlib.suppress(OSError):  # somebody else's cache, or an entry that was just removed
            os.utime(path)
        return payload

    def put(self, key: str, payload: bytes) -> None:
        """Put an entry, in place of the one that is there.

        Raises:
            OSError: it cannot be written; what was there before is still there.

        """
        path = self._path(key)
        for folder in (self.folder, path.parent):
            if not folder.is_dir():
                make_private(folder)
        new = path.with_name(f"{key}.{os.urandom(8).hex()}{_UNFINISHED}")
        try:
            write_private(new, MAGIC + _checksum(key, payload) + payload)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def remove(self, key: str) -> None:
        """Remove an entry, if there is one.

        Raises:
            OSError: it is there and cannot be removed.

        """
        self._path(key).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Return all entries, the one that was used longest ago first."""
        return sorted(self._files(whole=True), key=lambda entry: (entry.used, entry.path))

    def prune(self, *, older_than: float | None = None, max_bytes: int | None = None) -> list[Entry]:
        """Remove what was not used for so many seconds, and then as much as is too much; return what was removed.

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
                break  # so are all that follow: they were used later
            entry.path.unlink(missing_ok=True)
            total -= entry.size
            removed.append(entry)
        return removed

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _files(self, *, whole: bool) -> Iterator[Entry]:
        """Yield the whole entries, or those that are still being written; other files are none of ours."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            if whole:
                is_ours = _KEY.fullmatch(path.name) and path.name[:2] == path.parent.name
            else:
                is_ours = path.name.endswith(_UNFINISHED)
            if is_ours:
                with contextlib.suppress(FileNotFoundError):  # removed by another run
                    status = path.stat()
                    yield Entry(path, status.st_size, status.st_mtime)


def _checksum(key: str, payload: bytes) -> bytes:
    found = hashlib.sha256(key.encode())
    found.update(payload)
    return found.digest()
