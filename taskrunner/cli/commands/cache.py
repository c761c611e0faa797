"""``taskrunner cache``: the size of the cache, and its pruning."""

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
  taskrunner cache prune --max-size 500     keep the 500 MB used most recently
"""
_DAY_S = 86_400
_MEGABYTE = 1_000_000


def _common_options(function: Any) -> Any:
    """Add --cache-dir and --json to a command."""
    cache_dir: Decorator = click.option(
        "--cache-dir", type=click.Path(file_okay=False), default=str(CACHE), show_default=True, help="The cache."
    )
    as_json: Decorator = click.option("--json", is_flag=True, help="Print one JSON object.")
    return cache_dir(as_json(function))


@click.group(epilog=EXAMPLE, invoke_without_command=True, short_help="Print the size of the cache, or prune it.")
@_common_options
@click.pass_context
def cache(ctx: click.Context, /, **options: Any) -> None:
    """Print the number of entries in the cache and their total size."""
    if ctx.invoked_subcommand is None:
        _print(Cache(Path(options["cache_dir"])).entries(), "in", options)


@cache.command(epilog=EXAMPLE, short_help="Remove old entries.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Remove entries unused for DAYS.")
@click.option(
    "--max-size", type=click.FloatRange(min=0), metavar="MB",
    help="Remove the least recently used entries until at most MB are left.",
)  # fmt: skip
@_common_options
def prune(**options: Any) -> None:
    """Remove the entries unused for DAYS, and the least recently used ones until at most MB are left."""
    days, size = options["older_than"], options["max_size"]
    if days is None and size is None:
        raise UsageError("cache prune needs --older-than or --max-size")
    seconds = None if days is None else days * _DAY_S
    max_bytes = None if size is None else int(size * _MEGABYTE)
    try:
        removed = Cache(Path(options["cache_dir"])).prune(older_than=seconds, max_bytes=max_bytes)
    except OSError as error:
        raise TaskrunnerError(f"cannot remove {error.filename}: {error.strerror}") from None
    _print(removed, "removed from", options)


def _print(entries: list[Entry], preposition: str, options: dict[str, Any]) -> None:
    cache_dir, size = options["cache_dir"], sum(entry.size for entry in entries)
    if options["json"]:
        click.echo(msgspec.json.encode({"cache_dir": cache_dir, "entries": len(entries), "bytes": size}).decode())
    else:
        click.echo(f"{len(entries)} entries, {size / _MEGABYTE:.1f} MB {preposition} {cache_dir}")
