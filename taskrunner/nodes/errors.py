"""Errors."""

from taskrunner.errors import TaskrunnerError
from taskrunner.system.process_groups import signal_name


class NodeTimeoutError(TaskrunnerError):
    """A node took longer than it may."""

    def __init__(self, seconds: float, *, is_lost: bool = False) -> None:
        self.seconds = seconds
        self.is_lost = is_lost
        more = ": its call goes on in a thread that nobody waits for" if is_lost else ""
        super().__init__(f"timed out after {seconds:g} s{more}")


class CommandError(TaskrunnerError):
    """A command ended with an exit code other than zero, or by a signal."""

    def __init__(self, command: str, code: int, tail: str) -> None:
        self.code = code
        how = f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"
        end = f"\n{tail}" if tail else ""
        super().__init__(f"{how}: {command}{end}")
