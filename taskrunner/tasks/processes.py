"""The processes of commands: what must not outlive this one, and how one failed."""

import contextlib
import os
import signal

from taskrunner.errors import TaskrunnerError

GRACE = 5.0  # seconds that what is to end has for it, before it is killed or left

# The process groups of all runs. Adding, discarding and copying are atomic, each by itself.
groups: set[int] = set()


def kill_all() -> None:
    """Kill every command's process group at once: the program is about to leave without waiting."""
    for group in list(groups):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


class CommandError(TaskrunnerError):
    """A command ended with an exit code other than zero, or by a signal."""

    def __init__(self, command: str, code: int, tail: str) -> None:
        self.code = code
        how = f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"
        end = f"\n{tail}" if tail else ""
        super().__init__(f"{how}: {command}{end}")


def signal_name(number: int) -> str:
    """Return the name of a signal, as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
