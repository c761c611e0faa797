"""Phrases for the status of a node, shared by all drawings: its state, its time, and remarks."""

from taskrunner.analysis.attempts import ALLOWED
from taskrunner.analysis.formatting import format_seconds
from taskrunner.analysis.graph_view.status import SKIPPED, UNKNOWN, NodeStatus

_STATES = {ALLOWED: "failed, allowed", UNKNOWN: "not in the run"}


def format_state(status: NodeStatus) -> str:
    """Return the name of a state for people."""
    return _STATES.get(status.state, status.state)


def format_time(status: NodeStatus) -> str:
    """Return the total time of a node, or "" if there was no attempt."""
    return format_seconds(status.ran_s) if status.attempts or status.children else ""


def format_remark(status: NodeStatus) -> str:
    """Return the reason for a skip, the number of attempts if there were several, and a summary of the children."""
    parts = [_skip_reason(status)] if status.state == SKIPPED else []
    parts += [f"{status.attempts} attempts"] if status.attempts > 1 else []
    if status.children:
        children = status.children
        failed = f", {children.failed} failed" if children.failed else ""
        parts += [f"{children.count} children{failed}, slowest {children.slowest} {format_seconds(children.slowest_s)}"]
    return ", ".join(parts)


def _skip_reason(status: NodeStatus) -> str:
    if status.reason == "when":
        return "its condition is false"
    if status.reason == "stopped":
        return f"stopped by {status.because}" if status.because else "the run was stopped"
    return f"because of {status.because}"
