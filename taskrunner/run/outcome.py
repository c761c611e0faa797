"""What became of a node that did not simply end with its result."""

import traceback
from types import TracebackType

import msgspec

from taskrunner.errors import TaskrunnerError

DONE = "done"
FAILED = "failed"
SKIPPED = "skipped"


class Skip(msgspec.Struct, frozen=True, gc=False):
    """Why a node was not run.

    ``reason`` is ``when`` (its guard was falsy), ``needs`` (``because`` names the node that failed
    or was skipped) or ``stopped`` (the run was stopped; ``because`` names the failed node, if any).
    """

    reason: str
    because: str = ""


class Failure(msgspec.Struct, frozen=True):
    """A node's failure: the error, without its frames, and its traceback from the user's own frame on.

    ``path`` leads from a node that needs nothing to this one, along what needs what.
    """

    node: str
    attempt: int
    error: BaseException
    message: str
    traceback: str
    path: tuple[str, ...] = ()


def state_of(why: Failure | Skip | None) -> str:
    """Return the state of a node that ended so: ``done``, ``failed`` or ``skipped``."""
    if why is None:
        return DONE
    return SKIPPED if isinstance(why, Skip) else FAILED


def describe(node: str, error: BaseException, path: tuple[str, ...]) -> Failure:
    """Describe an error that a node raised. It never raises, whatever the error's methods do.

    The error loses its frames: they would keep the node's arguments alive, and all that it made.
    """
    first_own = _skip_frames(error.__traceback__)
    try:
        if isinstance(error, TaskrunnerError) and first_own is None:  # our own words say all
            message = str(error)
            _forget_frames(error)
            return Failure(node, 1, error, message, message, path)
        whole = traceback.TracebackException(type(error), error, first_own)
        lines = list(whole.format())
        message = "".join(whole.format_exception_only()).strip()
    except BaseException:  # noqa: BLE001  an error's own methods may raise anything
        lines, message = [], type(error).__name__
    _forget_frames(error)
    return Failure(node, 1, error, message, "".join(lines), path)


def _forget_frames(error: BaseException) -> None:
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
