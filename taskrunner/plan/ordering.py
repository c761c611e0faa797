"""Orders that a run is asked to take: one drawn from a seed, that of an earlier run, or any list of nodes.

An order is a rank for each node. It goes before the file's ``priority``, which is a wish and no need. Of the nodes that
are ready the one with the highest rank goes first, through the one inbox of the pool: with one worker this decides
everything, so equal ranks give equal runs. Ranks drawn at random are those of Burckhardt et al., "A randomized
scheduler with probabilistic guarantees of finding bugs", 2010.

What goes through the inbox cannot be stolen. So where several workers are to follow a seed, it leaves about half of the
nodes without a rank: these go by the workers' deques, as in a usual run.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
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
        behind = max([chains[i] for i in dag.successors[index]], default=0.0)
        chains[index] = behind + seconds.get(name, usual) + slowest.get(name, 0.0)
    return [int(chain * 1e6) + 1 for chain in chains]


# From a node's id to its rank: 0 is none, such a node goes by the deques.
type Rank = Callable[[str], int]


UNRANKED = 0


UNKNOWN = 1  # the rank of a node that an order does not name: after all that it names


_BYTES = 6


def shuffled(seed: int, *, by_deques: bool = False) -> Rank:
    """Return a rank for each node that follows from the seed and the node's id, and from nothing else.

    ``by_deques``: about every second node gets none.
    """
    from hashlib import blake2b  # only such a run needs it

    key = str(seed).encode()

    def rank(node: str) -> int:
        text = node.encode(errors="surrogatepass")
        number = int.from_bytes(blake2b(text, digest_size=_BYTES, key=key[:64]).digest())
        return UNRANKED if by_deques and number % 2 else number + UNKNOWN + 1

    return rank


def replayed(nodes: Sequence[str], mapped: Collection[str]) -> Rank:
    """Return ranks by which nodes start in this order, as far as their needs allow.

    Of ``mapped`` nodes only the children are calls: such a node goes just before the first of its own.
    """
    ranks: dict[str, int] = {}
    for before, node in enumerate(nodes):
        rank = 2 * (len(nodes) - before) + UNKNOWN
        ranks.setdefault(node, rank)
        if (parent := node.rpartition("[")[0]) in mapped:
            ranks[parent] = max(ranks.get(parent, 0), rank + 1)
    return lambda node: ranks.get(node, UNKNOWN)
