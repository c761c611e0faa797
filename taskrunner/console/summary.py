"""A run's summary as text for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taskrunner.analysis.formatting import format_count, format_seconds
from taskrunner.plan.outcome import Failure
from taskrunner.safe.printable import printable, printable_lines
from taskrunner.session.result import RunResult
from taskrunner.storage.run_directory import output_files
from taskrunner.storage.summary import Summary
from taskrunner.system.gil import culprit_suffix

if TYPE_CHECKING:
    from taskrunner.analysis.contention import Contention
from taskrunner.analysis.formatting import format_cpu_times, format_slowdown, join_fitting, shorten_path

_NAMED = 10


_GROWN = 5


def summary_text(result: RunResult, commands: Path | None = None, contention: "Contention | None" = None) -> str:
    """Return the summary of a run, with its failures first, each with what was skipped because of it.

    ``commands``: the folder in which what the run's commands wrote is kept. ``contention``: what an earlier run
    with one worker has told.
    """
    behind: dict[str, list[str]] = {}
    if result.failures:
        for node, skip in result.skipped.items():
            behind.setdefault(skip.because, []).append(node)
    parts = [failure_text(failure, commands) + _behind(behind.get(failure.node, [])) for failure in result.failures]
    return "\n".join([*parts, *_lines(result.summary, contention)]) + "\n"


def failure_text(failure: Failure, commands: Path | None = None) -> str:
    """Return what is known of a failure: the node, how the run came to it, the traceback, where its output is."""
    way = " -> ".join(failure.path)
    indented = "\n".join(f"    {line}" for line in printable_lines(failure.traceback).splitlines())
    allowed = ", which is allowed" if failure.allowed else ""
    attempt = f"attempt {failure.attempt}, " if failure.attempt > 1 else ""
    called = f"    called with {printable(failure.arguments)}\n" if failure.arguments not in ("", "()") else ""
    first = printable(f'node "{failure.node}" failed{allowed} ({attempt}path: {way})')
    return f"{first}\n{called}{indented}\n{_whole(failure.node, commands)}"


def _whole(node: str, commands: Path | None) -> str:
    """Say where the whole of what a command wrote is kept, if it is one and wrote anything."""
    files = [] if commands is None else output_files(commands, node)
    written = [str(path) for path in files if path.is_file() and path.stat().st_size]
    return printable(f"    the whole output: {', '.join(written)}") + "\n" if written else ""


def _behind(nodes: Sequence[str]) -> str:
    """Say which nodes were skipped because of one, the first of them by name."""
    if not nodes:
        return ""
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return printable(f"    skipped because of it: {', '.join(nodes[:_NAMED])}{more}") + "\n"


def _lines(summary: Summary, contention: "Contention | None") -> list[str]:
    counts = [f"{summary.done} done"]
    counts += [f"{summary.failed} failed"] if summary.failed else []
    counts += [f"{summary.skipped} skipped"] if summary.skipped else []
    counts += [f"{summary.retried} tried again"] if summary.retried else []
    counts += [f"{summary.kept} kept"] if summary.kept else []
    counts += [f"{summary.cached} cached"] if summary.cached else []
    state = _state(summary)
    busy = " ".join(f"{share:.0%}" for share in summary.busy)
    slowest = [f"{node.node} {format_seconds(node.ran_s)}" for node in summary.slowest]
    where = "" if summary.engine == "threads" else f" on {summary.engine}"
    gil = ("on" if summary.gil else "off") + culprit_suffix(summary.gil_module, summary.gil_node)
    rows = [
        (state, f"{summary.graph}: {', '.join(counts)} in {format_seconds(summary.wall_s)}"),
        ("workers", f"{summary.workers}{where}, busy {busy}, {summary.steals} steals"),
        ("parallelism", f"{summary.parallelism:.2f} on average"),
        ("critical path", f"{format_seconds(summary.critical_path_s)}: {shorten_path(summary.critical_path)}"),
        ("slowest", join_fitting(slowest)),
        *([("cpu", format_cpu_times(summary.cpu))] if summary.cpu is not None else []),
        *(_contention_rows(contention) if contention is not None else []),
        ("python", f"{summary.python}, GIL {gil}"),
        ("memory", f"{summary.peak_memory_bytes / 2**20:.0f} MiB at most"),
        ("run", summary.run),
    ]
    if not summary.critical_path:  # nothing ran
        rows = [row for row in rows if row[0] not in ("critical path", "slowest")]
    if summary.lost:
        rows.insert(1, ("lost", f"{summary.lost} given up and still running when the run ended"))
    return [f"{name:<14}{printable(text)}" for name, text in rows]


def _contention_rows(contention: "Contention") -> Iterator[tuple[str, str]]:
    """Give a row for each function that has grown, and one more for what is to be known of them."""
    grown, judged = contention.functions, format_count(contention.judged, "function")
    if not grown:
        yield "contention", f"none in {judged}: compared with run {contention.run}, which had 1 worker"
        return
    for row, each in enumerate(grown[:_GROWN]):
        yield "" if row else "contention", format_slowdown(each)
    if len(grown) > _GROWN:
        yield "", f"and {len(grown) - _GROWN} more of {judged}"
    if contention.gil:
        yield "", "the GIL is on: calls wait for it, whatever else they share"


def _state(summary: Summary) -> str:
    if summary.ok:
        return "ok"
    if summary.signal:
        return "interrupted"
    return "timed out" if summary.timed_out_s else "failed"
