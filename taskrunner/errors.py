"""Error hierarchy: each class defines the exit code of the command line."""

import itertools
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from taskrunner.safe.printable import printable

# The maximum number of reported problems of a graph, and the maximum length of each part of a message. A longer report
# does not help a reader.
MAX_PROBLEMS = 100
_MAX_TEXT_LENGTH = 1000
# Only the first problems get a hint: the time to find one grows with the number of names.
MAX_HINTS = 10


class TaskrunnerError(Exception):
    """The base class of all errors that taskrunner raises. Its message needs no traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(TaskrunnerError):
    """A call or a command line names something that does not exist: a target, a parameter."""

    exit_code = 2


class Problem(msgspec.Struct, frozen=True):
    """One problem of a graph.

    ``path`` is the location in the graph file; ``where`` is its string form, ``nodes[3].args[0]``. ``line`` and
    ``column`` count from 1 and are 0 if the encoding of the file has no lines. ``hint`` names the probable intent.
    """

    path: tuple[Any, ...]
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0

    @property
    def where(self) -> str:
        """The location, as ``nodes[3].args[0]``; empty for the graph as a whole."""
        text = ""
        for step in self.path:
            if isinstance(step, int):
                text += f"[{step}]"
            else:  # a key; not a string in some MessagePack files
                text += f".{step}" if text else str(step)
        return text

    def __str__(self) -> str:
        """Format the problem as one line that is safe on a terminal: ids and keys come from the file."""
        position = f"{self.line}:{self.column}: " if self.line else ""
        where = f"{_shorten(self.where)}: " if self.where else ""
        hint = f"; {_shorten(self.hint)}" if self.hint else ""
        return printable(f"{position}{where}{_shorten(self.message)}{hint}")


def _shorten(text: str) -> str:
    """Omit the middle of a string that is longer than ``_MAX_TEXT_LENGTH``."""
    half = _MAX_TEXT_LENGTH // 2
    return text if len(text) <= _MAX_TEXT_LENGTH else f"{text[:half]} … {text[-half:]}"


def limit_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first ``MAX_PROBLEMS`` problems. If there are others, the last item of the list says so."""
    first = list(itertools.islice(problems, MAX_PROBLEMS + 1))
    if len(first) > MAX_PROBLEMS:
        first[MAX_PROBLEMS] = Problem((), f"more than {MAX_PROBLEMS} problems; the others are not shown")
    return first


class GraphError(TaskrunnerError):
    """A graph is invalid. ``problems`` holds every independent reason, in file order.

    There are at most ``MAX_PROBLEMS`` of them, and one that says that there are others.
    """

    exit_code = 3

    def __init__(self, problems: Iterable[Problem], source: str = "") -> None:
        self.problems = tuple(limit_problems(problems))
        self.source = source
        super().__init__("\n".join(self._format_line(problem) for problem in self.problems))

    def _format_line(self, problem: Problem) -> str:
        if not self.source:
            return str(problem)
        return f"{printable(self.source)}:{'' if problem.line else ' '}{problem}"


class GilEnabledError(TaskrunnerError):
    """The GIL is on although the caller required it to be off."""

    exit_code = 5


class RunFailedError(TaskrunnerError):
    """A requested result was not produced by the run."""


class InternalError(TaskrunnerError):
    """An impossible state. It is a bug in taskrunner, never in the graph."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} (this is a bug in taskrunner, please report it)")
