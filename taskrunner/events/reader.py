"""Event reader: the events of a run, read back from its event file."""

from pathlib import Path

import msgspec

from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import (
    GilSwitchedOn,
    NodeDone,
    NodeFailed,
    NodeRetry,
    NodeSkipped,
    NodeTimeout,
    RunDone,
    RunResumed,
    RunStart,
    RunWarning,
    SiteJoined,
    SiteLeft,
)

type AnyEvent = (
    RunStart
    | RunResumed
    | NodeDone
    | NodeFailed
    | NodeRetry
    | NodeTimeout
    | NodeSkipped
    | GilSwitchedOn
    | SiteJoined
    | SiteLeft
    | RunWarning
    | RunDone
)


def read_events(path: Path) -> list[AnyEvent]:
    """Read the events of a run, without an incomplete last line of a killed process.

    Raises:
        TaskrunnerError: the file cannot be read.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TaskrunnerError(f"cannot read {path}: {error.strerror}") from None
    decoder = msgspec.json.Decoder(AnyEvent)
    complete = data[: data.rfind(b"\n") + 1]
    try:
        return decoder.decode_lines(complete)
    except ValueError:
        for number, line in enumerate(complete.splitlines(), 1):
            try:
                decoder.decode(line)
            except ValueError as error:
                raise TaskrunnerError(f"{path}:{number}: {error}") from None
        raise
