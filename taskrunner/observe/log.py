"""Events as structured log lines: a file of JSON lines, or lines for people.

Loggers are built on the main thread, before the run: structlog's lock for each file is made without
one. Each observer has a file of its own and is called by one thread at a time.
"""

import os
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from taskrunner.errors import TaskrunnerError
from taskrunner.observe.summary import shortened
from taskrunner.run.events import Event, GilSwitchedOn, NodeFailed, RunDone, RunWarning
from taskrunner.run.plain import to_json

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class JsonLog:
    """Writes each event as one JSON object on a line of its own."""

    def __init__(self, file: IO[bytes], level: str = "info") -> None:
        self._file = file
        self._level = LEVELS[level]
        self._buffer = BytesIO()
        self._logger = _logger(
            structlog.BytesLogger(self._buffer),
            [structlog.processors.JSONRenderer(serializer=lambda event, **_: to_json(event))],
        )

    def on_events(self, events: Sequence[Event]) -> None:
        """Write a batch at once, so that a line is never torn by another writer."""
        _log_all(self._logger, events, self._level)
        self._file.write(self._buffer.getvalue())
        self._file.flush()
        self._buffer.seek(0)
        self._buffer.truncate()

    def close(self) -> None:
        """Close the file, unless it is one of the process's own."""
        _close(self._file)


class ConsoleLog:
    """Writes each event as a line for people; in colour where ``colors`` is set."""

    def __init__(self, file: TextIO, level: str = "info", *, colors: bool = False) -> None:
        self._file = file
        self._level = LEVELS[level]
        renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=14, sort_keys=False)
        self._logger = _logger(structlog.PrintLogger(file), [_readable, renderer])

    def on_events(self, events: Sequence[Event]) -> None:
        """Write a line for each event."""
        _log_all(self._logger, events, self._level)
        self._file.flush()

    def close(self) -> None:
        """Close the file, unless it is one of the process's own."""
        _close(self._file)


def open_log(path: str | Path) -> IO[bytes]:
    """Open a log file to append to.

    Raises:
        TaskrunnerError: it cannot be opened.

    """
    try:
        return Path(path).open("ab")
    except OSError as error:
        raise TaskrunnerError(f"cannot write the log {path}: {error.strerror}") from None


def wants_colors(file: IO[Any]) -> bool:
    """Say whether a file is a terminal whose user has not refused colours (https://no-color.org)."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def level_of(event: Event) -> str:
    """Return the log level of an event."""
    if isinstance(event, NodeFailed):
        return "error"
    if isinstance(event, RunWarning | GilSwitchedOn):
        return "warning"
    if isinstance(event, RunDone) and not event.ok:
        return "error"
    return "info"


def _logger(target: Any, processors: list[Processor]) -> Any:
    return structlog.wrap_logger(
        target,
        processors=[_level_first, *processors],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _log_all(logger: Any, events: Sequence[Event], least: int) -> None:
    for event in events:
        level = level_of(event)
        if LEVELS[level] >= least:
            fields = msgspec.structs.asdict(event)
            getattr(logger, level)(event.__struct_config__.tag, **fields)


def _level_first(_: Any, method: str, event_dict: EventDict) -> EventDict:
    return {"event": event_dict.pop("event"), "level": method, **event_dict}


def _readable(_: Any, __: str, event_dict: EventDict) -> EventDict:
    """Keep six digits of a number of seconds, more says nothing to a reader; write paths with arrows."""
    return {name: _readable_value(value) for name, value in event_dict.items()}


def _readable_value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, tuple) and all(isinstance(part, str) for part in value):
        return shortened(value)
    return [_readable_value(part) for part in value] if isinstance(value, tuple) else value


def _close(file: IO[Any]) -> None:
    if file not in (sys.stdout, sys.stderr, sys.stderr.buffer):
        file.close()
