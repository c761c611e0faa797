"""Messages between the client and the worker processes: work items to the workers, step reports back.

A work item is one call, one command, or a chain of calls in which each call takes the result of its predecessor. It
carries templates, names and constants. Results of other nodes stay on their workers; a ``Placeholder`` represents each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from taskrunner.graph.dag import NO_TEMPLATES, Templates
from taskrunner.graph.spec import Capture, Retry

# Another kind of step, beside the kinds of a task (``plan.task``): select one item of a list.
# On a worker, MAP means: evaluate the items.
PICK = 5

# States in a step report.
BEGUN = "begun"  # a slow step has started
DONE = "done"
FAILED = "failed"
SKIPPED = "skipped"  # its condition was falsy
STOPPED = "stopped"  # the run was stopped before the step started, or the stop cancelled the step

# A step report carries at most this number of bytes of a result, of an error, or of the output of a command.
# The client fetches larger output; larger results and errors stay on the worker.
MAX_ENTRY_BYTES = 64 * 1024


class ResultRef:
    """Reference to a result on a worker process. The last reference to a result drops it there.

    ``handle`` belongs to the engine. ``worker`` is the address of the process that holds an immovable result; it is
    "" if the result can be moved, or if that is not determined yet.
    """

    __slots__ = ("__weakref__", "handle", "worker")

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.worker = ""


class Placeholder(msgspec.Struct, frozen=True):
    """Placeholder in a work item for the input result at index ``number``; PREVIOUS: the result of the previous step.

    The results are sent along with the work item.
    """

    number: int


class GatheredResults(msgspec.Struct, frozen=True):
    """Placeholder in a work item for the list of results of the children of a mapped node."""

    parts: Sequence[Any]


class MissingResult(msgspec.Struct, frozen=True):
    """Placeholder in a work item for the result of a failed or skipped node."""


PREVIOUS = Placeholder(-1)
MISSING_RESULT = MissingResult()


class Step(msgspec.Struct, frozen=True):
    """One attempt of one node.

    ``call`` is ``package.module:name``, or the function itself if it was passed from Python.
    ``is_flat``: ``args`` are the arguments. Otherwise ``args`` and ``templates`` are templates, and ``inputs`` maps the
    nodes that they reference to results.
    ``timeout`` is in seconds, 0: none. ``has_condition``: the condition depends on the result of a node, so the
    worker evaluates it.
    ``is_journaled``: the step report contains the result in the form of the journal, if the result is small.
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
    """Steps that one worker process executes in sequence, up to the first step that does not succeed.

    ``run`` is the id of the run, and ``key`` names the result of the last step. ``priority`` is that of the node:
    higher runs first. ``worker`` is the address of the required worker process, which holds an immovable input; "":
    any worker process.
    ``is_async``: it occupies no worker thread while it waits, as async nodes and commands do.
    ``suppress_reports``: no step report is required.
    """

    run: str
    key: str
    steps: tuple[Step, ...]
    priority: int = 0
    worker: str = ""
    is_async: bool = False
    suppress_reports: bool = False


class FailedResult(msgspec.Struct, frozen=True):
    """The result of a work item that did not succeed.

    A consumer receives it only if the original result was lost and its work item failed on the rerun.
    """

    node: str
    message: str


class ImmovableResult(msgspec.Struct, frozen=True):
    """Substitute for a result that could not be moved to its consumer; ``message`` is the reason."""

    message: str


class StepFailure(msgspec.Struct, frozen=True, array_like=True):
    """The failure of a step: the strings of ``plan.outcome.Failure``, and the pickled error or b"".

    ``wait_s``: a retry is due after this number of seconds; None: no retry. ``timeout_s``: the timeout that expired,
    in seconds; 0: none. ``is_lost``: the call that timed out still runs in an abandoned thread.
    """

    message: str
    traceback: str
    arguments: str
    error: bytes
    wait_s: float | None = None
    timeout_s: float = 0.0
    is_lost: bool = False


class OutputFile(msgspec.Struct, frozen=True, array_like=True):
    """An output file of a command: its path, its size in bytes, and its content if it is small."""

    path: str
    size: int
    data: bytes | None = None


class StepReport(msgspec.Struct, frozen=True, array_like=True):
    """The outcome of one step of a work item, or the notice that it still runs.

    ``worker`` is the address of the worker process, ``thread`` the id of the thread; 0: no thread.
    ``began`` is in nanoseconds since 1970 on the clock of the worker process, ``ran`` in nanoseconds.
    ``gil``: the GIL was on after the step. ``entry`` is for the journal. ``count`` is the number of items of a mapped
    node, and ``items`` contains the serialized items if they are small.
    ``output_files`` are the standard output and the standard error of a command. ``cpu`` is the CPU time of a
    synchronous call in nanoseconds; 0: there was no call, or it was abandoned.
    ``is_pinned``: the result of the work item is immovable.
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
    """Serialize step reports for transport."""
    return _encode(reports)


def from_bytes(data: bytes) -> list[StepReport]:
    """Deserialize step reports."""
    return _decode(data)
