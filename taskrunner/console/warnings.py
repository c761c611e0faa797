"""Warnings for the user at the start of a run and during it, as unstyled lines on a terminal."""

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

_MAX_NODES = 10
_MAX_ERROR_CHARS = 100
# The maximum number of failed attempts with their own line; the summary counts them all.
_MAX_ATTEMPTS = 20


class WarningLines:
    """An observer that writes a line for each warning, and with ``failures`` also for each failed node."""

    level = "warning"

    def __init__(self, write_line: Callable[[str], None], *, failures: bool = False) -> None:
        self._write_line = write_line
        self._failures = failures
        self._attempts = 0

    def on_events(self, events: Sequence[Event]) -> None:
        """Write the warnings of a batch."""
        for event in events:
            if isinstance(event, RunWarning):
                self._write(f"warning: {event.message}")
            elif isinstance(event, RunResumed):
                self._write(_format_resumed(event))
            elif isinstance(event, GilSwitchedOn):
                self._write(f"warning: the GIL is on: {_format_reason(event)}; nodes will not run in parallel")
            elif isinstance(event, SiteLeft):
                self._write(f"warning: {event.address} is lost{_format_rerun(event.nodes)}")
            elif isinstance(event, NodeRetry | NodeTimeout) or (isinstance(event, NodeFailed) and self._failures):
                self._write_attempt(event)

    def close(self) -> None:
        """Do nothing: the caller owns the output."""

    def _write_attempt(self, event: NodeFailed | NodeRetry | NodeTimeout) -> None:
        self._attempts += 1
        if self._attempts <= _MAX_ATTEMPTS:
            self._write(_format_attempt(event))
        elif self._attempts == _MAX_ATTEMPTS + 1:
            self._write("warning: more attempts failed; they are not listed individually")

    def _write(self, message: str) -> None:
        self._write_line(f"taskrunner: {printable(message)}")


def _format_resumed(event: RunResumed) -> str:
    """Return a message with the number of restored nodes, and the nodes that run again, with the reason."""
    rerun = [f'"{node}" (changed)' for node in event.changed]
    rerun += [f'"{node}" (its result could not be stored)' for node in event.unstored]
    return f"{event.kept} finished nodes restored{_format_rerun(rerun)}"


def _format_rerun(nodes: Sequence[str]) -> str:
    """Return a phrase with the nodes that run again: at most ``_MAX_NODES`` names."""
    more = f" and {len(nodes) - _MAX_NODES} more" if len(nodes) > _MAX_NODES else ""
    return f"; run again: {', '.join(nodes[:_MAX_NODES])}{more}" if nodes else ""


def _format_attempt(event: NodeFailed | NodeRetry | NodeTimeout) -> str:
    if isinstance(event, NodeTimeout):
        more = "; the call still runs in an abandoned thread" if event.lost else ""
        return f'warning: "{event.node}" timed out after {event.timeout_s:g} s{more}'
    error = first_line(event.error)[:_MAX_ERROR_CHARS]
    if isinstance(event, NodeFailed):
        return f'"{event.node}" failed{", which is allowed" if event.allowed else ""}: {error}'
    retry = f"retried in {event.wait_s:.3g} s (attempt {event.attempt})"
    return f'warning: "{event.node}" failed and is {retry}: {error}'


def _format_reason(event: GilSwitchedOn) -> str:
    if event.module:
        return describe_culprit(event.module, event.node)
    return "by PYTHON_GIL, -X gil, or an import before this run"
