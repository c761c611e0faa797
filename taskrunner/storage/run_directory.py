"""What a run leaves behind: one folder for each run, named so that names sort by time, for the user alone."""

import contextlib
import datetime as dt
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

DEFAULT = Path(".taskrunner") / "runs"


CACHE = Path(".taskrunner") / "cache"  # which belongs to no run


_LAST = re.compile(r"last(?:~(\d{1,9}))?")


def new_run_id() -> str:
    """Return an id such as ``20260131-154502-9f3a1c7``: UTC, microseconds in hexadecimal, and a random byte."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond:05x}{os.urandom(1).hex()}"


def run_ids(runs: Path) -> list[str]:
    """Return the ids of the runs that lie in a directory, the oldest first; those of another user are left out.

    Raises:
        UsageError: the directory cannot be read.

    """
    try:
        names = [path.name for path in runs.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read {runs}: {error.strerror}") from None
    # Path.is_file would raise where it may not look
    return sorted(name for name in names if os.path.isfile(runs / name / "graph.json"))  # noqa: PTH113


def find_run(runs: Path, name: str) -> str:
    """Return the id of the run that a name stands for: an id, a unique start of one, ``last``, or ``last~2``.

    ``last~2`` is the second before the last one, as with Git's commits.

    Raises:
        UsageError: there is no such run, or more than one.

    """
    ids = run_ids(runs)
    back = _LAST.fullmatch(name)
    if back is not None:
        ids = ids[: max(len(ids) - int(back[1] or 0), 0)][-1:]
    elif name in ids:
        ids = [name]
    else:
        ids = [run_id for run_id in ids if run_id.startswith(name)]
    if not ids:
        raise UsageError(f'no run "{name}" in {runs}')
    if len(ids) > 1:
        raise UsageError(f'"{name}" stands for {len(ids)} runs: {", ".join(ids)}')
    return ids[0]


def read_graph(folder: Path) -> StoredGraph:
    """Return what the folder of a run keeps of the graph as it was run.

    Raises:
        TaskrunnerError: it cannot be read.

    """
    prints = folder / "fingerprints.json"
    try:
        data = (folder / "graph.json").read_bytes()
        params = msgspec.json.decode((folder / "params.json").read_bytes(), type=dict[str, Any])
        if not prints.exists():
            return StoredGraph(data, params)
        return StoredGraph(data, params, msgspec.json.decode(prints.read_bytes(), type=SecretHashes))
    except (OSError, ValueError) as error:
        raise TaskrunnerError(f"cannot read the graph of run {folder.name}: {error}") from None


def commands_of(runs: Path, run_id: str) -> Path:
    """Return the folder for what the commands of a run write."""
    return runs / run_id / "commands"


class RunDirectory:
    """The folder of one run, made where it is not there.

    Raises:
        TaskrunnerError: it cannot be made.

    """

    def __init__(self, runs: Path, run_id: str) -> None:
        self.id = run_id
        self.path = runs / run_id
        self.commands = commands_of(runs, run_id)
        self.events = self.path / "events.jsonl"
        self.journal = self.path / "journal"
        try:
            make_private(self.path)
            make_private(self.commands)
        except OSError as error:
            raise TaskrunnerError(f"cannot make the run's folder {self.path}: {error.strerror}") from None

    def write_graph(self, kept: StoredGraph) -> None:
        """Keep the graph as it was run, in JSON, and the parameters that it was given, without secrets."""
        prints = self.path / "fingerprints.json"
        if kept.fingerprints:
            self._replace(prints.name, msgspec.json.encode(kept.fingerprints))
        else:
            prints.unlink(missing_ok=True)
        self._replace("params.json", to_json(kept.params))
        self._replace("graph.json", kept.graph)

    def _replace(self, name: str, data: bytes) -> None:
        """Write a file so that whoever reads it sees the old or the new one, and nothing between.

        Raises:
            TaskrunnerError: it cannot be written; the old one stays.

        """
        new = self.path / f"{name}.new"
        try:
            write_private(new, data)
            new.replace(self.path / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise TaskrunnerError(f"cannot write {self.path / name}: {error.strerror}") from None

    def write_summary(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        data = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        self._replace("summary.json", data + b"\n")


_UNSAFE = re.compile(r"[^\w.\[\]-]+", re.ASCII)


_MAX_NAME_CHARS = 100


def output_files(folder: Path, node: str) -> tuple[Path, Path]:
    """Return the files for what a node's command writes to standard output and to standard error."""
    stem = _file_name(node)
    return folder / f"{stem}.out", folder / f"{stem}.err"


def _file_name(name: str) -> str:
    """Make a node's id fit to be a file's name, and still unlike that of every other node."""
    safe = _UNSAFE.sub("_", name).lstrip(".")[:_MAX_NAME_CHARS]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
