"""``taskrunner check``: all checks of a graph that need no run."""

from typing import Any

import click

from taskrunner.cli.graph_options import find_graph, graph_argument, read_settings, set_option
from taskrunner.cli.permission_options import permission_options, read_permissions
from taskrunner.errors import GraphError
from taskrunner.nodes.resolve import import_paths, resolve_all
from taskrunner.safe.printable import printable

EXAMPLE = """\b
Example:
  taskrunner check workloads/tour.json
"""


@click.command(epilog=EXAMPLE, short_help="Check GRAPH without running it.")
@graph_argument
@set_option
@permission_options
def check(graph_name: str, **options: Any) -> None:
    """Check GRAPH without running it.

    Checked are the schema, ids, cycles, references and parameters, and that the callables can be imported and accept
    their arguments.
    """
    permissions = read_permissions(options)
    graph = find_graph(graph_name, options["format"])
    dag = graph.link(read_settings(graph, options["set"]), complete=False)
    with import_paths(graph.source):
        try:
            permissions.check(dag, graph.functions)
            resolve_all(dag, graph.functions)
        except GraphError as error:
            raise graph.error(error) from None
    levels = max(dag.depths(), default=-1) + 1
    click.echo(f"{printable(graph_name)}: ok, {len(dag.vertices)} nodes, {dag.edges} edges, {levels} levels")
