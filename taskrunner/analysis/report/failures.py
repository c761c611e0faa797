"""The failures of a recorded run as HTML: what was raised where, with which arguments, and what commands wrote."""

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

MOST = 100
OPEN = 5
TAIL = 4000  # bytes of what a command wrote


def failures_html(run: RecordedRun) -> str:
    """Return the attempts that failed, those that ended their node first; at most MOST of them."""
    broken = [attempt for attempt in run.attempts if attempt.failure is not None]
    broken.sort(key=lambda attempt: (not _is_last(run, attempt), attempt.state == ALLOWED))
    parts = [
        _failure(run, attempt, is_open=place < OPEN and _is_last(run, attempt))
        for place, attempt in enumerate(broken[:MOST])
    ]
    left = len(broken) - MOST
    more = f'<p class="muted">and {left:,} more: see the table of nodes and events.jsonl</p>' if left > 0 else ""
    return "\n".join(parts) + more


def _is_last(run: RecordedRun, attempt: Attempt) -> bool:
    """Say whether a node ended with an attempt: it was not tried again, nor run again by a run that was resumed."""
    return run.last.get(attempt.node) is attempt


def tail(path: Path, most: int = TAIL) -> str:
    """Return the last bytes of a file as text, from the beginning of a line on; "" if there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except OSError:
        return ""
    text = data.decode(errors="replace")
    return "…\n" + text.partition("\n")[2] if size > most and "\n" in text else text


def _failure(run: RecordedRun, attempt: Attempt, *, is_open: bool) -> str:
    failure = attempt.failure
    if failure is None:
        return ""
    facts = [attempt.state]
    facts += ["run again later"] if attempt.state != RETRIED and not _is_last(run, attempt) else []
    facts += [f"attempt {attempt.event.attempt}"] if attempt.event.attempt > 1 or attempt.state == RETRIED else []
    facts += [f"after {format_seconds(attempt.ran_s)}"]
    first = first_line(failure.error)
    return "\n".join(
        [
            f"<details{' open' if is_open else ''}>",
            f"<summary>{name_html(attempt.node)} ({', '.join(facts)}): {html_text(first)}</summary>",
            *_texts(run, attempt, failure.arguments, failure.traceback or failure.error),
            "</details>",
        ]
    )


def _texts(run: RecordedRun, attempt: Attempt, arguments: str, traceback: str) -> Sequence[str]:
    texts = []
    if arguments not in ("", "()"):
        texts.append(f"<p>called with <code>{html_text(arguments)}</code></p>")
    if attempt.timeout is not None and attempt.timeout.lost:
        texts.append('<p class="note">The call was given up; its thread went on without anybody waiting for it.</p>')
    texts.append(_block(traceback))
    if run.directory is not None and _is_last(run, attempt) and kind_of(run, attempt) == COMMAND:
        texts += _output(*output_files(run.directory / "commands", attempt.node))
    return texts


def _output(out: Path, err: Path) -> Sequence[str]:
    """Return the end of what a command wrote to both of its outputs."""
    found = [("standard output", tail(out)), ("standard error", tail(err))]
    return [f"<p>its {name}:</p>{_block(text)}" for name, text in found if text]


def _block(text: str) -> str:
    return f'<pre tabindex="0">{escape(printable_lines(text.rstrip()))}</pre>'
