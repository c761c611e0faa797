"""What drawings say of a node that was run: its state, its time, and what else is worth a word."""

from taskrunner.analysis.attempts import ALLOWED
from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.graph_view import status as mark
from taskrunner.analysis.graph_view.status import NodeStatus

_STATES = {ALLOWED: "failed, allowed", mark.UNKNOWN: "not in the run"}


def state(found: NodeStatus) -> str:
    """Name a state for people."""
    return _STATES.get(found.state, found.state)


def time(found: NodeStatus) -> str:
    """Write how long a node ran; nothing where no attempt was made."""
    return format_seconds(found.ran_s) if found.attempts or found.children else ""


def remark(found: NodeStatus) -> str:
    """Say why a node was skipped, how often it was tried, how many children it had."""
    parts = [_skip(found)] if found.state == mark.SKIPPED else []
    parts += [f"{found.attempts} attempts"] if found.attempts > 1 else []
    if found.children:
        children = found.children
        failed = f", {children.failed} failed" if children.failed else ""
        parts += [f"{children.count} children{failed}, slowest {children.slowest} {format_seconds(children.slowest_s)}"]
    return ", ".join(parts)


def _skip(found: NodeStatus) -> str:
    if found.reason == "when":
        return "its condition is false"
    if found.reason == "stopped":
        return f"stopped by {found.because}" if found.because else "the run was stopped"
    return f"because of {found.because}"
