"""Journal of a run: the finished nodes with their results, so that a resumed run does not repeat them.

The file is a sequence of records after a magic line, and is only ever appended to. Each record consists of

    length of the payload   4 bytes, little-endian
    checksum of the payload 4 bytes, CRC-32 of the length and the payload
    payload                 MessagePack: a list of entries, [node], [node, result] or [node, result, files]

The journal writer's thread writes the entries since the last batch with one write per batch. A killed process
therefore leaves complete batches and at most one torn one. A reader stops at the first incomplete or damaged record,
and trusts nothing after it. An entry without a result belongs to a node whose result cannot be stored. ``files``
describes the files that the node declares. Another entry marks the start of an ``always`` node, which may remove what
other nodes have made; it is written before the node starts. A journal of format 1 counts as empty: it has neither.

The file is locked while a run writes it. The system drops the lock when the process ends, in whatever way.
"""

import contextlib
import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.safe.private_files import open_private
from taskrunner.storage.serialization import ATOMS, SerializationError, deserialize, serialize

MAGIC = b"taskrunner journal 2\n"
MAX_RECORD_ENTRIES = 1000
# MessagePack extension types: a serialized result; the tombstone of a node that counts as unfinished again; the
# placeholder for a result that cannot be stored; the start of an ``always`` node.
_SERIALIZED = 100
_TOMBSTONE = 101
_NO_RESULT = 102
_STARTED = 103
_HEAD = struct.Struct("<II")
# Built-in types whose length measures their contents. Any other type defines its own length.
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_SIZED = _CONTAINERS | {str, bytes, bytearray}

type Entry = tuple[str] | tuple[str, Any] | tuple[str, Any, Any]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


class Contents(msgspec.Struct, frozen=True):
    """The contents of a journal: the entry of each finished node, and the ``always`` nodes that have started."""

    entries: dict[str, Entry]
    started: frozenset[str]


class Journal:
    """A journal that is open for writing. ``fsync``: each batch is synced to disk before the next one.

    Any thread may append; a lock separates the batches.

    Raises:
        TaskrunnerError: the journal cannot be written, or another process writes it.

    """

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path = path
        self._fsync = fsync
        self._lock = threading.Lock()
        self._file = lock_file(path)
        os.ftruncate(self._file, _valid_length(path.read_bytes()))
        if not os.fstat(self._file).st_size:
            self._write(MAGIC)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write the entries of finished nodes.

        Raises:
            OSError: the entries cannot be written; earlier entries stay valid.

        """
        starts = range(0, len(entries), MAX_RECORD_ENTRIES)
        records = [_encode_record(entries[start : start + MAX_RECORD_ENTRIES]) for start in starts]
        with self._lock:
            self._write(b"".join(records))
            if self._fsync:
                os.fsync(self._file)

    def append_synced(self, entries: Sequence[Entry]) -> None:
        """Write entries without which the earlier ones would be wrong, and sync them to disk.

        Otherwise a power failure could lose them, and keep files that were written afterwards.

        Raises:
            OSError: the entries cannot be written; earlier entries stay valid.

        """
        self.append(entries)
        os.fsync(self._file)

    def append_or_clear(self, stored: Entry) -> None:
        """Write and sync an entry without which the earlier ones would be wrong, or else drop the earlier ones."""
        try:
            self.append_synced([stored])
        except OSError:
            with self._lock, contextlib.suppress(OSError):
                os.ftruncate(self._file, len(MAGIC))

    def close(self) -> None:
        """Close the file, which releases the lock."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        size, rest = os.fstat(self._file).st_size, memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)  # a reader stops at a torn record
            raise


def entry(node: str, value: Any) -> Entry:
    """Return the entry of a finished node, as an immutable snapshot of its result.

    The thread that computed the result calls this function before it passes the result to any other thread.
    """
    if type(value) in ATOMS:
        return (node, value)
    try:
        return (node, Ext(_SERIALIZED, serialize(value)))
    except SerializationError:
        return (node,)


def with_files(stored: Entry, files: Any) -> Entry:
    """Return an entry with the description of the files that the node declares."""
    return stored[0], stored[1] if len(stored) > 1 else Ext(_NO_RESULT, b""), files


def files_of(stored: Entry) -> Any:
    """Return the description of the declared files in an entry; None if it has none."""
    return stored[2] if len(stored) > 2 else None  # noqa: PLR2004  the third part


def started(node: str) -> Entry:
    """Return the entry that marks the start of an ``always`` node."""
    return (node, Ext(_STARTED, b""))


def bounded_entry(node: str, value: Any, max_bytes: int) -> Entry:
    """Return the entry of a node, without its result if that takes more than ``max_bytes`` bytes.

    A result is always serialized, so that the entry can be sent from a worker process to the client as it is.
    """
    if is_larger(value, max_bytes):
        return (node,)
    try:
        data = serialize(value)
    except SerializationError:
        return (node,)
    return (node, Ext(_SERIALIZED, data)) if len(data) <= max_bytes else (node,)


def is_larger(value: Any, max_bytes: int) -> bool:
    """Return whether a value takes more than ``max_bytes`` bytes, as far as its built-in parts show.

    Each part counts as at least one byte.
    """
    parts, size = [value], 0
    for part in parts:  # the list grows during the iteration, up to the limit
        size += 1
        kind = type(part)
        if kind in _SIZED:
            size += len(part)
            if size <= max_bytes and kind in _CONTAINERS:
                parts += part.values() if kind is dict else part
        if size > max_bytes:
            return True
    return False


def tombstone(node: str) -> Entry:
    """Return the entry that cancels the earlier entries of a node, because the node runs again."""
    return (node, Ext(_TOMBSTONE, b""))


def lock_file(path: Path) -> int:
    """Lock a file in the same way as a journal, and return the file descriptor that holds the lock.

    A run without a journal locks another file.

    Raises:
        TaskrunnerError: the file cannot be written.
        UsageError: another process holds the lock.

    """
    try:
        file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise TaskrunnerError(f"cannot write {path}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise _in_use(path) from None
    return file


def check_unlocked(path: Path) -> None:
    """Refuse a file that a process has locked, as ``lock_file`` does, without locking it.

    Raises:
        UsageError: another process holds the lock.

    """
    if is_locked(path):
        raise _in_use(path)


def _in_use(path: Path) -> UsageError:
    return UsageError(f"another process is using {path.parent}")


def is_locked(path: Path) -> bool:
    """Return whether a process currently holds the lock of a journal or of another file."""
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
    """Return the last valid entry of each finished node; a missing journal counts as empty."""
    return read_contents(path).entries


def read_contents(path: Path) -> Contents:
    """Return the contents of a journal; a missing journal counts as empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    last = {stored[0]: tuple(stored) for _, entries in _read_records(data) for stored in entries}
    codes = {node: _code_of(stored) for node, stored in last.items()}
    finished = {node: stored for node, stored in last.items() if codes[node] not in (_TOMBSTONE, _STARTED)}
    return Contents(finished, frozenset([node for node, code in codes.items() if code == _STARTED]))


def result_of(stored: Entry) -> Any:
    """Return the result in an entry.

    Raises:
        SerializationError: the entry has no result, or this process cannot read it.

    """
    if len(stored) == 1:
        raise SerializationError("the result could not be stored")
    value = stored[1]
    if _code_of(stored) == _NO_RESULT:
        raise SerializationError("the result could not be stored")
    return deserialize(bytes(value.data)) if isinstance(value, Ext) else value


def _code_of(stored: Entry) -> int | None:
    """Return the code of the extension type in an entry; None if it has none."""
    value = stored[1] if len(stored) > 1 else None
    return value.code if isinstance(value, Ext) else None


def _encode_record(entries: Sequence[Entry]) -> bytes:
    try:
        payload = _encode(entries)
    except Exception:  # noqa: BLE001  an entry holds an integer beyond 64 bits, or a string that is not valid Unicode
        payload = _encode([encodable for stored in entries for encodable in _to_encodable(stored)])
    length = len(payload).to_bytes(4, "little")
    return length + zlib.crc32(payload, zlib.crc32(length)).to_bytes(4, "little") + payload


def _to_encodable(stored: Entry) -> list[Entry]:
    """Return an entry that can be encoded, with its result serialized or without it; [] if even the id cannot be."""
    serialized: list[Entry] = []
    if len(stored) > 1:
        serialized = [(stored[0], Ext(_SERIALIZED, data)) for data in _try_serialize(stored[1])]
    for candidate in (stored, *serialized, (stored[0],)):
        with contextlib.suppress(Exception):
            _encode(candidate)
            return [candidate]
    return []


def _try_serialize(value: Any) -> list[bytes]:
    try:
        return [serialize(value)]
    except SerializationError:
        return []


def _valid_length(data: bytes) -> int:
    """Return the number of valid bytes at the start of a journal; 0 if even the magic line is wrong."""
    start = len(MAGIC) if data.startswith(MAGIC) else 0
    return max([start, *(end for end, _ in _read_records(data))])


def _read_records(data: bytes) -> Iterable[tuple[int, list[Any]]]:
    """Yield the end offset and the entries of each valid record."""
    offset = len(MAGIC)
    if not data.startswith(MAGIC):
        return
    while offset + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, offset)
        start, end = offset + _HEAD.size, offset + _HEAD.size + length
        payload = data[start:end]
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(data[offset : offset + 4])) != checksum:
            return
        try:
            entries = _decode(payload)
        except msgspec.DecodeError:
            return
        yield end, entries
        offset = end
