"""The tree of errors. Each class owns the exit code that the command line ends with."""

import itertools
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from taskrunner.safe.printable import printable

# So many problems of one graph are told, and so much of each: a million tell a reader no more.
MOST_PROBLEMS = 100
# What was meant is guessed for the first ones: it takes as long as there are names.
MOST_GUESSES = 10
_LONGEST = 1000


class TaskrunnerError(Exception):
    """Anything that taskrunner itself reports; its text is fit to be shown without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(TaskrunnerError):
    """A call or a command line asks for something that does not exist: a target, a parameter."""

    exit_code = 2


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a graph.

    ``path`` leads to the place, and ``where`` writes it as ``nodes[3].args[0]``; ``line`` and
    ``column`` count from 1 and are 0 where the file's format cannot tell them; ``hint`` says what
    was probably meant.
    """

    path: tuple[Any, ...]
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0

    @property
    def where(self) -> str:
        """The place, as ``nodes[3].args[0]``; empty for the graph as a whole."""
        text = ""
        for step in self.path:
            if isinstance(step, int):
                text += f"[{step}]"
            else:  # MessagePack has keys that are no text
                text += f".{step}" if text else str(step)
        return text

    def __str__(self) -> str:
        """Write it on one line that is fit for a terminal: ids and keys come from the file."""
        place = f"{self.line}:{self.column}: " if self.line else ""
        where = f"{_cut(self.where)}: " if self.where else ""
        hint = f"; {_cut(self.hint)}" if self.hint else ""
        return printable(f"{place}{where}{_cut(self.message)}{hint}")


def _cut(text: str) -> str:
    """Leave out the middle of a text that is too long to be read."""
    kept = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:kept]} … {text[-kept:]}"


def limited(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first MOST_PROBLEMS, and one more that says so if there are others."""
    found = list(itertools.islice(problems, MOST_PROBLEMS + 1))
    if len(found) > MOST_PROBLEMS:
        found[MOST_PROBLEMS] = Problem((), f"there are more problems than these {MOST_PROBLEMS}")
    return found


class GraphError(TaskrunnerError):
    """A graph cannot be used. ``problems`` holds every independent reason, in the file's order.

    There are no more than MOST_PROBLEMS of them, and one that says that there are others.
    """

    exit_code = 3

    def __init__(self, problems: Iterable[Problem], source: str = "") -> None:
        self.problems = tuple(limited(problems))
        self.source = source
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        if not self.source:
            return str(problem)
        return f"{printable(self.source)}:{'' if problem.line else ' '}{problem}"


class GilEnabledError(TaskrunnerError):
    """The GIL is on although the caller required it to be off."""

    exit_code = 5


class RunFailedError(TaskrunnerError):
    """A result was asked for that a run did not produce."""


class InternalError(TaskrunnerError):
    """A state that cannot be. It is a bug in taskrunner, never in the graph."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} (this is a bug in taskrunner, please report it)")
