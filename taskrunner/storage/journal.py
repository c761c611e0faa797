"""The journal of a run: which nodes have finished, with their results, so that a later run need not repeat them.

A file of records, each of them

    length of the payload   4 bytes, little-endian
    checksum of the payload 4 bytes, CRC-32 of the length and the payload
    payload                 MessagePack: a list of entries, [node] or [node, result]

and only ever appended to. The thread of the log writes what has finished since the last batch with one
write a batch, so that a process that is killed leaves whole batches and at most one torn one. Whoever
reads stops at the first record that is not whole and right, and trusts nothing behind it. An entry
without a result is that of a node which finished with a result that cannot be stored.

The file is locked while a run writes it. The system drops the lock with the process, however it ends.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from taskrunner.errors import TaskrunnerError
from taskrunner.safe.private_files import open_private
from taskrunner.storage.serialization import ATOMS, SerializationError, deserialize, serialize

MAGIC = b"taskrunner journal 1\n"
_HEAD = struct.Struct("<II")
# Extension types: a result that was packed by the thread that made it; a node that has not finished after all.
_PACKED = 100
_TOMBSTONE = 101
BATCH = 1000  # entries a record
# Whose length is what they hold; that of any other object is its own affair.
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_SIZED = _CONTAINERS | {str, bytes, bytearray}

type Entry = tuple[str] | tuple[str, Any]


def entry(node: str, value: Any) -> Entry:
    """Return the entry of a node that has finished, in a form that nobody can change any more.

    It is made by the thread that has the result, before anybody else gets it.
    """
    if type(value) in ATOMS:
        return (node, value)
    try:
        return (node, Ext(_PACKED, serialize(value)))
    except SerializationError:
        return (node,)


def bounded_entry(node: str, value: Any, most: int) -> Entry:
    """Return the entry of a node, without its result if that takes more than so many bytes; it travels as it is."""
    if is_larger(value, most):
        return (node,)
    try:
        data = serialize(value)
    except SerializationError:
        return (node,)
    return (node, Ext(_PACKED, data)) if len(data) <= most else (node,)


def is_larger(value: Any, most: int) -> bool:
    """Say whether a value takes more than so many bytes, as far as its own parts tell; each takes one at least."""
    waiting, size = [value], 0
    for part in waiting:  # it grows while it is read, up to so many
        size += 1
        kind = type(part)
        if kind in _SIZED:
            size += len(part)
            if size <= most and kind in _CONTAINERS:
                waiting += part.values() if kind is dict else part
        if size > most:
            return True
    return False


def tombstone(node: str) -> Entry:
    """Return the entry of a node that has finished as something else than it is now."""
    return (node, Ext(_TOMBSTONE, b""))


class Journal:
    """A journal that is written. ``fsync``: each batch goes to the disk before the next.

    Raises:
        TaskrunnerError: it cannot be written, or another process writes it.

    """

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path = path
        self._fsync = fsync
        self._file = lock_file(path)
        os.ftruncate(self._file, _good_length(path.read_bytes()))
        if not os.fstat(self._file).st_size:
            self._write(MAGIC)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write the entries of nodes that have finished.

        Raises:
            OSError: they cannot be written; what was written before stays good.

        """
        records = [_record(entries[first : first + BATCH]) for first in range(0, len(entries), BATCH)]
        self._write(b"".join(records))
        if self._fsync:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file, which drops the lock."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]


def lock_file(path: Path) -> int:
    """Lock a file as a journal is locked, and return the descriptor that holds the lock: for a run without a journal.

    Raises:
        TaskrunnerError: it cannot be written, or another process holds it.

    """
    try:
        file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise TaskrunnerError(f"cannot write {path}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise TaskrunnerError(f"another process runs in {path.parent}") from None
    return file


def is_locked(path: Path) -> bool:
    """Say whether a process holds a journal, or another file, just now."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def read(path: Path) -> dict[str, Entry]:
    """Return the last good entry of each node; no journal is an empty one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    last = {found[0]: tuple(found) for _, entries in _records(data) for found in entries}
    return {node: found for node, found in last.items() if not _is_tombstone(found)}


def result_of(found: Entry) -> Any:
    """Return the result that an entry holds.

    Raises:
        NotStorableError: it holds none, or none that can be read here.

    """
    if len(found) == 1:
        raise SerializationError("the result could not be stored")
    value = found[1]
    return deserialize(bytes(value.data)) if isinstance(value, Ext) else value


def _is_tombstone(found: Entry) -> bool:
    value = found[1] if len(found) > 1 else None
    return isinstance(value, Ext) and value.code == _TOMBSTONE


def _record(entries: Sequence[Entry]) -> bytes:
    try:
        payload = _encode(entries)
    except Exception:  # noqa: BLE001  one of them holds a number beyond 64 bits, or text that is no Unicode
        payload = _encode([safe for found in entries for safe in _safe(found)])
    length = len(payload).to_bytes(4, "little")
    return length + zlib.crc32(payload, zlib.crc32(length)).to_bytes(4, "little") + payload


def _safe(found: Entry) -> list[Entry]:
    """Return an entry that can be encoded: packed, or without its result, or none."""
    packed: list[Entry] = [] if len(found) == 1 else [(found[0], Ext(_PACKED, data)) for data in _packed(found[1])]
    for candidate in (found, *packed, (found[0],)):
        with contextlib.suppress(Exception):
            _encode(candidate)
            return [candidate]
    return []


def _packed(value: Any) -> list[bytes]:
    try:
        return [serialize(value)]
    except SerializationError:
        return []


def _good_length(data: bytes) -> int:
    """Return how many bytes of a journal are good; 0: not even its beginning."""
    start = len(MAGIC) if data.startswith(MAGIC) else 0
    return max([start, *(end for end, _ in _records(data))])


def _records(data: bytes) -> Iterable[tuple[int, list[Any]]]:
    """Yield the entries of each good record, and where it ends."""
    place = len(MAGIC)
    if not data.startswith(MAGIC):
        return
    while place + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, place)
        start, end = place + _HEAD.size, place + _HEAD.size + length
        payload = data[start:end]
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(data[place : place + 4])) != checksum:
            return
        try:
            entries = _decode(payload)
        except msgspec.DecodeError:
            return
        yield end, entries
        place = end


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode
