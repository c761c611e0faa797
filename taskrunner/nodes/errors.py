"""Errors of nodes: timeouts, and commands that fail."""

from taskrunner.errors import TaskrunnerError
from taskrunner.system.process_groups import signal_name


class NodeTimeoutError(TaskrunnerError):
    """A node that exceeded its time limit. ``is_lost``: its call still runs, in an abandoned thread."""

    def __init__(self, seconds: float, *, is_lost: bool = False) -> None:
        self.seconds = seconds
        self.is_lost = is_lost
        detail = "; the call still runs in an abandoned thread" if is_lost else ""
        super().__init__(f"timed out after {seconds:g} s{detail}")


class CommandError(TaskrunnerError):
    """A command that ended with an exit code other than zero, or by a signal."""

    def __init__(self, command: str, code: int, tail: str) -> None:
        self.code = code
        status = f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"
        output = f"\n{tail}" if tail else ""
        super().__init__(f"{status}: {command}{output}")
