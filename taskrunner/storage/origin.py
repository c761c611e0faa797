"""Origin of a run: the graph that ran, and the working directory. ``last`` means the last run of the same graph.

Two runs are runs of one graph if the graphs have the same name and were read from the same file. The path of the file
is relative to the directory of the runs, so that a project can be moved. A graph without a file, from standard input or
built in Python, is the same graph if it has the same name and shares a node: without one, nothing could be restored.
"""

import contextlib
import os
from collections.abc import Container
from pathlib import Path

import msgspec

from taskrunner.errors import UsageError
from taskrunner.storage.history import past_run
from taskrunner.storage.run_directory import back_of, find_run, read_node_ids, run_ids

FILE_NAME = "origin.json"


class Origin(msgspec.Struct, frozen=True):
    """The name of a graph, and the paths of its file and of the working directory, relative to the directory of runs.

    ``file`` is "" without a file. ``directory`` is "" if it is unknown.
    """

    graph: str
    file: str = ""
    directory: str = ""

    def __str__(self) -> str:
        return f'"{self.graph}"' + (f" ({Path(self.file).name})" if self.file else "")


def origin_of(name: str, source: str, runs: Path) -> Origin:
    """Return the origin of a run that starts now; ``source`` is the path of the graph file, if it has one."""
    file = os.path.relpath(source, runs) if source and Path(source).is_file() else ""
    return Origin(name, file, os.path.relpath(Path.cwd(), runs))


def read_origin(directory: Path) -> Origin:
    """Return the origin of the run in a run directory; a run of an earlier version has only the name of its graph."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((directory / FILE_NAME).read_bytes(), type=Origin)
    return Origin(past_run(directory).graph)


def find_run_of(runs: Path, name: str, origin: Origin, nodes: Container[str]) -> str:
    """Return the id of the run with a given name, as ``find_run``; ``last`` counts only the runs of one graph.

    ``nodes`` are the nodes of the graph.

    Raises:
        UsageError: no run or more than one run matches.

    """
    if (back := back_of(name)) is None:
        return find_run(runs, name)
    for run_id in reversed(ids := run_ids(runs)):
        if is_run_of(runs / run_id, origin, nodes):
            if not back:
                return run_id
            back -= 1
    raise UsageError(f'no run "{name}"' + (f" of graph {origin}" if ids else "") + f" in {runs}")


def check_run(directory: Path, origin: Origin, nodes: Container[str]) -> None:
    """Refuse a run of another graph.

    Raises:
        UsageError: the run in the directory is one.

    """
    if not is_run_of(directory, origin, nodes):
        other = read_origin(directory)
        raise UsageError(f"run {directory.name} is a run of graph {other}, not of graph {origin}")


def is_run_of(directory: Path, origin: Origin, nodes: Container[str]) -> bool:
    """Return whether the run in a run directory is a run of this graph."""
    earlier = read_origin(directory)
    if earlier.graph != origin.graph:
        return False
    if earlier.file or origin.file:
        is_old = not earlier.directory  # an earlier version did not record the file
        return is_old or _is_same_path(directory.parent, earlier.file, origin.file)
    return any(node in nodes for node in read_node_ids(directory))


def is_same_directory(runs: Path, earlier: Origin, origin: Origin) -> bool:
    """Return whether two runs have the same working directory, to which the paths of their nodes are relative."""
    return not earlier.directory or _is_same_path(runs, earlier.directory, origin.directory)


def _is_same_path(runs: Path, first: str, second: str) -> bool:
    if first == second or not (first and second):
        return first == second
    with contextlib.suppress(OSError):
        return Path(_absolute(runs, first)).samefile(_absolute(runs, second))
    return False


def _absolute(runs: Path, path: str) -> str:
    return os.path.normpath(os.path.join(os.path.abspath(runs), path))  # noqa: PTH100, PTH118  links are not resolved
