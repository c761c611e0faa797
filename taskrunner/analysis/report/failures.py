"""Failures of a recorded run as HTML: errors with tracebacks, call arguments, and the output of commands."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from taskrunner.analysis.attempts import ALLOWED, COMMAND, RETRIED, Attempt
from taskrunner.analysis.formatting import first_line, format_seconds
from taskrunner.analysis.html.page import html_text
from taskrunner.analysis.recorded_run import RecordedRun, kind_of
from taskrunner.analysis.report.overview import name_html
from taskrunner.safe.printable import printable_lines
from taskrunner.storage.run_directory import output_files

MAX_FAILURES = 100
MAX_OPEN = 5  # failures with open details
MAX_TAIL_BYTES = 4000  # of each output of a command


def failures_html(run: RecordedRun) -> str:
    """Return the failed attempts, at most MAX_FAILURES; the attempts that ended their node come first."""
    broken = [attempt for attempt in run.attempts if attempt.failure is not None]
    broken.sort(key=lambda attempt: (not _is_last(run, attempt), attempt.state == ALLOWED))
    parts = [
        _failure(run, attempt, is_open=index < MAX_OPEN and _is_last(run, attempt))
        for index, attempt in enumerate(broken[:MAX_FAILURES])
    ]
    left = len(broken) - MAX_FAILURES
    more = f'<p class="muted">and {left:,} more: see the table of nodes and events.jsonl</p>' if left > 0 else ""
    return "\n".join(parts) + more


def _is_last(run: RecordedRun, attempt: Attempt) -> bool:
    """Return whether an attempt ended its node: neither a retry nor a resumed run followed it."""
    return run.last.get(attempt.node) is attempt


def tail(path: Path, max_bytes: int = MAX_TAIL_BYTES) -> str:
    """Return at most the last ``max_bytes`` of a file as text, from the start of a line; "" for a missing file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max_bytes))
            data = file.read(max_bytes)
    except OSError:
        return ""
    text = data.decode(errors="replace")
    return "…\n" + text.partition("\n")[2] if size > max_bytes and "\n" in text else text


def _failure(run: RecordedRun, attempt: Attempt, *, is_open: bool) -> str:
    failure = attempt.failure
    if failure is None:
        return ""
    facts = [attempt.state]
    facts += ["rerun later"] if attempt.state != RETRIED and not _is_last(run, attempt) else []
    facts += [f"attempt {attempt.event.attempt}"] if attempt.event.attempt > 1 or attempt.state == RETRIED else []
    facts += [f"after {format_seconds(attempt.ran_s)}"]
    first = first_line(failure.error)
    return "\n".join(
        [
            f"<details{' open' if is_open else ''}>",
            f"<summary>{name_html(attempt.node)} ({', '.join(facts)}): {html_text(first)}</summary>",
            *_details(run, attempt, failure.arguments, failure.traceback or failure.error),
            "</details>",
        ]
    )


def _details(run: RecordedRun, attempt: Attempt, arguments: str, traceback: str) -> Sequence[str]:
    parts = []
    if arguments not in ("", "()"):
        parts.append(f"<p>called with <code>{html_text(arguments)}</code></p>")
    if attempt.timeout is not None and attempt.timeout.lost:
        parts.append('<p class="notice">The call was abandoned; its thread continued to run.</p>')
    parts.append(_block(traceback))
    if run.directory is not None and _is_last(run, attempt) and kind_of(run, attempt) == COMMAND:
        parts += _output(*output_files(run.directory / "commands", attempt.node))
    return parts


def _output(out: Path, err: Path) -> Sequence[str]:
    """Return the end of both outputs of a command."""
    outputs = [("standard output", tail(out)), ("standard error", tail(err))]
    return [f"<p>its {name}:</p>{_block(text)}" for name, text in outputs if text]


def _block(text: str) -> str:
    return f'<pre tabindex="0">{escape(printable_lines(text.rstrip()))}</pre>'
