"""Timings."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from taskrunner.errors import TaskrunnerError


class _EventLine(msgspec.Struct):
    event: str = ""
    node: str = ""
    started_at: float = 0.0


_EVENT_LINES = msgspec.json.Decoder(_EventLine)


_STARTED = frozenset({"node.done", "node.failed", "node.retry"})


def recorded_order(folder: Path) -> list[str]:
    """Return the nodes of the run that has left a folder, in the order in which they first started.

    Raises:
        TaskrunnerError: it has recorded no node, or its events cannot be read.

    """
    events = folder / "events.jsonl"
    try:
        data = events.read_bytes()
        lines = _EVENT_LINES.decode_lines(
            data[: data.rfind(b"\n") + 1]
        )  # a killed process may not have finished the last
    except (OSError, ValueError) as error:
        raise TaskrunnerError(f"cannot read {events}: {error}") from None
    started = sorted([line for line in lines if line.event in _STARTED], key=lambda line: line.started_at)
    if not started:
        raise TaskrunnerError(f"{events} tells of no node: there is no order to replay")
    return list(dict.fromkeys(line.node for line in started))


# Seconds that the earlier run's nodes must have taken on average.
MIN_RANKED_S = 0.001


# So many runs are looked at, the newest first.
MAX_RUNS = 50


class _Run(msgspec.Struct):
    graph: str
    ok: bool
    wall_s: float
    parallelism: float
    done: int
    cached: int = 0


class _Line(msgspec.Struct):
    node: str = ""
    ran_s: float = 0.0


_LINES = msgspec.json.Decoder(_Line)


def durations(runs: Path, graph: str) -> dict[str, float]:
    """Return the seconds of each node in the newest finished run of a graph of this name that took none from the cache.

    Nothing if there is none that went well, if its nodes were short, or if its files cannot be read.
    """
    for summary in sorted(runs.glob("*/summary.json"), reverse=True)[:MAX_RUNS]:
        try:
            run = msgspec.json.decode(summary.read_bytes(), type=_Run)
            if run.graph != graph or not run.ok or not run.done or run.cached:
                continue
            if run.parallelism * run.wall_s / run.done < MIN_RANKED_S:
                return {}
            lines = _LINES.decode_lines(summary.with_name("events.jsonl").read_bytes())
        except (OSError, ValueError):
            continue
        return {line.node: line.ran_s for line in lines if line.node}
    return {}


def selected(seconds: Mapping[str, float], nodes: AbstractSet[str]) -> dict[str, float]:
    """Return the seconds of these nodes, and of the children of those that are mapped."""
    return {node: s for node, s in seconds.items() if node in nodes or node.rpartition("[")[0] in nodes}
