"""What a user ought to know of a run while it begins and goes on, as plain lines on a terminal."""

from collections.abc import Callable, Sequence

from taskrunner.analysis.formatting import first_line
from taskrunner.events.types import (
    Event,
    GilSwitchedOn,
    NodeFailed,
    NodeRetry,
    NodeTimeout,
    RunResumed,
    RunWarning,
    SiteLeft,
)
from taskrunner.safe.printable import printable
from taskrunner.system.gil import describe_culprit

_NAMED = 10
_WIDTH = 100
# So many attempts that failed are told one by one; the summary counts them all.
_ATTEMPTS = 20


class WarningLines:
    """Says a line for what a user ought to know, and for nothing else; with ``failures`` also for a failed node."""

    level = "warning"

    def __init__(self, write_line: Callable[[str], None], *, failures: bool = False) -> None:
        self._write_line = write_line
        self._failures = failures
        self._attempts = 0

    def on_events(self, events: Sequence[Event]) -> None:
        """Say the warnings of a batch."""
        for event in events:
            if isinstance(event, RunWarning):
                self._write(f"warning: {event.message}")
            elif isinstance(event, RunResumed):
                self._write(_resumed(event))
            elif isinstance(event, GilSwitchedOn):
                self._write(f"warning: the GIL is on: {_reason(event)}; nodes will not run in parallel")
            elif isinstance(event, SiteLeft):
                self._write(f"warning: {event.address} is lost{_again(event.nodes)}")
            elif isinstance(event, NodeRetry | NodeTimeout) or (isinstance(event, NodeFailed) and self._failures):
                self._tell_attempt(event)

    def close(self) -> None:
        """Do nothing: who says the lines is somebody else's."""

    def _tell_attempt(self, event: NodeFailed | NodeRetry | NodeTimeout) -> None:
        self._attempts += 1
        if self._attempts <= _ATTEMPTS:
            self._write(_attempt(event))
        elif self._attempts == _ATTEMPTS + 1:
            self._write("warning: more attempts failed; they are not told one by one")

    def _write(self, message: str) -> None:
        self._write_line(f"taskrunner: {printable(message)}")


def _resumed(event: RunResumed) -> str:
    """Say what a resumed run keeps and what of it runs again, and why."""
    again = [f'"{node}" (changed)' for node in event.changed]
    again += [f'"{node}" (its result could not be stored)' for node in event.unstored]
    return f"{event.kept} nodes have finished before{_again(again)}"


def _again(nodes: Sequence[str]) -> str:
    """Say which nodes run again, the first of them by name."""
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return f"; run again: {', '.join(nodes[:_NAMED])}{more}" if nodes else ""


def _attempt(event: NodeFailed | NodeRetry | NodeTimeout) -> str:
    if isinstance(event, NodeTimeout):
        more = "; its call still runs, and another thread has taken its place" if event.lost else ""
        return f'warning: "{event.node}" timed out after {event.timeout_s:g} s{more}'
    error = first_line(event.error)[:_WIDTH]
    if isinstance(event, NodeFailed):
        return f'"{event.node}" failed{", which is allowed" if event.allowed else ""}: {error}'
    again = f"tried again in {event.wait_s:.3g} s (attempt {event.attempt})"
    return f'warning: "{event.node}" failed and is {again}: {error}'


def _reason(event: GilSwitchedOn) -> str:
    if event.module:
        return describe_culprit(event.module, event.node)
    return "by PYTHON_GIL, -X gil, or an import before this run"
