"""The run with one worker that a run with several is measured by: an earlier one of the same graph in its directory.

Only summaries are looked at, and of those that would do the graphs: this is done at the end of every run. To read the
events of both then takes some time for each node, which a run of many short nodes is not made to wait for.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from taskrunner.storage.timings import MAX_RUNS

# Events of more bytes are not read.
MAX_EVENTS_BYTES = 8 << 20
# At the end of a run so many nodes are read about, and so many more for each second that it took.
MIN_NODES = 1_000
FEW_A_SECOND = 2_000


class _Run(msgspec.Struct):
    graph: str
    ok: bool
    workers: int
    wall_s: float
    done: int
    python: str
    free_threaded: bool
    gil: bool
    cached: int = 0
    kept: int = 0
    engine: str = "threads"

    @property
    def is_whole(self) -> bool:
        """Say whether each of its nodes ran, and ran in this run."""
        return self.ok and bool(self.done) and not self.cached and not self.kept


_decode = msgspec.json.Decoder(_Run).decode


def baseline(runs: Path, run_id: str, *, is_patient: bool = True) -> str:
    """Return the id of the newest run before this one that had one worker and all else in common with it.

    Both ran the same graph with the same parameters on the same Python, with or without the GIL, went well, and took
    nothing from a cache or from a run before. "": there is none among the last LOOK_BACK runs, or
    this run had one worker itself. Without patience: or there is too much to be read about it.
    """
    folder = runs / run_id
    run = _read(folder)
    if run is None or run.engine != "threads" or run.workers == 1 or not run.is_whole or not _is_small(folder):
        return ""
    if not is_patient and run.done > MIN_NODES + FEW_A_SECOND * run.wall_s:
        return ""
    return next((earlier.name for earlier in _earlier(runs, run_id) if _is_baseline(earlier, run, folder)), "")


def _is_baseline(earlier: Path, run: _Run, folder: Path) -> bool:
    """Say whether the run of the folder ``earlier`` will do for that of ``folder``; what costs least is asked first."""
    found = _read(earlier)
    if found is None or found.workers > 1 or not found.is_whole or not _is_same(run, found):
        return False
    return _is_small(earlier) and _has_same_graph(folder, earlier)


def _earlier(runs: Path, run_id: str) -> Iterator[Path]:
    """Give the folders of the runs before one, the newest first."""
    names = sorted([path.parent.name for path in runs.glob("*/summary.json")], reverse=True)
    for name in [name for name in names if name < run_id][:MAX_RUNS]:
        yield runs / name


def _read(folder: Path) -> _Run | None:
    """Return what a summary tells; None: it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return _decode((folder / "summary.json").read_bytes())
    return None


def _is_same(run: _Run, other: _Run) -> bool:
    names = ("graph", "python", "free_threaded", "gil", "engine")
    return all(getattr(run, name) == getattr(other, name) for name in names)


def _has_same_graph(folder: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return all(
            (folder / name).read_bytes() == (other / name).read_bytes() for name in ("graph.json", "params.json")
        )
    return False


def _is_small(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (folder / "events.jsonl").stat().st_size <= MAX_EVENTS_BYTES
    return False
