"""``taskrunner show``: the graph, drawn."""

from typing import Any

import click

from taskrunner.cli.graphs import encoding_option, find_graph, output_option, read_settings, set_option, write
from taskrunner.observe import drawing

EXAMPLE = """\b
Examples:
  taskrunner show workloads/tour.json
  taskrunner show workloads/tour.json --format dot | dot -Tsvg -o tour.svg
"""


@click.command(epilog=EXAMPLE, short_help="Draw GRAPH: text, dot, mermaid, JSON.")
@click.argument("graph_name", metavar="GRAPH")
@encoding_option("--from", "GRAPH")
@set_option
@click.option(
    "--format",
    type=click.Choice(list(drawing.FORMS)),
    default="text",
    show_default=True,
    help="How to draw it.",
)
@output_option
def show(graph_name: str, **options: Any) -> None:
    """Show GRAPH: its levels as text, or the whole as dot, mermaid or JSON."""
    graph = find_graph(graph_name, options["from"])
    dag = graph.link(read_settings(graph, options["set"]), complete=False)
    write(drawing.FORMS[options["format"]](dag).encode(), options["output"])
