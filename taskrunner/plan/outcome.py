"""Outcomes of a node other than a result: failure, skip and retry."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec

from taskrunner.errors import TaskrunnerError
from taskrunner.safe.reprs import format_arguments

DONE = "done"
FAILED = "failed"
SKIPPED = "skipped"
RETRIED = "retried"


class Skip(msgspec.Struct, frozen=True, gc=False):
    """The reason why a node did not run.

    ``reason`` is one of:

    - ``when``: the condition of the node was falsy.
    - ``needs``: ``because`` names the node that failed or was skipped.
    - ``stopped``: the run was stopped; ``because`` names the failed node, if any.
    """

    reason: str
    because: str = ""


class Failure(msgspec.Struct, frozen=True):
    """The failure of a node: the error without its frames, and its traceback from the user's first frame on.

    - ``path``: a chain of dependencies, from a node without dependencies to this one.
    - ``arguments``: the arguments of the call, truncated.
    - ``allowed``: neither the run nor the successors of the node fail.
    """

    node: str
    attempt: int
    error: BaseException
    message: str
    traceback: str
    path: tuple[str, ...] = ()
    arguments: str = ""
    allowed: bool = False


class Retried(msgspec.Struct, frozen=True):
    """A failed attempt that is not the last one: the next attempt begins after ``wait_s`` seconds."""

    failure: Failure
    wait_s: float


class FailedCall(msgspec.Struct, frozen=True):
    """A call that failed, with the node, the attempt and the arguments for its ``Failure``.

    ``is_running``: the call still uses the arguments, and may hold a lock for which a user-defined ``repr`` would wait.
    """

    node: str
    path: tuple[str, ...] = ()
    attempt: int = 1
    arguments: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    allowed: bool = False
    is_running: bool = False


def state_of(outcome: Failure | Skip | Retried | None) -> str:
    """Return the state for an outcome: ``done``, ``failed`` or ``skipped``, or ``retried`` for an attempt."""
    if outcome is None:
        return DONE
    if isinstance(outcome, Retried):
        return RETRIED
    return SKIPPED if isinstance(outcome, Skip) else FAILED


def describe(call: FailedCall, error: BaseException, mask: Callable[[str], str] = str) -> Failure:
    """Describe an error that a node raised. It never raises, whatever the methods of the error do.

    ``mask`` removes secrets from the strings. The error itself belongs to the node, so its content is unchanged.
    Only its frames are removed: they would keep the node's arguments alive, and every object that it created.
    """
    message, trace = _message_and_traceback(error)
    _drop_frames(error)
    arguments = "" if call.arguments is None else format_arguments(*call.arguments, is_in_use=call.is_running)
    descriptions = mask(message), mask(trace), call.path, mask(arguments)
    return Failure(call.node, call.attempt, error, *descriptions, call.allowed)


def _message_and_traceback(error: BaseException) -> tuple[str, str]:
    """Return the message and the traceback."""
    first_user_frame = _skip_frames(error.__traceback__)
    try:
        if isinstance(error, TaskrunnerError) and first_user_frame is None:  # our own message is complete
            return str(error), str(error)
        whole = traceback.TracebackException(type(error), error, first_user_frame)
        return "".join(whole.format_exception_only()).strip(), "".join(whole.format())
    except BaseException:  # noqa: BLE001  an error's own methods may raise anything
        return type(error).__name__, ""


def _drop_frames(error: BaseException) -> None:
    """Remove the frames from an error, from its causes and contexts, and from the errors of its group."""
    remaining: list[BaseException | None] = [error]
    seen: set[int] = set()
    while remaining:
        current = remaining.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = None
        remaining += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            remaining += current.exceptions


def _skip_frames(frames: TracebackType | None) -> TracebackType | None:
    """Skip the leading frames of taskrunner; return None if there are no others."""
    while frames is not None and str(frames.tb_frame.f_globals.get("__name__", "")).startswith("taskrunner."):
        frames = frames.tb_next
    return frames
