"""``taskrunner convert``: between encodings, and from recorded workflows."""

from pathlib import Path

import click

from taskrunner.cli.graphs import encoding_option, find_graph, write
from taskrunner.errors import UsageError
from taskrunner.graph import codec, wfformat
from taskrunner.graph.spec import GraphFile

EXAMPLE = """\b
Examples:
  taskrunner convert graph.toml graph.json
  taskrunner convert montage.json graph.json --scale 0.001     a recorded WfFormat 1.5 workflow
"""


@click.command(epilog=EXAMPLE, short_help="Convert a graph, or a recorded workflow.")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@encoding_option("--from", "IN")
@click.option("--to", type=click.Choice(codec.FORMATS), help="The encoding of OUT, where its name does not tell.")
@click.option(
    "--scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
    help="Of a recorded workflow: seconds to spend for each second recorded.",
)  # fmt: skip
def convert(source: str, target: str, encoding: str | None, to: str | None, scale: float) -> None:
    """Convert the graph IN to the encoding that OUT is named after; - is standard output.

    IN may also be a workflow recorded in WfCommons WfFormat 1.5: each of its tasks becomes a node
    that spends the recorded seconds, scaled, in CPU work.
    """
    if to is None and target == "-":
        raise UsageError("--to must name the encoding for standard output")
    to = to or codec.format_of(target)
    file = _recorded(source, scale) or find_graph(source, encoding).portable_file()
    write(codec.encode(file, to), None if target == "-" else target)


def _recorded(source: str, scale: float) -> GraphFile | None:
    """Return the graph of a recorded workflow; None if ``source`` is no such file."""
    path = Path(source)
    if path.suffix != ".json" or not path.is_file():
        return None
    data = path.read_bytes()
    return wfformat.convert(data, scale, source) if wfformat.is_wfformat(data) else None
