"""``taskrunner show``: a drawing of the graph."""

import sys
from typing import Any

import click

from taskrunner.analysis.graph_view.colors import apply_color
from taskrunner.analysis.graph_view.formats import FORMATS, to_dot
from taskrunner.analysis.graph_view.status import StatusIndex
from taskrunner.analysis.graph_view.text import format_levels, format_nodes
from taskrunner.analysis.graph_view.view import GraphView, graph_view, neighborhood
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.cli import completion
from taskrunner.cli.graph_options import encoding_option, find_graph, output_option, read_settings, set_option, write
from taskrunner.cli.history_options import find_recorded, run_dir_option
from taskrunner.console.log import can_use_colors
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.graph.dag import Dag
from taskrunner.safe.printable import printable

EXAMPLE = """\b
Examples:
  taskrunner show workloads/tour.json
  taskrunner show --run last                       the status and time of each node
  taskrunner show graph.json --focus report --depth 2
  taskrunner show workloads/tour.json --run last --format svg -o tour.svg
"""
MAX_NODES = 200  # the text of a larger graph has one line per level, not per node
_HINT = "each line is a level: --all shows each node, --focus NODE one node with its neighbors\n"


@click.command(epilog=EXAMPLE, short_help="Draw GRAPH, or the status of its nodes in a run.")
@click.argument("graph_name", metavar="[GRAPH]", required=False, shell_complete=completion.graphs)
@encoding_option("--from", "GRAPH")
@set_option
@click.option(
    "--run", metavar="RUN", shell_complete=completion.runs,
    help="Show the status of each node in a run: an id, a unique prefix, last or last~1.",
)  # fmt: skip
@run_dir_option
@click.option("--focus", metavar="NODE", shell_complete=completion.nodes, help="Draw this node and its neighborhood.")
@click.option(
    "--depth", type=click.IntRange(min=0), metavar="K", help="Draw nodes at most K steps from NODE; default: 1."
)
@click.option("--all", "whole", is_flag=True, help=f"Text: show each node of a graph with more than {MAX_NODES}, too.")
@click.option(
    "--format", type=click.Choice([*FORMATS, "svg"]), default="text", show_default=True,
    help="The output format; svg needs graphviz.",
)  # fmt: skip
@output_option
def show(**options: Any) -> None:
    """Show the levels of GRAPH as text, or the whole graph as dot, mermaid, JSON or SVG.

    With --run, also show the state and time of each node in a run, and the critical path. GRAPH defaults to
    the graph of that run.
    """
    recorded = find_recorded(options["run"], options) if options["run"] is not None else None
    dag = _dag(recorded, options)
    statuses = StatusIndex(recorded) if recorded else None
    if statuses:
        _warn_of_other_graph(dag, statuses)
    view = graph_view(dag, _selected_nodes(dag, options), statuses)
    write(_draw(view, options), options["output"])


def _dag(recorded: RecordedRun | None, options: dict[str, Any]) -> Dag:
    """Return the graph named on the command line, or else the graph of the run."""
    if options["graph_name"] is not None:
        graph = find_graph(options["graph_name"], options["from"])
        return graph.link(read_settings(graph, options["set"]), complete=False)
    if recorded is None:
        raise UsageError("show needs a GRAPH, or --run RUN")
    if options["set"] or options["from"]:
        raise UsageError("--set and --from need a GRAPH: the graph of a run is shown with the parameters of the run")
    if recorded.dag is None:
        raise TaskrunnerError(f"cannot read the graph stored by run {recorded.id}: pass the GRAPH as well")
    return recorded.dag


def _warn_of_other_graph(dag: Dag, statuses: StatusIndex) -> None:
    """Print a warning if the run executed another graph."""
    known = sum(statuses.contains(vertex.id) for vertex in dag.vertices)
    if known < len(dag.vertices):
        run, count = statuses.run, len(dag.vertices)
        text = f'warning: run {run.id} of graph "{run.name}" has {known:,} of these {count:,} nodes'
        click.echo(f"taskrunner: {printable(text)}", err=True)


def _selected_nodes(dag: Dag, options: dict[str, Any]) -> set[int] | None:
    """Return the indexes of the nodes near the focus, or None for all nodes."""
    if options["focus"] is not None:
        return neighborhood(dag, options["focus"], 1 if options["depth"] is None else options["depth"])
    if options["depth"] is not None:
        raise UsageError("--depth needs --focus NODE")
    return None


def _draw(view: GraphView, options: dict[str, Any]) -> bytes:
    output_format = options["format"]
    if output_format == "svg":
        from taskrunner.cli import graphviz  # imports subprocess, which no other format needs

        graphviz.check_size(len(view.boxes), view.edges)
        return graphviz.svg(to_dot(view))
    if output_format != "text":
        return FORMATS[output_format](view).encode()
    if len(view.boxes) > MAX_NODES and not options["whole"] and options["focus"] is None:
        return (format_levels(view) + _HINT).encode()
    if options["output"] is None and can_use_colors(sys.stdout):
        return format_nodes(view, apply_color).encode()
    return format_nodes(view).encode()
