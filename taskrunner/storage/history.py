"""Run history: the runs in a directory, each read from the files in its own run directory."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import RunStart
from taskrunner.storage.journal import is_locked
from taskrunner.storage.run_directory import run_ids

# The states of a run. An unfinished run was killed.
OK = "ok"
FAILED = "failed"
INTERRUPTED = "interrupted"
TIMED_OUT = "timed out"
RUNNING = "running"
UNFINISHED = "unfinished"
# At most this much of the first line of an event file is read.
_MAX_LINE_BYTES = 1_000_000


class _Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that a summary shares with the list of runs."""

    graph: str = ""
    wall_s: float = 0.0
    nodes: int = 0
    failed: int = 0
    kept: int = 0
    workers: int = 0
    python: str = ""
    gil: bool = False


class PastRun(_Numbers, frozen=True, kw_only=True):
    """One run. ``started`` is UTC, formatted as ``2026-01-31 15:45:02``; unknown fields are empty or 0.

    ``wall_s``, ``failed`` and ``kept`` are unknown for a run that has not ended.
    """

    run: str
    state: str
    started: str


class _Summary(_Numbers, frozen=True, kw_only=True):
    ok: bool = False
    signal: int = 0
    timed_out_s: float = 0.0


_decode = msgspec.json.Decoder(_Summary).decode
_decode_start = msgspec.json.Decoder(RunStart).decode


def past_runs(runs: Path) -> list[PastRun]:
    """Return the runs in a directory, the newest first."""
    return [past_run(runs / run_id) for run_id in reversed(run_ids(runs))]


def remove(runs: Path, past: Sequence[PastRun]) -> list[PastRun]:
    """Remove the directories of these runs, except for active runs; return the removed runs.

    Raises:
        TaskrunnerError: a directory cannot be removed.

    """
    removed = [run for run in past if run.state != RUNNING]
    for run in removed:
        try:
            shutil.rmtree(runs / run.run)
        except FileNotFoundError:
            pass  # another process removes it at the same time
        except OSError as error:
            raise TaskrunnerError(f"cannot remove {runs / run.run}: {error.strerror or error}") from None
    return removed


def past_run(directory: Path) -> PastRun:
    """Return the run of a run directory, as far as its files describe it."""
    is_running = is_locked(directory / "events.jsonl")
    summary = None if is_running else _read_summary(directory)  # a resumed run that is active has an old summary
    if summary is not None:
        state = _state_of(summary)
    else:
        state, summary = RUNNING if is_running else UNFINISHED, _read_start(directory)
    numbers = {name: getattr(summary, name) for name in _Numbers.__struct_fields__}
    return PastRun(run=directory.name, state=state, started=_start_time(directory.name), **numbers)


def _read_summary(directory: Path) -> _Summary | None:
    """Return the summary of a run; None if it is missing or cannot be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return _decode((directory / "summary.json").read_bytes())
    return None


def _read_start(directory: Path) -> _Summary:
    """Return the fields of the first event, ``run.start``; they are set before any node runs."""
    with contextlib.suppress(OSError, msgspec.DecodeError), (directory / "events.jsonl").open("rb") as events:
        start = _decode_start(events.readline(_MAX_LINE_BYTES))
        return _Summary(graph=start.graph, nodes=start.nodes, workers=start.workers, python=start.python, gil=start.gil)
    return _Summary()


def _state_of(summary: _Summary) -> str:
    if summary.ok:
        return OK
    if summary.signal:
        return INTERRUPTED
    return TIMED_OUT if summary.timed_out_s else FAILED


def _start_time(run_id: str) -> str:
    """Format the time at the start of an id such as ``20260131-154502-9f3a1c``."""
    date, _, rest = run_id.partition("-")
    clock = rest.partition("-")[0]
    return f"{date[:4]}-{date[4:6]}-{date[6:8]} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"
