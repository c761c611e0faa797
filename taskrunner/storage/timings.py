"""Timings of earlier runs: the start order of nodes for a replay, and node durations for the critical path."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from taskrunner.errors import TaskrunnerError

# At most this many runs are checked, the newest first.
MAX_RUNS = 50
# Minimum mean duration of the nodes of an earlier run, in seconds; shorter nodes are not worth ranking.
MIN_RANKED_S = 0.001
# Tags of the events of a started node.
_STARTED = frozenset({"node.done", "node.failed", "node.retry"})


class _Run(msgspec.Struct):
    graph: str
    ok: bool
    wall_s: float
    parallelism: float
    done: int
    cached: int = 0


class _StartLine(msgspec.Struct):
    event: str = ""
    node: str = ""
    started_at: float = 0.0


class _DurationLine(msgspec.Struct):
    node: str = ""
    ran_s: float = 0.0


_decode_starts = msgspec.json.Decoder(_StartLine).decode_lines
_decode_durations = msgspec.json.Decoder(_DurationLine).decode_lines


def recorded_order(directory: Path) -> list[str]:
    """Return the nodes of the run in a run directory, in the order in which they first started.

    Raises:
        TaskrunnerError: the run has recorded no node, or its events cannot be read.

    """
    events = directory / "events.jsonl"
    try:
        data = events.read_bytes()
        # A killed process may leave an incomplete last line.
        lines = _decode_starts(data[: data.rfind(b"\n") + 1])
    except (OSError, ValueError) as error:
        raise TaskrunnerError(f"cannot read {events}: {error}") from None
    started = sorted([line for line in lines if line.event in _STARTED], key=lambda line: line.started_at)
    if not started:
        raise TaskrunnerError(f"{events} contains no started node: no order to replay")
    return list(dict.fromkeys(line.node for line in started))


def durations(runs: Path, graph: str) -> dict[str, float]:
    """Return the seconds of each node in the newest successful run of a graph of this name without cached results.

    Return an empty dict if there is no such run, if its nodes were short, or if its files cannot be read.
    """
    for summary in sorted(runs.glob("*/summary.json"), reverse=True)[:MAX_RUNS]:
        try:
            run = msgspec.json.decode(summary.read_bytes(), type=_Run)
            if run.graph != graph or not run.ok or not run.done or run.cached:
                continue
            if run.parallelism * run.wall_s / run.done < MIN_RANKED_S:
                return {}
            lines = _decode_durations(summary.with_name("events.jsonl").read_bytes())
        except (OSError, ValueError):
            continue
        return {line.node: line.ran_s for line in lines if line.node}
    return {}


def selected(seconds: Mapping[str, float], nodes: AbstractSet[str]) -> dict[str, float]:
    """Return the seconds of these nodes, and of the children of the mapped nodes among them."""
    return {node: s for node, s in seconds.items() if node in nodes or node.rpartition("[")[0] in nodes}
