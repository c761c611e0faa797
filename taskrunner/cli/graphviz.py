"""Graphviz's ``dot``, which lays out and draws what ``observe.drawn.drawing`` writes."""

import subprocess

from taskrunner.errors import TaskrunnerError, UsageError

# What dot draws in a minute at most, and what somebody may still look at.
MOST_NODES = 4_000
MOST_EDGES = 8_000
_BOUND_S = 120.0


def check_size(nodes: int, edges: int) -> None:
    """Refuse what dot would take too long for.

    Raises:
        UsageError: the graph is too big.

    """
    if nodes > MOST_NODES or edges > MOST_EDGES:
        raise UsageError(
            f"{nodes:,} nodes with {edges:,} edges are too many to be laid out (at most {MOST_NODES:,} with "
            f"{MOST_EDGES:,}): draw a part with --focus NODE, or use --format dot"
        )


def svg(source: str, bound_s: float = _BOUND_S) -> bytes:
    """Draw a graph in dot's language as SVG.

    Raises:
        UsageError: dot is not installed.
        TaskrunnerError: it failed, or took longer than ``bound_s`` seconds.

    """
    try:
        ended = subprocess.run(
            ["dot", "-Tsvg"],  # noqa: S607  whichever is first in PATH
            input=source.encode(),
            capture_output=True,
            check=False,
            timeout=bound_s,
        )
    except FileNotFoundError:
        raise UsageError("--format svg needs graphviz: install it, or use --format dot elsewhere") from None
    except subprocess.TimeoutExpired:
        raise TaskrunnerError(f"dot took longer than {bound_s:g} s: draw a part with --focus NODE") from None
    if ended.returncode:
        raise TaskrunnerError(f"dot failed: {ended.stderr.decode(errors='replace').strip()[:500]}")
    return ended.stdout
