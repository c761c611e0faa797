"""What a search has found."""

import msgspec

# How a finding shows itself.
ORDER = "order"  # with one worker, when nodes start in another order
OVERLAP = "overlap"  # when nodes run at the same time
UNSTEADY = "unsteady"  # when nothing is changed at all


class Difference(msgspec.Struct, frozen=True):
    """A node whose result, as text, is not that of the first run."""

    node: str
    expected: str
    found: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The first schedule whose results differ.

    ``differences``: in the graph's order. ``reorderings``: pairs of nodes; that the first of each starts before the
    second is enough. ``run``: one that has been left to be replayed. ``pair``: the nodes that ran at the same time.
    ``again``: how many of ``tries`` repetitions under the same seed have shown it.
    """

    kind: str
    seed: int
    differences: tuple[Difference, ...]
    reorderings: tuple[tuple[str, str], ...] = ()
    pair: tuple[str, ...] = ()
    run: str = ""
    again: int = 0
    tries: int = 0


class Sharing(msgspec.Struct, frozen=True):
    """An object that ``changed_by`` changes, and that ``seen_by`` was handed: nothing says which comes first."""

    type: str
    changed_by: str
    seen_by: str


class StressReport(msgspec.Struct, frozen=True, kw_only=True):
    """A search. ``uncompared``: nodes whose results have no form that compares. ``tracked``: sharing was looked for."""

    graph: str
    runs: int
    seconds: float
    workers: int
    calls: int
    met: int
    finding: Finding | None = None
    uncompared: tuple[str, ...] = ()
    tracked: bool = False
    shared: tuple[Sharing, ...] = ()
