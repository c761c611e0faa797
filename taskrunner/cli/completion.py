"""Shell completion of graphs, nodes, runs and parameters.

A completer reads files and imports no user code. On any error it offers nothing and prints nothing: a message would
appear in the middle of the line that the user types.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from taskrunner.graph import codec
from taskrunner.safe.secrets import looks_secret
from taskrunner.storage.run_directory import DEFAULT, find_run, run_ids

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# A shell pastes an offered name into the line. A name is offered only if no shell splits or expands it: an id such as
# `$(rm x)` would run as a command. A name must not begin an option either.
_SAFE_NAME = re.compile(r"[\w./@%+,:=][\w./@%+,:=-]*")
_MAX_OFFERS = 1_000  # with more names, their common prefixes are offered
_SUFFIXES = tuple(f".{encoding}" for encoding in codec.FORMATS)
_MAX_DEPTH = 20  # a directory may contain a link to itself

type Offers = list["CompletionItem[str]"]
type Completer = Callable[[click.Context, click.Parameter, str], Offers]


class _Id(msgspec.Struct):
    id: str


class _Nodes(msgspec.Struct):
    """A graph file, reduced to the ids of its nodes."""

    nodes: list[_Id]


class _Params(msgspec.Struct):
    params: dict[str, Any] = {}


def _silent(complete: Completer) -> Completer:
    @functools.wraps(complete)
    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> Offers:
        try:
            return complete(ctx, param, incomplete)
        except Exception:  # noqa: BLE001  see the module's docstring
            return []

    return offer


@_silent
def graphs(_: click.Context, __: click.Parameter, incomplete: str) -> Offers:
    """Offer graph files and directories."""
    return _offers(_paths(incomplete), incomplete)


@_silent
def nodes(ctx: click.Context, _: click.Parameter, incomplete: str) -> Offers:
    """Offer the nodes of the graph on the line, or else of the run."""
    return _offers([node.id for node in _decode(ctx, _Nodes).nodes], incomplete)


@_silent
def settings(ctx: click.Context, _: click.Parameter, incomplete: str) -> Offers:
    """Offer each parameter of the graph as ``name=``, and with its default: a shell adds no space after two offers."""
    names = []
    for name, default in _decode(ctx, _Params).params.items():
        names.append(f"{name}=")
        if default is not None and not looks_secret(name):
            names.append(f"{name}={default if isinstance(default, str) else msgspec.json.encode(default).decode()}")
    return _offers(names, incomplete)


@_silent
def runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> Offers:
    """Offer the runs, the newest first, each with its graph and its state, and ``last``."""
    run_dir = _run_dir(ctx.params)
    ids = run_ids(run_dir)[::-1]
    offers = _offers([*(["last"] if ids else []), *ids], incomplete)
    ids_by_name = {"last": ids[0] if ids else "", **{run_id: run_id for run_id in ids}}
    for item in offers:
        if item.value in ids_by_name:
            item.help = _describe_run(run_dir / ids_by_name[item.value])
    return offers


def _describe_run(directory: Path) -> str:
    from taskrunner.safe.printable import printable
    from taskrunner.storage.history import past_run

    run = past_run(directory)
    return printable(", ".join(filter(None, (run.graph, run.state))))


def _offers(names: Iterable[str], incomplete: str) -> Offers:
    from click.shell_completion import CompletionItem  # only needed when a shell completes

    matching = [name for name in dict.fromkeys(names) if name.startswith(incomplete) and _SAFE_NAME.fullmatch(name)]
    return [CompletionItem(name) for name in _shorten(matching)]


def _shorten(names: Sequence[str]) -> Sequence[str]:
    """Return the names, or their longest prefixes of equal length if there are more than ``_MAX_OFFERS`` names.

    Omitting names instead would be wrong: the shell would complete the common prefix of the remaining ones.
    """
    if len(names) <= _MAX_OFFERS:
        return names
    length = len(os.path.commonprefix((min(names), max(names)))) + 1  # noqa: RUF071  of characters, not of paths
    while len({name[: length + 1] for name in names}) <= _MAX_OFFERS:
        length += 1
    return sorted({name[:length] for name in names})


def _paths(start: str) -> list[str]:
    """Return the graph files and directories whose paths begin with ``start``.

    A directory that is the only match is opened, because the shell would end the word behind it.
    """
    paths = _entries(start)
    for _ in range(_MAX_DEPTH):
        if len(paths) != 1 or not paths[0].endswith("/"):
            break
        paths = _entries(paths[0]) or paths
    return paths


def _entries(start: str) -> list[str]:
    head, name = start[: start.rfind("/") + 1], start[start.rfind("/") + 1 :]
    with os.scandir(head or ".") as entries:
        matching = [entry for entry in entries if entry.name.startswith(name) and (name or entry.name[0] != ".")]
        directories = [f"{head}{entry.name}/" for entry in matching if entry.is_dir()]
        files = [head + entry.name for entry in matching if entry.name.endswith(_SUFFIXES) and entry.is_file()]
    return sorted([*directories, *files])


def _decode[T](ctx: click.Context, kind: type[T]) -> T:
    """Decode the fields of ``kind`` from the graph on the line, or else from that of the run."""
    params = ctx.params
    # If an option has no value yet, click leaves the arguments before it in ``ctx.args``.
    name = params.get("graph_name") or next(iter(ctx.args), None)
    if name is None:
        run_dir = _run_dir(params)
        path, encoding = run_dir / find_run(run_dir, params["run"]) / "graph.json", "json"
    else:
        path, encoding = Path(name), params["from"] if "from" in params else params["format"]
        encoding = encoding or codec.format_of(name)
    decoders: dict[str, Callable[..., T]] = {
        "json": msgspec.json.decode,
        "msgpack": msgspec.msgpack.decode,
        "toml": msgspec.toml.decode,
    }
    return decoders[encoding](path.read_bytes(), type=kind)


def _run_dir(params: Mapping[str, Any]) -> Path:
    return Path(params.get("run_dir") or DEFAULT)
