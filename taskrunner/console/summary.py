"""Human-readable summary of a run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taskrunner.analysis.formatting import (
    format_count,
    format_cpu_times,
    format_seconds,
    format_slowdown,
    join_fitting,
    shorten_path,
)
from taskrunner.plan.outcome import Failure
from taskrunner.safe.printable import printable, printable_lines
from taskrunner.session.result import RunResult
from taskrunner.storage.run_directory import output_files
from taskrunner.storage.summary import Summary
from taskrunner.system.gil import culprit_suffix

if TYPE_CHECKING:
    from taskrunner.analysis.contention import Contention

_MAX_NODES = 10
_MAX_FUNCTIONS = 5


def summary_text(result: RunResult, commands: Path | None = None, contention: "Contention | None" = None) -> str:
    """Return the summary of a run. The failures are first, each with the nodes that were skipped because of it.

    ``commands``: the directory of the output files of the run's commands. ``contention``: the comparison with an
    earlier run with one worker.
    """
    skipped: dict[str, list[str]] = {}
    if result.failures:
        for node, skip in result.skipped.items():
            skipped.setdefault(skip.because, []).append(node)
    parts = [
        failure_text(failure, commands) + _format_skipped(skipped.get(failure.node, [])) for failure in result.failures
    ]
    return "\n".join([*parts, *_format_rows(result.summary, contention)]) + "\n"


def failure_text(failure: Failure, commands: Path | None = None) -> str:
    """Return the details of a failure: the node, the path to it, the traceback, the location of its output."""
    path = " -> ".join(failure.path)
    indented = "\n".join(f"    {line}" for line in printable_lines(failure.traceback).splitlines())
    allowed = ", which is allowed" if failure.allowed else ""
    attempt = f"attempt {failure.attempt}, " if failure.attempt > 1 else ""
    called = f"    called with {printable(failure.arguments)}\n" if failure.arguments not in ("", "()") else ""
    first = printable(f'node "{failure.node}" failed{allowed} ({attempt}path: {path})')
    return f"{first}\n{called}{indented}\n{_format_output_files(failure.node, commands)}"


def _format_output_files(node: str, commands: Path | None) -> str:
    """Return a line with the output files of a command; empty if there are none, or for other nodes."""
    files = [] if commands is None else output_files(commands, node)
    names = [str(path) for path in files if path.is_file() and path.stat().st_size]
    return printable(f"    full output: {', '.join(names)}") + "\n" if names else ""


def _format_skipped(nodes: Sequence[str]) -> str:
    """Return a line with the nodes that were skipped because of a failure: at most ``_MAX_NODES`` names."""
    if not nodes:
        return ""
    more = f" and {len(nodes) - _MAX_NODES} more" if len(nodes) > _MAX_NODES else ""
    return printable(f"    skipped because of it: {', '.join(nodes[:_MAX_NODES])}{more}") + "\n"


def _format_rows(summary: Summary, contention: "Contention | None") -> list[str]:
    counts = [f"{summary.done} done"]
    counts += [f"{summary.failed} failed"] if summary.failed else []
    counts += [f"{summary.skipped} skipped"] if summary.skipped else []
    counts += [f"{summary.retried} retried"] if summary.retried else []
    counts += [f"{summary.kept} restored"] if summary.kept else []
    counts += [f"{summary.cached} cached"] if summary.cached else []
    state = _describe_state(summary)
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
        rows.insert(1, ("lost", f"{summary.lost} abandoned, still running at exit"))
    return [f"{name:<14}{printable(text)}" for name, text in rows]


def _contention_rows(contention: "Contention") -> Iterator[tuple[str, str]]:
    """Yield a row for each slowed function, and a row with the caveat about the GIL if it is on."""
    slowed, judged = contention.functions, format_count(contention.judged, "function")
    if not slowed:
        yield "contention", f"none in {judged}: compared with run {contention.run}, which had 1 worker"
        return
    for row, function in enumerate(slowed[:_MAX_FUNCTIONS]):
        yield "" if row else "contention", format_slowdown(function)
    if len(slowed) > _MAX_FUNCTIONS:
        yield "", f"and {len(slowed) - _MAX_FUNCTIONS} more of {judged}"
    if contention.gil:
        yield "", "the GIL is on: calls wait for it, whatever else they share"


def _describe_state(summary: Summary) -> str:
    if summary.ok:
        return "ok"
    if summary.signal:
        return "interrupted"
    return "timed out" if summary.timed_out_s else "failed"
