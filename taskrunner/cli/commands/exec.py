"""``taskrunner exec``: execution of a graph."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from taskrunner.analysis.formatting import format_seconds
from taskrunner.api import run
from taskrunner.cli import completion
from taskrunner.cli.engine_options import engine_options, read_engine
from taskrunner.cli.graph_options import find_graph, graph_argument, read_settings, set_option
from taskrunner.cli.permission_options import permission_options, read_permissions
from taskrunner.cli.progress import show_progress
from taskrunner.cli.standard_output import print_to_stderr, printed_to_stderr
from taskrunner.console.log import ConsoleLog, can_use_colors
from taskrunner.console.summary import failure_text, summary_text
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.events.json_log import JsonLog, check_log, open_log
from taskrunner.events.observer import Observer
from taskrunner.events.types import LEVELS
from taskrunner.graph.graph import Graph
from taskrunner.nodes.permissions import Permissions
from taskrunner.safe.reprs import to_json
from taskrunner.safe.strict_json import indent, to_strict_json
from taskrunner.session.options import RunOptions
from taskrunner.session.result import RunResult
from taskrunner.storage.baseline import baseline
from taskrunner.storage.run_directory import CACHE, DEFAULT, commands_of

if TYPE_CHECKING:
    from taskrunner.analysis.contention import Contention

EXAMPLE = """\b
Examples:
  taskrunner exec workloads/tour.json
  taskrunner exec workloads/fib.json --workers 2 --set n=30
  taskrunner exec graph.json report --json     only the node "report" and its dependencies
"""


@click.command("exec", epilog=EXAMPLE, short_help="Run GRAPH, or only TARGETs and their dependencies.")
@graph_argument
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=completion.nodes)
@click.option(
    "-w",
    "--workers",
    type=click.IntRange(min=1),
    help="Number of threads, or of processes of a local cluster; default: the number of processors.",
)
@set_option
@click.option(
    "-k", "--keep-going", type=click.IntRange(min=0), is_flag=False, flag_value=0, default=1, metavar="[N]",
    help="Stop after N failures instead of one; with 0 or no number, never stop.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the nodes that would run, and exit; nothing is written.")
@click.option(
    "--explain", is_flag=True, help="Print for each node why it runs or is reused; before the run, on standard error."
)
@click.option("--log-format", type=click.Choice(["console", "json"]), help="Log every event in this format.")
@click.option("--log-file", type=click.Path(dir_okay=False), help="Log to this file instead of standard error.")
@click.option(
    "--log-level", type=click.Choice(list(LEVELS)), default="info", show_default=True, help="Log this level and above."
)
@click.option(
    "--run-dir", type=click.Path(file_okay=False), default=str(DEFAULT), show_default=True,
    help="The directory that holds one subdirectory per run.",
)  # fmt: skip
@click.option(
    "--shuffle", type=int, metavar="SEED",
    help="Derive start order and steal victims from SEED; exact with --workers 1.",
)  # fmt: skip
@click.option(
    "--replay", metavar="RUN", help="Start nodes in the order of an earlier run; exact with --workers 1.",
    shell_complete=completion.runs,
)  # fmt: skip
@click.option("--cpu-time", is_flag=True, help="Also measure the CPU time of each call; the remaining time is waiting.")
@click.option("--no-journal", is_flag=True, help="Do not store the results of completed nodes in the run's directory.")
@click.option("--fsync", is_flag=True, help="Sync each journal batch to disk.")
@click.option(
    "--resume", metavar="RUN", help="Resume a run: an id, a unique prefix, last or last~1.",
    shell_complete=completion.runs,
)  # fmt: skip
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Stop the run after SECONDS; the exit code is 4 then.",
)  # fmt: skip
@click.option(
    "--cache-dir", type=click.Path(file_okay=False), default=str(CACHE), show_default=True,
    help="The directory with the results of nodes with cache, and the records of files created by commands.",
)  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--force", is_flag=True, help="Rerun cached and up-to-date nodes, and store their results.")
@permission_options
@engine_options
@click.option("--require-nogil", is_flag=True, help="Fail instead of running with the GIL on.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="Write the outputs to this .json or .msgpack file."
)
@click.option("--json", is_flag=True, help="Print the summary, including outputs, as one JSON object.")
@click.option("--progress/--no-progress", default=True, help="Show the progress of the run.", show_default=True)
@click.option("-v", "--verbose", is_flag=True, help="Show the output of commands while they run, line by line.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.pass_context
def exec_command(ctx: click.Context, /, **options: Any) -> None:
    """Run GRAPH, or only the TARGETs and their dependencies.

    The results of the output nodes are written to standard output as JSON, the summary to standard error.
    """
    if options["dry_run"]:
        ctx.with_resource(_no_bytecode())
    graph = find_graph(options["graph_name"], options["format"])
    values = read_settings(graph, options["set"])
    permissions = read_permissions(options)
    output = options["output"]
    if output is not None and Path(output).suffix not in (".json", ".msgpack"):
        raise UsageError(f"--output needs a .json or .msgpack file, got {output}")
    run_options = _run_options(options, values, permissions)
    if options["dry_run"] or options["explain"]:
        _decide(graph, run_options, options)
    if options["dry_run"]:
        return
    logs = _logs(options)
    results = print_to_stderr()
    with show_progress(options, is_logged=_is_logged(options)) as live:
        observers = [*logs, *live.observers]
        result = run(graph, run_options, observers=observers, on_interrupt=live.on_interrupt)
    _report(result, options, results)
    if output is not None:
        _write_outputs(result, Path(output))
    if result.summary.signal:
        ctx.exit(128 + result.summary.signal)
    if result.summary.timed_out_s:
        ctx.exit(4)
    ctx.exit(0 if result.ok else 1)


def _run_options(options: dict[str, Any], values: dict[str, Any], permissions: Permissions) -> RunOptions:
    """Return the options of the run.

    Raises:
        UsageError: an option is out of its range, or two options exclude each other.

    """
    engine = read_engine(options)
    return RunOptions(
        targets=options["targets"],
        params=values,
        allow=permissions.allow,
        commands=permissions.commands,
        require_nogil=options["require_nogil"],
        workers=options["workers"] if engine is None else None,
        engine=engine,
        shuffle=options["shuffle"],
        replay=options["replay"] or "",
        stop_after=options["keep_going"],
        timeout=options["timeout"],
        run_dir=options["run_dir"],
        journal=not options["no_journal"],
        fsync=options["fsync"],
        resume=options["resume"] or "",
        cache_dir=None if options["no_cache"] else options["cache_dir"],
        force=options["force"],
        log_level=options["log_level"],
        cpu_time=options["cpu_time"],
    )


def _is_logged(options: dict[str, Any]) -> bool:
    """Return whether the log uses standard error."""
    return options["log_format"] is not None and options["log_file"] is None


def _logs(options: dict[str, Any]) -> list[Observer]:
    """Return the logs selected by the options."""
    log_format, path, level = options["log_format"], options["log_file"], options["log_level"]
    if path is not None:
        file = open_log(path)
        return [ConsoleLog(io.TextIOWrapper(file), level) if log_format == "console" else JsonLog(file, level)]
    if sys.stderr is None or log_format is None:  # it was closed before this process started
        return []
    if log_format == "json":
        return [JsonLog(sys.stderr.buffer, level)]
    return [ConsoleLog(sys.stderr, level, colors=can_use_colors(sys.stderr))]


def _report(result: RunResult, options: dict[str, Any], file: TextIO) -> None:
    commands = commands_of(Path(options["run_dir"]), result.summary.run)
    has_events_only = options["log_format"] == "json" and options["log_file"] is None
    contention = _contention(result, options) if options["json"] or not (options["quiet"] or has_events_only) else None
    if has_events_only:
        pass  # standard error contains JSON lines only; the events have all information
    elif options["quiet"]:
        for failure in result.failures:
            _write_error(failure_text(failure, commands) + "\n")
        if result.summary.timed_out_s:  # otherwise no message explains the exit code 4
            _write_error(f"taskrunner: timed out after {format_seconds(result.summary.timed_out_s)}\n")
    else:
        _write_error(summary_text(result, commands, contention))
    if options["json"]:
        details = {"contention": contention, "outputs": result.outputs, "failures": _failures(result)}
        _print_json({**msgspec.structs.asdict(result.summary), **details}, file)
    elif result.outputs and not options["quiet"]:
        _print_json(result.outputs, file)


def _contention(result: RunResult, options: dict[str, Any]) -> "Contention | None":
    """Return the comparison with an earlier run on one worker, or None without such a run."""
    runs = Path(options["run_dir"])
    base = baseline(runs, result.summary.run, is_thorough=False) if result.summary.workers > 1 else ""
    if not base:
        return None
    from taskrunner.analysis.contention import read_contention  # on demand: most runs do not need it

    return read_contention(runs, result.summary.run, base)


def _failures(result: RunResult) -> list[dict[str, Any]]:
    names = ("node", "attempt", "arguments", "allowed", "traceback", "path")
    return [{name: getattr(f, name) for name in names} | {"error": f.message} for f in result.failures]


def _print_json(value: Any, file: TextIO) -> None:
    """Print a value as JSON; an object that JSON cannot represent is printed as its repr."""
    click.echo(indent(to_json(value)), file=file)


def _write_outputs(result: RunResult, path: Path) -> None:
    is_json = path.suffix == ".json"
    encode = to_strict_json if is_json else msgspec.msgpack.encode
    combine = msgspec.json.encode if is_json else msgspec.msgpack.encode
    parts = {}
    for node, value in result.outputs.items():
        try:
            parts[node] = msgspec.Raw(encode(value))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise TaskrunnerError(f'cannot write the result of "{node}" to {path}: {error}') from None
    try:
        path.write_bytes(combine(parts) + (b"\n" if is_json else b""))
    except OSError as error:
        raise TaskrunnerError(f"cannot write {path}: {error.strerror}") from None


@contextlib.contextmanager
def _no_bytecode() -> Iterator[None]:
    """Let imports write no ``__pycache__``."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _decide(graph: Graph, run_options: RunOptions, options: dict[str, Any]) -> None:
    """Print the nodes that would run in a dry run, and with --explain the decision on each node."""
    if not options["dry_run"] and options["log_format"] == "json" and _is_logged(options):
        raise UsageError("--explain needs standard error, which is reserved for the log; add --log-file or --dry-run")
    from taskrunner.cli import decisions  # needed by few runs
    from taskrunner.session.dry_run import dry_run

    if options["dry_run"] and options["log_file"] is not None:
        check_log(options["log_file"])
    with printed_to_stderr():
        dry = dry_run(graph, run_options)
    if not options["dry_run"]:
        _write_error(decisions.explanations(dry))
    elif options["json"]:
        click.echo(decisions.to_json(dry))
    else:
        click.echo(decisions.explanations(dry) if options["explain"] else decisions.executions(dry), nl=False)


def _write_error(text: str) -> None:
    """Write to standard error; ignore a closed reader, because the results must still be written."""
    try:
        click.echo(text, err=True, nl=False)
    except ValueError:  # a node has closed the file object, but not its descriptor
        os.write(2, text.encode(errors="backslashreplace"))
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # discards the rest of the buffer, which would fail again at exit
