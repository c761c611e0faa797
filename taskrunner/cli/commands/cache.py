"""``taskrunner cache``: how much is cached, and less of it."""

from pathlib import Path
from typing import Any

import click
import msgspec

from taskrunner.cli.graph_options import Decorator
from taskrunner.errors import TaskrunnerError, UsageError
from taskrunner.reuse.cache import Cache, Entry
from taskrunner.storage.run_directory import CACHE

EXAMPLE = """\b
Examples:
  taskrunner cache --json
  taskrunner cache prune --older-than 30
  taskrunner cache prune --max-size 500     keep 500 MB of what was used last
"""
_DAY = 86_400
_MEGABYTE = 1_000_000


def _common_options(function: Any) -> Any:
    """Give a command --cache-dir and --json."""
    folder: Decorator = click.option(
        "--cache-dir", type=click.Path(file_okay=False), default=str(CACHE), show_default=True, help="The cache."
    )
    as_json: Decorator = click.option("--json", is_flag=True, help="Print one JSON object.")
    return folder(as_json(function))


@click.group(epilog=EXAMPLE, invoke_without_command=True, short_help="How much is cached; prune it.")
@_common_options
@click.pass_context
def cache(ctx: click.Context, /, **options: Any) -> None:
    """Print how many entries the cache has and how large they are."""
    if ctx.invoked_subcommand is None:
        _print(Cache(Path(options["cache_dir"])).entries(), "in", options)


@cache.command(epilog=EXAMPLE, short_help="Remove what was not used for long.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="What was not used for so long.")
@click.option("--max-size", type=click.FloatRange(min=0), metavar="MB", help="The oldest, until no more is left.")
@_common_options
def prune(**options: Any) -> None:
    """Remove the entries that were not used for so many DAYS, and the least recently used beyond so many MB."""
    days, size = options["older_than"], options["max_size"]
    if days is None and size is None:
        raise UsageError("cache prune needs --older-than or --max-size")
    seconds = None if days is None else days * _DAY
    max_bytes = None if size is None else int(size * _MEGABYTE)
    try:
        removed = Cache(Path(options["cache_dir"])).prune(older_than=seconds, max_bytes=max_bytes)
    except OSError as error:
        raise TaskrunnerError(f"cannot remove {error.filename}: {error.strerror}") from None
    _print(removed, "removed from", options)


def _print(entries: list[Entry], where: str, options: dict[str, Any]) -> None:
    folder, size = options["cache_dir"], sum(entry.size for entry in entries)
    if options["json"]:
        click.echo(msgspec.json.encode({"cache_dir": folder, "entries": len(entries), "bytes": size}).decode())
    else:
        click.echo(f"{len(entries)} entries, {size / _MEGABYTE:.1f} MB {where} {folder}")
