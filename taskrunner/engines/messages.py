"""What travels between a run and the places where its nodes are run elsewhere: works there, reports back.

A work is one call or command, or a chain of calls of which each takes what the one before it returns. It carries
templates, names and constants; results of other nodes stay where they are, and a ``Slot`` stands for each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskrunner.graph.dag import NO_TEMPLATES, Templates
from taskrunner.graph.spec import Capture, Retry

# A kind of step beside those of a task (``run.plan``): take one item of a list. MAP there is: evaluate the items.
PICK = 5

# What a report tells of a step: that it has begun, if it takes long, or how it ended.
BEGUN = "begun"
DONE = "done"
FAILED = "failed"
SKIPPED = "skipped"  # its guard was falsy
STOPPED = "stopped"  # it had not begun when the run was stopped, or it was cancelled then

# So many bytes of a result, of an error or of what a command wrote travel with a report; more is fetched or left.
MAX_ENTRY_BYTES = 64 * 1024


class ResultRef:
    """A result that lies elsewhere. ``handle`` is the engine's; the result is dropped with the last Remote of it.

    ``site`` is the address where it lies if it cannot be moved; "" if it can, or if that is not known yet.
    """

    __slots__ = ("__weakref__", "handle", "worker")

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.worker = ""


class Placeholder(msgspec.Struct, frozen=True):
    """Stands in a work for the result that comes with it at ``number``; PREVIOUS: that of the step before."""

    number: int


class GatheredResults(msgspec.Struct, frozen=True):
    """Stands in a work for the list of results of a mapped node's children."""

    parts: Sequence[Any]


class MissingResult(msgspec.Struct, frozen=True):
    """Stands in a work for the result of what failed or was skipped."""


PREVIOUS = Placeholder(-1)
MISSING_RESULT = MissingResult()


class Step(msgspec.Struct, frozen=True):
    """One attempt of one node.

    ``call`` is ``package.module:name``, or the function itself if it was given in Python. ``is_flat``: ``args`` are
    the arguments; else they are templates, as ``templates`` are, for which ``given`` has the results by node.
    ``timeout`` is in seconds, 0: none. ``is_guarded``: its guard takes the result of a node, so it is looked at there.
    ``is_kept``: its result is to be reported in a form that a journal keeps, if it is small.
    """

    node: str
    kind: int
    attempt: int = 1
    call: str | Callable[..., Any] = ""
    args: Sequence[Any] = ()
    is_flat: bool = False
    templates: Templates = NO_TEMPLATES
    inputs: Mapping[str, Any] = {}
    item: Any = None
    cwd: str | None = None
    capture: Capture = "text"
    timeout: float = 0.0
    retry: Retry | None = None
    always: bool = False
    has_condition: bool = False
    is_journaled: bool = False


class WorkItem(msgspec.Struct, frozen=True):
    """Steps to be run one after the other, up to the first that does not end well. ``key`` names the last result.

    ``run`` is the id of the run, ``priority`` the node's own: higher first. ``site``: it has to run there, since it
    takes what cannot be moved; "": it may run anywhere. ``is_waiting``: it holds no worker while
    it waits, as async nodes and commands do. ``is_quiet``: nobody wants a report of it.
    """

    run: str
    key: str
    steps: tuple[Step, ...]
    priority: int = 0
    worker: str = ""
    is_async: bool = False
    suppress_reports: bool = False


class FailedResult(msgspec.Struct, frozen=True):
    """The result of a work that did not end well. Somebody takes it only if it was lost, and run again."""

    node: str
    message: str


class ImmovableResult(msgspec.Struct, frozen=True):
    """Stands for a result that could not be moved to where it is needed, and says why."""

    message: str


class StepFailure(msgspec.Struct, frozen=True, array_like=True):
    """How a step failed: the texts of ``run.outcome.Failure``, the pickled error if it has one, and what follows.

    ``wait_s``: it is worth another attempt after so many seconds. ``timeout_s``: it timed out after so many, and its
    call is ``is_lost``: it goes on in a thread that nobody waits for.
    """

    message: str
    traceback: str
    arguments: str
    error: bytes
    wait_s: float | None = None
    timeout_s: float = 0.0
    is_lost: bool = False


class OutputFile(msgspec.Struct, frozen=True, array_like=True):
    """One file that a command wrote: where it is, how large, and the whole of it if it is small."""

    path: str
    size: int
    data: bytes | None = None


class StepReport(msgspec.Struct, frozen=True, array_like=True):
    """What became of one step of a work, or that it goes on. ``site`` is where, ``thread`` on which thread; 0: on none.

    ``began`` is in nanoseconds since 1970 by the site's own clock, ``ran`` in nanoseconds. ``gil``: it was on after it.
    ``entry`` is the journal's, ``count`` the number of items of a mapped node, and ``items`` these themselves, as they
    are stored, where they are small. ``written`` is what a command wrote: its output, and its errors. ``cpu``: the
    nanoseconds of CPU time that a plain call took; 0: nothing was called, or it was given up. ``is_fixed``: the result
    of the work cannot be moved.
    """

    key: str
    step: int
    worker: str
    thread: int
    began: int
    ran: int
    state: str
    gil: bool = False
    failure: StepFailure | None = None
    entry: Any = None
    count: int = 0
    items: bytes | None = None
    output_files: tuple[OutputFile, OutputFile] | None = None
    cpu: int = 0
    is_pinned: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[StepReport]).decode


def to_bytes(reports: Sequence[StepReport]) -> bytes:
    """Return reports as they travel."""
    return _encode(reports)


def from_bytes(data: bytes) -> list[StepReport]:
    """Return the reports that bytes stand for."""
    return _decode(data)
