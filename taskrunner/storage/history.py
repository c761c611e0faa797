"""The runs that lie in a directory: what is left of each, read from its folder."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import RunStart
from taskrunner.storage.journal import is_locked
from taskrunner.storage.run_directory import run_ids

# The states of a run; UNFINISHED: it was killed.
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
    """One run. ``started`` is UTC, as ``2026-01-31 15:45:02``; what is not known is empty or 0.

    Of one that has not ended that is ``wall_s``, ``failed`` and ``kept``.
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
_LONGEST_LINE = 1_000_000  # of the file's first one: no more is read


def past_runs(runs: Path) -> list[PastRun]:
    """Return the runs of a directory, the newest first."""
    return [past_run(runs / run_id) for run_id in reversed(run_ids(runs))]


def remove(runs: Path, past: Sequence[PastRun]) -> list[PastRun]:
    """Remove the folders of these runs but for those that go on; return what was removed.

    Raises:
        TaskrunnerError: a folder cannot be removed.

    """
    gone = [run for run in past if run.state != RUNNING]
    for run in gone:
        try:
            shutil.rmtree(runs / run.run)
        except FileNotFoundError:
            pass  # somebody else removes it
        except OSError as error:
            raise TaskrunnerError(f"cannot remove {runs / run.run}: {error.strerror or error}") from None
    return gone


def past_run(folder: Path) -> PastRun:
    """Return what is known of the run that has left a folder."""
    is_running = is_locked(folder / "events.jsonl")
    found = None if is_running else _summary(folder)  # a run that goes on may have one of before
    if found is not None:
        state = _state(found)
    else:
        state, found = RUNNING if is_running else UNFINISHED, _begun(folder)
    numbers = {name: getattr(found, name) for name in _Numbers.__struct_fields__}
    return PastRun(run=folder.name, state=state, started=_started(folder.name), **numbers)


def _summary(folder: Path) -> _Summary | None:
    """Return what the summary tells; None: there is none that can be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return _decode((folder / "summary.json").read_bytes())
    return None


def _begun(folder: Path) -> _Summary:
    """Return what was known when a run began: the first of its events tells of it."""
    with contextlib.suppress(OSError, msgspec.DecodeError), (folder / "events.jsonl").open("rb") as events:
        start = _decode_start(events.readline(_LONGEST_LINE))
        return _Summary(graph=start.graph, nodes=start.nodes, workers=start.workers, python=start.python, gil=start.gil)
    return _Summary()


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
