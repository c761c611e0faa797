"""Events as structured log lines: a file of JSON lines, or lines for people.

JSON lines are encoded in batches and written as they are. Lines for people go through structlog's processors, which
takes ten times as long as to encode an event; structlog is imported for them alone, since it imports rich and
asyncio, and that takes longer than all else that a short run does. Loggers are built on the main thread, before the
run: structlog's lock for each file is made without one. Each observer has a file of its own and is called by one
thread at a time.
"""

import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, TextIO

import msgspec
from msgspec import UNSET

from taskrunner.analysis.formatting import shorten_path
from taskrunner.events.types import Event

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor
from taskrunner.events.json_log import _close, _from_level


class ConsoleLog:
    """Writes each event as a line for people; in colour where ``colors`` is set."""

    def __init__(self, file: TextIO, level: str = "info", *, colors: bool = False) -> None:
        import structlog  # with rich and asyncio: who logs nothing for people does without them

        self.level = level
        self._file = file
        renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=14, sort_keys=False)
        self._logger = _logger(structlog.PrintLogger(file), [_readable, renderer])

    def on_events(self, events: Sequence[Event]) -> None:
        """Write a line for each event."""
        for event in _from_level(events, self.level):
            fields = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not UNSET}
            getattr(self._logger, fields.pop("level"))(event.__struct_config__.tag, **fields)
        self._file.flush()

    def close(self) -> None:
        """Close the file, unless it is one of the process's own."""
        _close(self._file)


def wants_colors(file: IO[Any]) -> bool:
    """Say whether a file is a terminal whose user has not refused colours (https://no-color.org)."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _logger(target: Any, processors: "list[Processor]") -> Any:
    import structlog

    return structlog.wrap_logger(
        target,
        processors=[_level_first, *processors],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _level_first(_: Any, method: str, event_dict: "EventDict") -> "EventDict":
    return {"event": event_dict.pop("event"), "level": method, **event_dict}


def _readable(_: Any, __: str, event_dict: "EventDict") -> "EventDict":
    """Keep six digits of a number of seconds, more says nothing to a reader; write paths with arrows."""
    return {name: _readable_value(value) for name, value in event_dict.items()}


class _Quoted:
    """Stands for a text of which structlog is to write the repr, as it does with one that holds a space."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _readable_value(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else _Quoted(value)
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, tuple) and all(isinstance(part, str) for part in value):
        return _readable_value(shorten_path(value))
    return [_readable_value(part) for part in value] if isinstance(value, tuple) else value
