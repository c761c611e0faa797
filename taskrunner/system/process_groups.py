"""Process groups of commands: they must not outlive this process. Also the names of signals."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

# Seconds between the request to end and the kill of a process, or the abandonment of a call.
GRACE_PERIOD_S = 5.0

# Seconds for which ``kill_all`` waits for starts in progress, and the interval of its checks.
_START_TIMEOUT_S = 1.0
_POLL_INTERVAL_S = 0.005

# The process groups of all runs, and the starts in progress, whose groups are not added yet.
# Thread safety: adding, discarding and copying are atomic operations.
groups: set[int] = set()
_starts: set[object] = set()


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Mark a start in progress, in a scope that starts a process and adds its group. ``kill_all`` waits for it."""
    start = object()
    _starts.add(start)
    try:
        yield
    finally:
        _starts.discard(start)


def kill_all() -> None:
    """Kill the process groups of all commands immediately. The program is about to exit.

    This function waits only for starts in progress on other threads, because the ids of their groups are unknown.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    while _starts and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL_S)
    for group in list(groups):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def signal_name(number: int) -> str:
    """Return the name of a signal, as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
