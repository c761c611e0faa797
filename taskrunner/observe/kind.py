"""Where an attempt ran, and so what it held: a worker, a command's place, or nothing."""

from taskrunner.events.types import EVENT_LOOP
from taskrunner.observe.recorded import Attempt, RecordedRun

WORKER = "worker"
COMMAND = "command"  # holds no worker, but one of as many places as there are workers
ASYNC = "async"  # mostly waits, and holds nothing
OFFLOADED = "event loop"  # a command or an async node: there is no graph that tells which


def kind_of(run: RecordedRun, attempt: Attempt) -> str:
    """Return the kind of an attempt: of a call WORKER, of what waits on the event loop one of the others."""
    if not is_offloaded(attempt):
        return WORKER
    vertex = run.vertex(attempt)
    if vertex is None:
        return OFFLOADED
    return ASYNC if vertex.call else COMMAND


def is_offloaded(attempt: Attempt) -> bool:
    """Say whether an attempt waited on the event loop: an async node's, or a command's."""
    return attempt.worker == EVENT_LOOP
