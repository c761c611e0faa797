"""Stress report: the outcome of a search."""

import msgspec

# The kinds of a finding.
ORDER = "order"  # with one worker, when nodes start in another order
OVERLAP = "overlap"  # when nodes run at the same time
UNSTEADY = "unsteady"  # even in a repetition of the baseline run


class Difference(msgspec.Struct, frozen=True):
    """A node whose result, as a string, differs from the baseline run."""

    node: str
    expected: str
    found: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The first schedule with different results.

    ``differences`` are in the order of the graph. ``reorderings`` are pairs of nodes. It is sufficient that the first
    node of each pair starts before the second. ``run`` is the id of a run that was stored for a replay. ``pair`` holds
    the nodes that ran at the same time. ``again`` is the number of repetitions, out of ``tries`` with the same seed,
    that reproduced the finding.
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
    """An object that ``changed_by`` modifies and ``seen_by`` also received, although the nodes are unordered."""

    type: str
    changed_by: str
    seen_by: str


class StressReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a search.

    ``met`` is the number of runs in which a pair of nodes overlapped. ``uncompared`` lists the nodes whose results have
    no comparable form. ``tracked`` is whether the search looked for shared objects.
    """

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
