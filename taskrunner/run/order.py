"""The critical path first: an order for a run whose nodes' durations are known from an earlier one.

Of the nodes that are ready, the one with the longest chain of work behind it goes first (Graham, "Bounds on
multiprocessing timing anomalies", 1969, compares such list schedules). That takes the one inbox instead of
the workers' deques, some microseconds a node: so it is for nodes that are long enough not to notice.
"""

from collections.abc import Mapping
from statistics import fmean

from taskrunner.graph.dag import Dag


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
