"""``taskrunner show``: the graph, drawn."""

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
    "form",
    type=click.Choice(list(drawing.FORMS)),
    default="text",
    show_default=True,
    help="How to draw it.",
)
@output_option
def show(graph_name: str, encoding: str | None, settings: tuple[str, ...], form: str, output: str | None) -> None:
    """Show GRAPH: its levels as text, or the whole as dot, mermaid or JSON."""
    graph = find_graph(graph_name, encoding)
    dag = graph.link(read_settings(graph, settings), complete=False)
    write(drawing.FORMS[form](dag).encode(), output)
