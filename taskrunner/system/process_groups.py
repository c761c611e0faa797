"""The processes of commands: what must not outlive this one, and how one failed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

GRACE_PERIOD_S = 5.0  # seconds that what is to end has for it, before it is killed or left


# The process groups of all runs, and the starts that have not told of theirs yet. Adding, discarding and copying are
# atomic, each by itself.
groups: set[int] = set()


_starts: set[object] = set()


# Seconds for which ``kill_all`` waits for them, and between two looks.
_START_TIMEOUT_S = 1.0


_POLL_INTERVAL_S = 0.005


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Have a process started inside, which adds its group: whoever leaves meanwhile waits for that."""
    start = object()
    _starts.add(start)
    try:
        yield
    finally:
        _starts.discard(start)


def kill_all() -> None:
    """Kill every command's process group at once: the program is about to leave without waiting.

    It does wait for a process that another thread is just starting: nobody knows its number yet.
    """
    end = time.monotonic() + _START_TIMEOUT_S
    while _starts and time.monotonic() < end:
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
