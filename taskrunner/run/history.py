"""The runs that lie in a directory: what is left of each, read from its folder."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from taskrunner.run.folder import run_ids
from taskrunner.run.journal import is_locked

# The states of a run; UNFINISHED: it was killed, or runs without a journal.
OK = "ok"
FAILED = "failed"
INTERRUPTED = "interrupted"
TIMED_OUT = "timed out"
RUNNING = "running"
UNFINISHED = "unfinished"


class _Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What a summary tells, and the list of runs as well."""

    graph: str = ""
    wall_s: float = 0.0
    nodes: int = 0
    failed: int = 0
    kept: int = 0
    workers: int = 0
    python: str = ""
    gil: bool = False


class PastRun(_Numbers, frozen=True, kw_only=True):
    """One run. ``started`` is UTC, as ``2026-01-31 15:45:02``; what is not known is empty or 0."""

    run: str
    state: str
    started: str


class _Summary(_Numbers, frozen=True, kw_only=True):
    ok: bool = False
    signal: int = 0
    timed_out_s: float = 0.0


_decode = msgspec.json.Decoder(_Summary).decode


def past_runs(runs: Path) -> list[PastRun]:
    """Return the runs of a directory, the newest first."""
    return [past_run(runs / run_id) for run_id in reversed(run_ids(runs))]


def remove(runs: Path, past: Sequence[PastRun]) -> list[PastRun]:
    """Remove the folders of these runs but for those that go on; return what was removed."""
    gone = [run for run in past if run.state != RUNNING]
    for run in gone:
        shutil.rmtree(runs / run.run)
    return gone


def past_run(folder: Path) -> PastRun:
    """Return what is known of the run that has left a folder."""
    found, state = _Summary(), UNFINISHED
    if is_locked(folder / "journal"):
        state = RUNNING
    else:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            found = _decode((folder / "summary.json").read_bytes())
            state = _state(found)
    numbers = {name: getattr(found, name) for name in _Numbers.__struct_fields__}
    return PastRun(run=folder.name, state=state, started=_started(folder.name), **numbers)


def _state(found: _Summary) -> str:
    if found.ok:
        return OK
    if found.signal:
        return INTERRUPTED
    return TIMED_OUT if found.timed_out_s else FAILED


def _started(run_id: str) -> str:
    """Write the time that an id such as ``20260131-154502-9f3a1c`` begins with."""
    date, _, rest = run_id.partition("-")
    clock = rest.partition("-")[0]
    return f"{date[:4]}-{date[4:6]}-{date[6:8]} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"
