"""Options and arguments shared by several commands, and the lookup of a graph by name."""

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from taskrunner.cli import completion
from taskrunner.errors import UsageError
from taskrunner.graph import codec, params
from taskrunner.graph.graph import Graph, load
from taskrunner.nodes.resolve import import_paths, resolve_attribute

_ATTRIBUTE = re.compile(r"[\w.]+:[\w.]+")

type Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def encoding_option(flag: str, file: str) -> Decorator:
    """Return a decorator that adds an option for the encoding of a file to a command."""
    text = f"The encoding of {file}; default: by its file name."
    return click.option(flag, type=click.Choice(codec.FORMATS), help=text)


def graph_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the GRAPH argument and its --format to a command."""
    function = encoding_option("--format", "GRAPH")(function)
    return click.argument("graph_name", metavar="GRAPH", shell_complete=completion.graphs)(function)


def set_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --set to a command."""
    return click.option(
        "--set", metavar="NAME=VALUE", multiple=True, help="Set a parameter of the graph.",
        callback=_add_environment, shell_complete=completion.settings,
    )(function)  # fmt: skip


def _add_environment(ctx: click.Context, option: click.Parameter, settings: tuple[str, ...]) -> tuple[str, ...]:
    """Put the settings of the environment variable before those of the command line, which therefore override them."""
    if ctx.get_parameter_source("set") is not ParameterSource.COMMANDLINE:
        return settings
    return (*(option.value_from_envvar(ctx) or ()), *settings)


def output_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add -o to a command."""
    text = "Write to this file instead of standard output."
    return click.option("-o", "--output", type=click.Path(dir_okay=False), help=text)(function)


def find_graph(name: str, encoding: str | None) -> Graph:
    """Return the graph named on the command line.

    Raises:
        GraphError: the graph is invalid.
        UsageError: the graph does not exist.

    """
    if not module_of(name):
        return load(name, encoding=encoding or "")
    with import_paths(""):
        graph = resolve_attribute(name)
    if not isinstance(graph, Graph):
        raise UsageError(f"{name}: expected a taskrunner.Graph, got {type(graph).__name__}")
    return graph


def module_of(name: str) -> str:
    """Return the module of a graph built in Python, or "" if ``name`` is the name of a file."""
    is_file = name == "-" or Path(name).exists() or not _ATTRIBUTE.fullmatch(name)
    return "" if is_file else name.partition(":")[0]


def read_settings(graph: Graph, settings: Iterable[str]) -> dict[str, Any]:
    """Return the parameters set with --set."""
    return dict(params.parse_setting(graph.head, text) for text in settings)


def write(data: bytes, output: str | None) -> None:
    """Write to a file, or to standard output.

    Raises:
        UsageError: the file cannot be written.

    """
    write_all([data], output)


def write_all(parts: Iterable[bytes], output: str | None) -> None:
    """Write parts as they are generated; otherwise like ``write``.

    Raises:
        UsageError: the file cannot be written.

    """
    if output is None:
        sys.stdout.buffer.writelines(parts)
        return
    try:
        with Path(output).open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
