"""Decision on a node: whether a run would execute it, and why."""

import msgspec

# The node is executed, unless a node on which it depends fails.
RUNS = "runs"
# Only the run itself can decide, because the decision depends on a node that is executed.
MAY_RUN = "may run"
# An earlier run finished the node, and this run resumes that one.
RESTORED = "kept"
# The result comes from the cache.
CACHED = "cached"
# The command is up to date.
UP_TO_DATE = "up to date"
SKIPPED = "skipped"
# The node fails before its call or command starts.
FAILS = "fails"
# A mapped node of which no child is executed.
DONE = "done"


class Decision(msgspec.Struct, frozen=True):
    """The decision on a node, or on a child of a mapped node.

    A mapped node runs if one of its children does, and fails if none does and one fails. ``status`` is one of the
    constants of this module.
    """

    node: str
    status: str
    reason: str

    @property
    def is_executed(self) -> bool:
        """Whether the node is executed, or may be."""
        return self.status in {RUNS, MAY_RUN}
