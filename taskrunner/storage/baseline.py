"""Baseline run: the earlier single-worker run of the same graph that a run with several workers is compared with.

Cost: the search happens at the end of every run. It reads summaries, and the graphs of matching runs. A comparison
then reads the events of both runs, which takes time for each node. A run of many short nodes does not wait for that.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from taskrunner.storage.timings import MAX_RUNS

# Larger event files are not read.
MAX_EVENTS_BYTES = 8 << 20
# At the end of a run the baseline is compared if the run had at most BASE_NODE_LIMIT nodes, plus
# NODE_LIMIT_PER_SECOND nodes for each second that it took.
BASE_NODE_LIMIT = 1_000
NODE_LIMIT_PER_SECOND = 2_000


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
    def is_complete(self) -> bool:
        """Whether the run succeeded and executed every node itself: none was cached or restored."""
        return self.ok and bool(self.done) and not self.cached and not self.kept


_decode = msgspec.json.Decoder(_Run).decode


def baseline(runs: Path, run_id: str, *, is_thorough: bool = True) -> str:
    """Return the id of the newest earlier run that used one worker and otherwise equals this run.

    Both runs executed the same graph with the same parameters on the same Python, with or without the GIL. Both
    succeeded, and took no result from a cache or from an earlier run.

    The result is "" if no such run is among the last MAX_RUNS runs, or if this run used one worker itself. Unless
    ``is_thorough``, it is also "" if this run has more nodes than the limits of this module allow.
    """
    directory = runs / run_id
    run = _read(directory)
    if run is None or run.engine != "threads" or run.workers == 1 or not run.is_complete or not _is_small(directory):
        return ""
    if not is_thorough and run.done > BASE_NODE_LIMIT + NODE_LIMIT_PER_SECOND * run.wall_s:
        return ""
    return next((earlier.name for earlier in _earlier_runs(runs, run_id) if _is_baseline(earlier, run, directory)), "")


def _is_baseline(earlier: Path, run: _Run, directory: Path) -> bool:
    """Return whether the run in ``earlier`` is a baseline for that in ``directory``; the cheapest checks come first."""
    candidate = _read(earlier)
    if candidate is None or candidate.workers > 1 or not candidate.is_complete or not _is_same(run, candidate):
        return False
    return _is_small(earlier) and _has_same_graph(directory, earlier)


def _earlier_runs(runs: Path, run_id: str) -> Iterator[Path]:
    """Yield the directories of at most MAX_RUNS runs before a run, the newest first."""
    names = sorted([path.parent.name for path in runs.glob("*/summary.json")], reverse=True)
    for name in [name for name in names if name < run_id][:MAX_RUNS]:
        yield runs / name


def _read(directory: Path) -> _Run | None:
    """Return the summary of a run; None if it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return _decode((directory / "summary.json").read_bytes())
    return None


def _is_same(run: _Run, other: _Run) -> bool:
    names = ("graph", "python", "free_threaded", "gil", "engine")
    return all(getattr(run, name) == getattr(other, name) for name in names)


def _has_same_graph(directory: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return all(
            (directory / name).read_bytes() == (other / name).read_bytes() for name in ("graph.json", "params.json")
        )
    return False


def _is_small(directory: Path) -> bool:
    with contextlib.suppress(OSError):
        return (directory / "events.jsonl").stat().st_size <= MAX_EVENTS_BYTES
    return False
