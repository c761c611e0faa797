"""What a shell may offer where a command line wants a graph, a node, a run or a parameter.

A completer reads files and imports nothing of a user's. Whatever goes wrong, it offers nothing and says nothing: an
error would land in the middle of a line that is being typed.
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

type Offers = list["CompletionItem[str]"]
type Completer = Callable[[click.Context, click.Parameter, str], Offers]

# A shell pastes what it is offered into the line. Only names that no shell takes apart are offered: an id such as
# `$(rm x)` would be a command there. It may not begin an option either.
_PLAIN = re.compile(r"[\w./@%+,:=][\w./@%+,:=-]*")
# Of more names than these the beginnings that they share are offered.
_MOST = 1_000
_SUFFIXES = tuple(f".{encoding}" for encoding in codec.FORMATS)
# A folder may lead to itself.
_DEEPEST = 20


class _Id(msgspec.Struct):
    id: str


class _Nodes(msgspec.Struct):
    """A graph file of which nothing is looked at but the ids."""

    nodes: list[_Id]


class _Params(msgspec.Struct):
    params: dict[str, Any] = {}


def _silent(complete: Completer) -> Completer:
    @functools.wraps(complete)
    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> Offers:
        try:
            return complete(ctx, param, incomplete)
        except Exception:  # noqa: BLE001  see above
            return []

    return offer


@_silent
def graphs(_: click.Context, __: click.Parameter, incomplete: str) -> Offers:
    """Offer graph files and folders."""
    return _offers(_paths(incomplete), incomplete)


@_silent
def nodes(ctx: click.Context, _: click.Parameter, incomplete: str) -> Offers:
    """Offer the nodes of the graph that stands on the line, or else of the run."""
    return _offers([node.id for node in _decode(ctx, _Nodes).nodes], incomplete)


@_silent
def settings(ctx: click.Context, _: click.Parameter, incomplete: str) -> Offers:
    """Offer each parameter of the graph as ``name=``, and with its default: a shell adds no space after two."""
    offered = []
    for name, default in _decode(ctx, _Params).params.items():
        offered.append(f"{name}=")
        if default is not None and not looks_secret(name):
            offered.append(f"{name}={default if isinstance(default, str) else msgspec.json.encode(default).decode()}")
    return _offers(offered, incomplete)


@_silent
def runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> Offers:
    """Offer the runs, the newest first, each with its graph and its state, and ``last``."""
    folder = _run_dir(ctx.params)
    ids = run_ids(folder)[::-1]
    offers = _offers([*(["last"] if ids else []), *ids], incomplete)
    known = {"last": ids[0] if ids else "", **{run_id: run_id for run_id in ids}}
    for item in offers:
        if item.value in known:
            item.help = _told(folder / known[item.value])
    return offers


def _told(folder: Path) -> str:
    from taskrunner.safe.printable import printable
    from taskrunner.storage.history import past_run

    run = past_run(folder)
    return printable(", ".join(filter(None, (run.graph, run.state))))


def _offers(names: Iterable[str], incomplete: str) -> Offers:
    from click.shell_completion import CompletionItem  # only a shell that completes needs it

    fitting = [name for name in dict.fromkeys(names) if name.startswith(incomplete) and _PLAIN.fullmatch(name)]
    return [CompletionItem(name) for name in _shared(fitting)]


def _shared(names: Sequence[str]) -> Sequence[str]:
    """Return the names; of too many the beginnings, as long as they may be without being too many themselves.

    To leave some out instead would make the shell complete what only the others have in common.
    """
    if len(names) <= _MOST:
        return names
    length = len(os.path.commonprefix((min(names), max(names)))) + 1  # noqa: RUF071  characters are meant
    while len({name[: length + 1] for name in names}) <= _MOST:
        length += 1
    return sorted({name[:length] for name in names})


def _paths(start: str) -> list[str]:
    """Return the graph files and folders whose paths begin so.

    A folder that is the only one is opened: the shell would end the word behind it.
    """
    found = _entries(start)
    for _ in range(_DEEPEST):
        if len(found) != 1 or not found[0].endswith("/"):
            break
        found = _entries(found[0]) or found
    return found


def _entries(start: str) -> list[str]:
    head, name = start[: start.rfind("/") + 1], start[start.rfind("/") + 1 :]
    with os.scandir(head or ".") as entries:
        fitting = [entry for entry in entries if entry.name.startswith(name) and (name or entry.name[0] != ".")]
        folders = [f"{head}{entry.name}/" for entry in fitting if entry.is_dir()]
        files = [head + entry.name for entry in fitting if entry.name.endswith(_SUFFIXES) and entry.is_file()]
    return sorted([*folders, *files])


def _decode[T](ctx: click.Context, kind: type[T]) -> T:
    """Decode what is asked for of the graph that stands on the line, or else of the run."""
    params = ctx.params
    # Where an option still has no value, click leaves the arguments before it where they are.
    name = params.get("graph_name") or next(iter(ctx.args), None)
    if name is None:
        folder = _run_dir(params)
        path, encoding = folder / find_run(folder, params["run"]) / "graph.json", "json"
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
