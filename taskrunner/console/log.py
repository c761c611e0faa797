"""Console log: events as human-readable log lines.

Cost: a line passes through the processors of structlog, which takes ten times as long as the JSON encoding of an
event. Only this log imports structlog, because structlog imports rich and asyncio. These imports take longer than all
other work of a short run.

Thread safety: loggers are built on the main thread, before the run, because structlog creates its lock for each file
without synchronization. Each observer has its own file, and one thread at a time calls it.
"""

import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, TextIO

import msgspec
from msgspec import UNSET

from taskrunner.analysis.formatting import shorten_path
from taskrunner.events.json_log import close_file, filter_by_level
from taskrunner.events.types import Event

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


class ConsoleLog:
    """An observer that writes each event as a human-readable line, in color if ``colors`` is set."""

    def __init__(self, file: TextIO, level: str = "info", *, colors: bool = False) -> None:
        import structlog  # imports rich and asyncio; JSON logs do not need them

        self.level = level
        self._file = file
        renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=14, sort_keys=False)
        self._logger = _create_logger(structlog.PrintLogger(file), [_format_fields, renderer])

    def on_events(self, events: Sequence[Event]) -> None:
        """Write a line for each event."""
        for event in filter_by_level(events, self.level):
            fields = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not UNSET}
            getattr(self._logger, fields.pop("level"))(event.__struct_config__.tag, **fields)
        self._file.flush()

    def close(self) -> None:
        """Close the file, unless it is a standard stream of the process."""
        close_file(self._file)


def can_use_colors(file: IO[Any]) -> bool:
    """Return whether a file is a terminal, and the user has not disabled colors (https://no-color.org)."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _create_logger(target: Any, processors: "list[Processor]") -> Any:
    import structlog

    return structlog.wrap_logger(
        target,
        processors=[_move_level_first, *processors],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _move_level_first(_: Any, method: str, event_dict: "EventDict") -> "EventDict":
    return {"event": event_dict.pop("event"), "level": method, **event_dict}


def _format_fields(_: Any, __: str, event_dict: "EventDict") -> "EventDict":
    """Round numbers of seconds to six digits, which suffice for a reader. Format paths with arrows."""
    return {name: _format_value(value) for name, value in event_dict.items()}


class _Quoted:
    """A string for which structlog writes the repr, as for a string with a space."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _format_value(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else _Quoted(value)
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, tuple) and all(isinstance(part, str) for part in value):
        return _format_value(shorten_path(value))
    return [_format_value(part) for part in value] if isinstance(value, tuple) else value
