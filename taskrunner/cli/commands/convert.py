"""``taskrunner convert``: conversion between encodings, and from recorded workflows."""

from pathlib import Path
from typing import Any

import click

from taskrunner.cli import completion
from taskrunner.cli.graph_options import encoding_option, find_graph, write
from taskrunner.errors import UsageError
from taskrunner.graph import codec, wfformat

EXAMPLE = """\b
Examples:
  taskrunner convert graph.toml graph.json
  taskrunner convert montage.json graph.json --scale 0.001     a recorded WfFormat 1.5 workflow
"""


@click.command(epilog=EXAMPLE, short_help="Convert a graph, or a recorded workflow.")
@click.argument("source", metavar="IN", shell_complete=completion.graphs)
@click.argument("target", metavar="OUT")
@encoding_option("--from", "IN")
@encoding_option("--to", "OUT")
@click.option(
    "--scale", type=click.FloatRange(min=0, min_open=True),
    help="Seconds to spend per recorded second of a recorded workflow; default: 1.",
)  # fmt: skip
def convert(source: str, target: str, **options: Any) -> None:
    """Convert the graph IN to the encoding named by the suffix of OUT; - is standard output.

    IN may also be a workflow recorded in WfCommons WfFormat 1.5: each of its tasks becomes a node
    that spends the recorded seconds, scaled, in CPU work.
    """
    if options["to"] is None and target == "-":
        raise UsageError("--to must name the encoding for standard output")
    to = options["to"] or codec.format_of(target)
    data = _recorded_workflow(source)
    if data is not None:
        file = wfformat.convert(data, options["scale"] or 1.0, source)
    elif options["scale"] is not None:
        raise UsageError(f"--scale requires a recorded workflow, and {source} is not one")
    else:
        file = find_graph(source, options["from"]).portable_file()
    write(codec.encode(file, to), None if target == "-" else target)


def _recorded_workflow(source: str) -> bytes | None:
    """Return the bytes of a recorded workflow, or None if ``source`` is not such a file."""
    path = Path(source)
    if path.suffix != ".json" or not path.is_file():
        return None
    data = path.read_bytes()
    return data if wfformat.is_wfformat(data) else None
