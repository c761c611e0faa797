"""What became of a node that did not simply end with its result."""

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
    """Why a node was not run.

    ``reason`` is ``when`` (its guard was falsy), ``needs`` (``because`` names the node that failed
    or was skipped) or ``stopped`` (the run was stopped; ``because`` names the failed node, if any).
    """

    reason: str
    because: str = ""


class Failure(msgspec.Struct, frozen=True):
    """A node's failure: the error, without its frames, and its traceback from the user's own frame on.

    ``path`` leads from a node that needs nothing to this one, along what needs what. ``arguments`` are
    what it was called with, cut. ``allowed``: it fails neither the run nor what needs the node.
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
    """The end of an attempt that failed and is not the last: the next one begins after ``wait_s`` seconds."""

    failure: Failure
    wait_s: float


class FailedCall(msgspec.Struct, frozen=True):
    """Which call it is that failed: its node, attempt and arguments, as ``Failure`` tells of them.

    ``is_running``: it still has them in use, and may hold a lock that one's own ``repr`` would wait for.
    """

    node: str
    path: tuple[str, ...] = ()
    attempt: int = 1
    arguments: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    allowed: bool = False
    is_running: bool = False


def state_of(why: Failure | Skip | Retried | None) -> str:
    """Return the state of a node that ended so: ``done``, ``failed``, ``skipped``, or ``retried`` for an attempt."""
    if why is None:
        return DONE
    if isinstance(why, Retried):
        return RETRIED
    return SKIPPED if isinstance(why, Skip) else FAILED


def describe(call: FailedCall, error: BaseException, mask: Callable[[str], str] = str) -> Failure:
    """Describe an error that a node raised. It never raises, whatever the error's methods do.

    ``mask`` takes secrets out of the texts; the error itself is the node's, and stays as it is.

    The error loses its frames: they would keep the node's arguments alive, and all that it made.
    """
    message, text = _message_and_traceback(error)
    _drop_frames(error)
    arguments = "" if call.arguments is None else format_arguments(*call.arguments, is_in_use=call.is_running)
    texts = mask(message), mask(text), call.path, mask(arguments)
    return Failure(call.node, call.attempt, error, *texts, call.allowed)


def _message_and_traceback(error: BaseException) -> tuple[str, str]:
    """Return the message and the traceback."""
    first_own = _skip_frames(error.__traceback__)
    try:
        if isinstance(error, TaskrunnerError) and first_own is None:  # our own words say all
            return str(error), str(error)
        whole = traceback.TracebackException(type(error), error, first_own)
        return "".join(whole.format_exception_only()).strip(), "".join(whole.format())
    except BaseException:  # noqa: BLE001  an error's own methods may raise anything
        return type(error).__name__, ""


def _drop_frames(error: BaseException) -> None:
    """Take the frames from an error, from those behind it and from those that it groups."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = None
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def _skip_frames(frames: TracebackType | None) -> TracebackType | None:
    """Skip the frames of taskrunner, which stand first; keep none rather than those."""
    while frames is not None and str(frames.tb_frame.f_globals.get("__name__", "")).startswith("taskrunner."):
        frames = frames.tb_next
    return frames
