"""``taskrunner doctor``: a check that this interpreter runs nodes in parallel, without the GIL."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from taskrunner.cli.graph_options import encoding_option, find_graph, module_of
from taskrunner.cli.permission_options import permission_options, read_permissions
from taskrunner.console.log import can_use_colors
from taskrunner.doctor.environment import interpreter
from taskrunner.doctor.examine import examine
from taskrunner.doctor.imports.graph_modules import GraphModule, graph_modules
from taskrunner.doctor.imports.probe import Prober
from taskrunner.doctor.imports.tester import Choices
from taskrunner.doctor.report import OK, Report
from taskrunner.doctor.text import report_text
from taskrunner.doctor.verdict import judge_workers
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


@click.command(epilog=EXAMPLE, short_help="Check whether the GIL is off and stays off.")
@click.argument("graph_name", metavar="[GRAPH]", required=False)
@encoding_option("--format", "GRAPH")
@permission_options
@click.option("--address", metavar="URL", help="Also check the workers of this Dask cluster.")
@click.option("--strict", is_flag=True, help="Exit with 5 unless the GIL is off and certain to stay off.")
@click.option("--no-import", is_flag=True, help="Import nothing; only read the metadata of installed packages.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True, max=86_400), default=30.0, show_default=True,
    metavar="SECONDS", help="Time limit for the imports of one package, and for those of GRAPH up to the next failure.",
)  # fmt: skip
@click.option(
    "--cache-dir", type=click.Path(file_okay=False), default=str(CACHE), show_default=True,
    help="The directory that caches the outcomes of imports.",
)  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """Check whether the GIL is off, and which installed modules, or modules of GRAPH, would switch it on.

    The command imports each installed package with extension modules, and each module named by a node of
    GRAPH, in a child process. An import runs the module's code; --no-import skips all imports.
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
    current = interpreter.describe()  # before the graph is loaded, which may import modules
    cache_dir = None if options["no_cache"] else Path(options["cache_dir"])
    choices = Choices(tuple(sys.path), (), not options["no_import"], options["timeout"], cache_dir)
    name = options["graph_name"]
    if name is None:
        return examine(current, "", None, choices)
    modules, source = _graph_modules(name, options, choices)
    with import_paths(source):
        choices = msgspec.structs.replace(choices, graph_path=tuple(sys.path))
    return examine(current, name, modules, choices)


def _with_cluster(report: Report, address: str) -> Report:
    """Return the report with the workers of a cluster, and with the verdict on them."""
    from taskrunner.engines.dask.engine import DaskEngine  # only needed with --address
    from taskrunner.engines.engine import RunSetup

    engine = DaskEngine(address)
    try:
        calls = [f"{module.module}:__name__" for module in report.modules]
        workers = tuple(engine.start(RunSetup("doctor", calls), lambda _: None))
    finally:
        engine.close()
    return msgspec.structs.replace(report, cluster=address, sites=workers, verdict=judge_workers(workers))


def _graph_modules(name: str, options: dict[str, Any], choices: Choices) -> tuple[list[GraphModule], str]:
    """Return the modules that a graph names, and the source of the graph.

    Raises:
        GraphError: the graph is invalid, or names a call that is not allowed.
        UsageError: the graph is built in Python, and its module cannot be imported.

    """
    permissions = read_permissions(options)
    module = module_of(name)
    if module:
        _test_import(module, choices)
    graph = find_graph(name, options["format"])
    dag = graph.link(complete=False)
    try:
        permissions.check(dag, graph.functions)
    except GraphError as error:
        raise graph.error(error) from None
    own_module = [GraphModule(module, "", 0)] if module else []
    return [*own_module, *graph_modules(dag, graph.functions)], graph.source


def _test_import(module: str, choices: Choices) -> None:
    """Import the module that builds the graph in a child process first: in this process it might crash or hang."""
    if not choices.imports:
        raise UsageError(f"the graph is built by {module}, which --no-import does not import: pass a file")
    with import_paths(""):
        path = tuple(sys.path)
    (outcome,) = Prober(choices.timeout_s).probe_in_order([module], path, Path.cwd())
    if not outcome.is_whole:
        raise UsageError(f'importing "{module}" in a child process: {outcome.problem}')
