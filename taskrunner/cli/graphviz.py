"""Graphviz: its ``dot`` program, which lays out and renders the source from ``analysis.graph_view.formats``."""

import subprocess

from taskrunner.errors import TaskrunnerError, UsageError

# Limits of a graph that dot renders within a minute and that a reader can still survey.
MAX_NODES = 4_000
MAX_EDGES = 8_000
_TIMEOUT_S = 120.0


def check_size(nodes: int, edges: int) -> None:
    """Reject a graph that dot would take too long to lay out.

    Raises:
        UsageError: the graph is too large.

    """
    if nodes > MAX_NODES or edges > MAX_EDGES:
        raise UsageError(
            f"{nodes:,} nodes with {edges:,} edges are too many to lay out (at most {MAX_NODES:,} with "
            f"{MAX_EDGES:,}): draw a part with --focus NODE, or use --format dot"
        )


def svg(source: str, timeout_s: float = _TIMEOUT_S) -> bytes:
    """Render a graph in dot's language as SVG.

    Raises:
        UsageError: dot is not installed.
        TaskrunnerError: dot failed, or took longer than ``timeout_s`` seconds.

    """
    try:
        completed = subprocess.run(
            ["dot", "-Tsvg"],  # noqa: S607  the first one in PATH
            input=source.encode(),
            capture_output=True,
            check=False,
            timeout=timeout_s,
        )
    except FileNotFoundError:
        raise UsageError(
            "--format svg needs graphviz: install it, or use --format dot and render on another machine"
        ) from None
    except subprocess.TimeoutExpired:
        raise TaskrunnerError(f"dot took longer than {timeout_s:g} s: draw a part with --focus NODE") from None
    if completed.returncode:
        raise TaskrunnerError(f"dot failed: {completed.stderr.decode(errors='replace').strip()[:500]}")
    return completed.stdout
