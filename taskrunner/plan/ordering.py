"""Orders of a run: the critical path first, random ranks from a seed, an earlier run's order, or any list of nodes.

A requested order is a rank for each node. It overrides the ``priority`` of the graph file, which is a preference and
not a requirement. Of the ready nodes the one with the highest rank starts first, through the single global queue of
the pool. With one worker the ranks decide everything, so equal ranks give equal runs. Random ranks are those of
Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", 2010.

A node in the global queue cannot be stolen. If several workers follow a seed, about half of the nodes therefore have
no rank. These nodes go through the workers' deques, as in a baseline run.

The critical path needs the durations of an earlier run. Of the ready nodes, the one with the longest chain behind it
starts first. Graham, "Bounds on multiprocessing timing anomalies", 1969, compares such list schedules. The global
queue costs some microseconds per node, so this order is for nodes that take much longer.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean

from taskrunner.graph.dag import Dag

UNRANKED = 0
UNLISTED = 1  # the rank of a node that is missing from an order: it starts after all listed nodes
_DIGEST_BYTES = 6

# From the id of a node to its rank. A node with the rank UNRANKED goes through the deques.
type Rank = Callable[[str], int]


def ranks(dag: Dag, seconds: Mapping[str, float]) -> list[int]:
    """Return for each vertex the microseconds of the longest chain that begins with it; at least 1.

    ``seconds``: durations by node. The duration of a mapped node includes its slowest child. A node without a
    duration gets the mean of all durations.
    """
    slowest: dict[str, float] = {}
    for node, duration in seconds.items():
        if node not in dag.index:
            mapped = node.rpartition("[")[0]
            slowest[mapped] = max(duration, slowest.get(mapped, 0.0))
    mean = fmean(seconds.values())
    chains = [0.0] * len(dag.vertices)
    for index in reversed(dag.order):
        name = dag.vertices[index].id
        longest = max([chains[i] for i in dag.successors[index]], default=0.0)
        chains[index] = longest + seconds.get(name, mean) + slowest.get(name, 0.0)
    return [int(chain * 1e6) + 1 for chain in chains]


def shuffled(seed: int, *, allow_stealing: bool = False) -> Rank:
    """Return ranks that depend only on the seed and the ids of the nodes.

    ``allow_stealing``: about every second node has no rank, so it goes through the deques and can be stolen.
    """
    from hashlib import blake2b  # only runs with a seed need it

    key = str(seed).encode()

    def rank(node: str) -> int:
        data = node.encode(errors="surrogatepass")
        number = int.from_bytes(blake2b(data, digest_size=_DIGEST_BYTES, key=key[:64]).digest())
        return UNRANKED if allow_stealing and number % 2 else number + UNLISTED + 1

    return rank


def replayed(nodes: Sequence[str], mapped: Collection[str]) -> Rank:
    """Return ranks by which nodes start in this order, as far as their dependencies permit.

    Only the children of ``mapped`` nodes are calls, so a mapped node starts just before its first child.
    """
    ranks: dict[str, int] = {}
    for position, node in enumerate(nodes):
        rank = 2 * (len(nodes) - position) + UNLISTED
        ranks.setdefault(node, rank)
        if (parent := node.rpartition("[")[0]) in mapped:
            ranks[parent] = max(ranks.get(parent, 0), rank + 1)
    return lambda node: ranks.get(node, UNLISTED)
