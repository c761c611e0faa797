"""The critical path first: an order for a run whose nodes' durations are known from an earlier one.

Of the nodes that are ready, the one with the longest chain of work behind it goes first (Graham, "Bounds on
multiprocessing timing anomalies", 1969, compares such list schedules). That takes the one inbox instead of
the workers' deques, some microseconds a node: so it is for nodes that are long enough not to notice.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from statistics import fmean

import msgspec

from taskrunner.graph.dag import Dag

# Seconds that the earlier run's nodes must have taken on average.
LONG = 0.001
# So many runs are looked at, the newest first.
LOOK_BACK = 50


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
    for summary in sorted(runs.glob("*/summary.json"), reverse=True)[:LOOK_BACK]:
        try:
            run = msgspec.json.decode(summary.read_bytes(), type=_Run)
            if run.graph != graph or not run.ok or not run.done or run.cached:
                continue
            if run.parallelism * run.wall_s / run.done < LONG:
                return {}
            lines = _LINES.decode_lines(summary.with_name("events.jsonl").read_bytes())
        except (OSError, ValueError):
            continue
        return {line.node: line.ran_s for line in lines if line.node}
    return {}


def among(seconds: Mapping[str, float], nodes: AbstractSet[str]) -> dict[str, float]:
    """Return the seconds of these nodes, and of the children of those that are mapped."""
    return {node: s for node, s in seconds.items() if node in nodes or node.rpartition("[")[0] in nodes}


def ranks(dag: Dag, seconds: Mapping[str, float]) -> list[int]:
    """Return for each vertex the microseconds of the longest chain that begins with it; at least 1.

    A mapped node weighs its slowest child as well. A node that is not known is taken to be as long as most.
    """
    slowest: dict[str, float] = {}
    for node, spent in seconds.items():
        if node not in dag.index:
            mapped = node.rpartition("[")[0]
            slowest[mapped] = max(spent, slowest.get(mapped, 0.0))
    usual = fmean(seconds.values())
    chains = [0.0] * len(dag.vertices)
    for index in reversed(dag.order):
        name = dag.vertices[index].id
        behind = max([chains[i] for i in dag.after[index]], default=0.0)
        chains[index] = behind + seconds.get(name, usual) + slowest.get(name, 0.0)
    return [int(chain * 1e6) + 1 for chain in chains]
