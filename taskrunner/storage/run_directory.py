"""Run directory: the files of one run, accessible to the user only. The names of run directories sort by time."""

import contextlib
import datetime as dt
import errno
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.safe.private_files import make_private, write_private
from taskrunner.safe.reprs import to_json
from taskrunner.storage.redaction import SecretHashes, StoredGraph
from taskrunner.storage.summary import Summary

# The default directories for runs, and for the cache that all runs share.
DEFAULT = Path(".taskrunner") / "runs"
CACHE = Path(".taskrunner") / "cache"
_LAST = re.compile(r"last(?:~(\d{1,9}))?")
_UNSAFE = re.compile(r"[^\w.\[\]-]+", re.ASCII)
_MAX_NAME_CHARS = 100


class _NodeId(msgspec.Struct):
    id: str


class _NodeIds(msgspec.Struct):
    nodes: list[_NodeId]


_decode_ids = msgspec.json.Decoder(_NodeIds).decode


class RunDirectory:
    """The directory of one run; it is created if it does not exist.

    Raises:
        TaskrunnerError: the directory cannot be created.

    """

    def __init__(self, runs: Path, run_id: str) -> None:
        self.id = run_id
        self.path = runs / run_id
        self.commands = commands_of(runs, run_id)
        self.events = events_of(self.path)
        self.journal = journal_of(self.path)
        try:
            make_private(self.path)
            make_private(self.commands)
        except OSError as error:
            raise TaskrunnerError(f"cannot create the run directory {self.path}: {error.strerror}") from None

    def write_graph(self, stored: StoredGraph) -> None:
        """Write the graph as JSON in the form in which it runs, and its parameters, both without secrets."""
        hashes = self.path / "fingerprints.json"
        if stored.secret_hashes:
            self._replace(hashes.name, msgspec.json.encode(stored.secret_hashes))
        else:
            hashes.unlink(missing_ok=True)
        self._replace("params.json", to_json(stored.params))
        self._replace("graph.json", stored.graph)

    def write_json(self, name: str, value: msgspec.Struct | None) -> None:
        """Write a small file that describes the run; with None, remove it."""
        if value is None:
            (self.path / name).unlink(missing_ok=True)
        else:
            self._replace(name, msgspec.json.encode(value))

    def write_summary(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        data = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        self._replace("summary.json", data + b"\n")

    def _replace(self, name: str, data: bytes) -> None:
        """Replace a file atomically: a reader sees either the old or the new contents.

        Raises:
            TaskrunnerError: the file cannot be written; the old file stays.

        """
        new = self.path / f"{name}.new"
        try:
            write_private(new, data)
            new.replace(self.path / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise TaskrunnerError(f"cannot write {self.path / name}: {error.strerror}") from None


def check_writable(directory: Path) -> None:
    """Refuse a directory in which a run cannot write its files; create nothing.

    Raises:
        TaskrunnerError: it, or its nearest existing parent, is not a directory or not writable.

    """
    absolute = directory.absolute()
    existing = next(path for path in (absolute, *absolute.parents) if os.path.lexists(path))
    error = errno.EACCES if existing.is_dir() else errno.ENOTDIR
    if error == errno.ENOTDIR or not os.access(existing, os.W_OK | os.X_OK):
        raise TaskrunnerError(f"cannot write to {directory}: {os.strerror(error)}")


def new_run_id() -> str:
    """Return an id such as ``20260131-154502-9f3a1c7``: UTC, microseconds in hexadecimal, and a random byte."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond:05x}{os.urandom(1).hex()}"


def run_ids(runs: Path) -> list[str]:
    """Return the ids of the runs in a directory, the oldest first; unreadable runs of other users are left out.

    Raises:
        UsageError: the directory cannot be read.

    """
    try:
        names = [path.name for path in runs.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read {runs}: {error.strerror}") from None
    # Path.is_file would raise an error for a directory without read permission.
    return sorted(name for name in names if os.path.isfile(runs / name / "graph.json"))  # noqa: PTH113


def find_run(runs: Path, name: str) -> str:
    """Return the id of the run with a given name: an id, a unique prefix of one, ``last``, or ``last~2``.

    ``last~2`` is the second run before the last one, as for Git commits.

    Raises:
        UsageError: no run or more than one run matches.

    """
    ids = run_ids(runs)
    back = back_of(name)
    if back is not None:
        ids = ids[: max(len(ids) - back, 0)][-1:]
    elif name in ids:
        ids = [name]
    else:
        ids = [run_id for run_id in ids if run_id.startswith(name)]
    if not ids:
        raise UsageError(f'no run "{name}" in {runs}')
    if len(ids) > 1:
        raise UsageError(f'"{name}" matches {len(ids)} runs: {", ".join(ids)}')
    return ids[0]


def back_of(name: str) -> int | None:
    """Return the number in a name such as ``last~2``: 0 for ``last``, None for any other name."""
    back = _LAST.fullmatch(name)
    return None if back is None else int(back[1] or 0)


def read_node_ids(directory: Path) -> list[str]:
    """Return the ids of the nodes of the stored graph; [] if it cannot be read."""
    try:
        return [node.id for node in _decode_ids((directory / "graph.json").read_bytes()).nodes]
    except (OSError, msgspec.DecodeError):
        return []


def read_graph(directory: Path) -> StoredGraph:
    """Return the graph stored in a run directory, in the form in which it ran.

    Raises:
        TaskrunnerError: the graph cannot be read.

    """
    hashes = directory / "fingerprints.json"
    try:
        data = (directory / "graph.json").read_bytes()
        params = msgspec.json.decode((directory / "params.json").read_bytes(), type=dict[str, Any])
        if not hashes.exists():
            return StoredGraph(data, params)
        return StoredGraph(data, params, msgspec.json.decode(hashes.read_bytes(), type=SecretHashes))
    except (OSError, ValueError) as error:
        raise TaskrunnerError(f"cannot read the graph of run {directory.name}: {error}") from None


def commands_of(runs: Path, run_id: str) -> Path:
    """Return the directory for the output of the commands of a run."""
    return runs / run_id / "commands"


def events_of(directory: Path) -> Path:
    """Return the file with the events of a run; it is locked while the run is active."""
    return directory / "events.jsonl"


def journal_of(directory: Path) -> Path:
    """Return the journal of a run."""
    return directory / "journal"


def output_files(directory: Path, node: str) -> tuple[Path, Path]:
    """Return the files for the standard output and the standard error of the command of a node."""
    stem = _file_name(node)
    return directory / f"{stem}.out", directory / f"{stem}.err"


def _file_name(name: str) -> str:
    """Return a valid file name for a node's id that differs from the file name of every other node."""
    safe = _UNSAFE.sub("_", name).lstrip(".")[:_MAX_NAME_CHARS]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
