"""``taskrunner schema``: the JSON Schema of a graph file."""

import click
import msgspec

from taskrunner.cli.graph_options import output_option, write
from taskrunner.graph.spec import json_schema

EXAMPLE = """\b
Example:
  taskrunner schema -o taskrunner.schema.json
  then, in a graph file:  "$schema": "taskrunner.schema.json"
"""


@click.command(epilog=EXAMPLE, short_help="Print the JSON Schema of a graph file.")
@output_option
def schema(output: str | None) -> None:
    """Print the JSON Schema of a graph file, for validation in an editor."""
    write(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2) + b"\n", output)
