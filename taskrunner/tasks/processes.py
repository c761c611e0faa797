"""The processes of commands that run: what must not outlive this one."""

import contextlib
import os
import signal

# The process groups of all runs. Adding, discarding and copying are atomic, each by itself.
groups: set[int] = set()


def kill_all() -> None:
    """Kill every command's process group at once: the program is about to leave without waiting."""
    for group in list(groups):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
