"""``taskrunner doctor``: is this interpreter fit to run nodes in parallel, and what would spoil that."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from taskrunner.cli.graph_options import encoding_option, find_graph, module_of
from taskrunner.cli.permission_options import permit_options, read_permit
from taskrunner.console.log import can_use_colors
from taskrunner.doctor.environment import interpreter
from taskrunner.doctor.examine import examine
from taskrunner.doctor.imports.graph_modules import GraphModule, graph_modules
from taskrunner.doctor.imports.probe import Prober
from taskrunner.doctor.imports.tester import Choices
from taskrunner.doctor.report import OK, Report
from taskrunner.doctor.text import report_text
from taskrunner.doctor.verdict import judge_sites
from taskrunner.errors import GraphError, UsageError
from taskrunner.nodes.resolve import import_paths
from taskrunner.safe.reprs import to_json
from taskrunner.storage.run_directory import CACHE

EXAMPLE = """\b
Examples:
  taskrunner doctor
  taskrunner doctor workloads/tour.json --strict     exit code 5 if its modules switch the GIL on
  taskrunner doctor --no-import --json | jq .verdict
"""


@click.command(epilog=EXAMPLE, short_help="Is the GIL off, and what would switch it on.")
@click.argument("graph_name", metavar="[GRAPH]", required=False)
@encoding_option("--format", "GRAPH")
@permit_options
@click.option("--address", metavar="URL", help="Look at the workers of this Dask cluster as well.")
@click.option("--strict", is_flag=True, help="Exit with 5 unless the GIL is off and is known to stay off.")
@click.option("--no-import", is_flag=True, help="Import nothing: only read what is installed.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True, max=86_400), default=30.0, show_default=True,
    metavar="SECONDS", help="How long the imports of one package may take, or of the graph, until one fails.",
)  # fmt: skip
@click.option(
    "--cache-dir", type=click.Path(file_okay=False), default=str(CACHE), show_default=True,
    help="Where it is remembered what imports did.",
)  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """Tell whether the GIL is off, and which installed modules, or modules of GRAPH, would switch it on.

    To find out, each installed package with extension modules is imported in a child process, and so are
    the modules that the nodes of GRAPH name. An import runs the module's code; --no-import does without.
    """
    report = _examine(options)
    if options["address"]:
        report = _with_cluster(report, options["address"])
    if options["json"]:
        click.echo(msgspec.json.format(to_json(report), indent=2).decode())
    else:
        click.echo(report_text(report, colors=can_use_colors(sys.stdout)), nl=False)
    ctx.exit(5 if options["strict"] and report.verdict.status != OK else 0)


def _examine(options: dict[str, Any]) -> Report:
    now = interpreter.look()  # before the graph is loaded, which may import something
    cache_dir = None if options["no_cache"] else Path(options["cache_dir"])
    choices = Choices(tuple(sys.path), (), not options["no_import"], options["timeout"], cache_dir)
    name = options["graph_name"]
    if name is None:
        return examine(now, "", None, choices)
    named, source = _named(name, options, choices)
    with import_paths(source):
        choices = msgspec.structs.replace(choices, graph_path=tuple(sys.path))
    return examine(now, name, named, choices)


def _with_cluster(report: Report, address: str) -> Report:
    """Return a report with the workers of a cluster, which the verdict is about then."""
    from taskrunner.engines.dask.engine import DaskEngine  # only this needs it
    from taskrunner.engines.engine import RunSetup

    engine = DaskEngine(address)
    try:
        calls = [f"{module.module}:__name__" for module in report.modules]
        sites = tuple(engine.start(RunSetup("doctor", calls), lambda _: None))
    finally:
        engine.close()
    return msgspec.structs.replace(report, cluster=address, sites=sites, verdict=judge_sites(sites))


def _named(name: str, options: dict[str, Any], choices: Choices) -> tuple[list[GraphModule], str]:
    """Return the modules that a graph names, if it may name them, and where it was read from.

    Raises:
        GraphError: it is bad, or names what is not allowed.
        UsageError: it is built in Python, and that cannot be done here.

    """
    permit = read_permit(options)
    module = module_of(name)
    if module:
        _try_first(module, choices)
    graph = find_graph(name, options["format"])
    dag = graph.link(complete=False)
    try:
        permit.check(dag, graph.functions)
    except GraphError as error:
        raise graph.error(error) from None
    itself = [GraphModule(module, "", 0)] if module else []
    return [*itself, *graph_modules(dag, graph.functions)], graph.source


def _try_first(module: str, choices: Choices) -> None:
    """Import the module of a graph that is built in Python in a child process: here it may crash or hang."""
    if not choices.imports:
        raise UsageError(f"the graph is built by {module}, which --no-import leaves out: name a file")
    with import_paths(""):
        path = tuple(sys.path)
    (tried,) = Prober(choices.seconds).try_in_order([module], path, Path.cwd())
    if not tried.is_whole:
        raise UsageError(f'importing "{module}" in a process of its own: {tried.problem}')
