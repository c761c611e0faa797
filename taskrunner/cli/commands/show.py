"""``taskrunner show``: the graph, drawn."""

import sys
from typing import Any

import click

from taskrunner.analysis.graph_view import formats as drawing
from taskrunner.analysis.graph_view import text as levels
from taskrunner.analysis.graph_view.colors import painted
from taskrunner.analysis.graph_view.status import StatusIndex
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
  taskrunner show --run last                       what became of each node, and where the time went
  taskrunner show graph.json --focus report --depth 2
  taskrunner show workloads/tour.json --run last --format svg -o tour.svg
"""
# The text of a bigger graph has a line for each level, not for each node.
MOST_NODES = 200
_HINT = "each line is a level: --all shows each node, --focus NODE one with its neighbours\n"


@click.command(epilog=EXAMPLE, short_help="Draw GRAPH, or what became of it in a run.")
@click.argument("graph_name", metavar="[GRAPH]", required=False, shell_complete=completion.graphs)
@encoding_option("--from", "GRAPH")
@set_option
@click.option(
    "--run", metavar="RUN", shell_complete=completion.runs,
    help="Say what became of each node in a run: its id, a unique start of it, or last.",
)  # fmt: skip
@run_dir_option
@click.option("--focus", metavar="NODE", shell_complete=completion.nodes, help="Draw this node and what is near it.")
@click.option("--depth", type=click.IntRange(min=0), metavar="K", help="How many steps from NODE; default: 1.")
@click.option("--all", "whole", is_flag=True, help=f"Text: each node also where there are more than {MOST_NODES}.")
@click.option(
    "--format", type=click.Choice([*drawing.FORMS, "svg"]), default="text", show_default=True,
    help="How to draw it; svg needs graphviz.",
)  # fmt: skip
@output_option
def show(**options: Any) -> None:
    """Show GRAPH: its levels as text, or the whole as dot, mermaid, JSON or SVG.

    With --run, what became of each node in a run: its state, its time, the critical path. Without GRAPH
    it is then the graph as it was run.
    """
    recorded = find_recorded(options["run"], options) if options["run"] is not None else None
    dag = _dag(recorded, options)
    marks = StatusIndex(recorded) if recorded else None
    if marks:
        _compare(dag, marks)
    drawn = graph_view(dag, _kept(dag, options), marks)
    write(_draw(drawn, options), options["output"])


def _dag(recorded: RecordedRun | None, options: dict[str, Any]) -> Dag:
    """Return the graph that the command line names, or else that of the run."""
    if options["graph_name"] is not None:
        graph = find_graph(options["graph_name"], options["from"])
        return graph.link(read_settings(graph, options["set"]), complete=False)
    if recorded is None:
        raise UsageError("show needs a GRAPH, or --run RUN")
    if options["set"] or options["from"]:
        raise UsageError("--set and --from are for a GRAPH: that of a run is shown as it was run")
    if recorded.dag is None:
        raise TaskrunnerError(f"the graph that run {recorded.id} kept cannot be read: name the GRAPH as well")
    return recorded.dag


def _compare(dag: Dag, marks: StatusIndex) -> None:
    """Warn where the run is one of another graph."""
    known = sum(marks.knows(vertex.id) for vertex in dag.vertices)
    if known < len(dag.vertices):
        run, count = marks.run, len(dag.vertices)
        text = f'warning: run {run.id} of graph "{run.name}" knows {known:,} of these {count:,} nodes'
        click.echo(f"taskrunner: {printable(text)}", err=True)


def _kept(dag: Dag, options: dict[str, Any]) -> set[int] | None:
    """Return the indexes of the nodes near the one that is asked for; None: all."""
    if options["focus"] is not None:
        return neighborhood(dag, options["focus"], 1 if options["depth"] is None else options["depth"])
    if options["depth"] is not None:
        raise UsageError("--depth needs --focus NODE")
    return None


def _draw(drawn: GraphView, options: dict[str, Any]) -> bytes:
    form = options["format"]
    if form == "svg":
        from taskrunner.cli import graphviz  # with subprocess: no other form needs it

        graphviz.check_size(len(drawn.boxes), drawn.edges)
        return graphviz.svg(drawing.dot(drawn))
    if form != "text":
        return drawing.FORMS[form](drawn).encode()
    if len(drawn.boxes) > MOST_NODES and not options["whole"] and options["focus"] is None:
        return (levels.digest(drawn) + _HINT).encode()
    if options["output"] is None and can_use_colors(sys.stdout):
        return levels.text(drawn, painted).encode()
    return levels.text(drawn).encode()
