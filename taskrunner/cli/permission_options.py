"""The options that limit what a graph may name, and what the project in the working directory says of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from taskrunner.errors import UsageError
from taskrunner.nodes.permissions import Permissions

PROJECT = Path("pyproject.toml")


class _Settings(msgspec.Struct, forbid_unknown_fields=True):
    """The table ``[tool.taskrunner]``."""

    allow: tuple[str, ...] | None = None


class _Tools(msgspec.Struct):
    taskrunner: _Settings = msgspec.field(default_factory=_Settings)


class _Project(msgspec.Struct):
    tool: _Tools = msgspec.field(default_factory=_Tools)


def permit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --allow and --no-commands."""
    function = click.option("--no-commands", is_flag=True, help="Refuse a graph that runs commands.")(function)
    return click.option(
        "--allow", metavar="PATTERN", multiple=True,
        help="Refuse a graph with a call whose package.module:name matches no such pattern.",
    )(function)  # fmt: skip


def read_permit(options: dict[str, Any]) -> Permissions:
    """Return what the options and the project in the working directory permit.

    Raises:
        UsageError: the project's file cannot be read, or says what has no meaning.

    """
    return Permissions((*options["allow"], *(_project().allow or ())), not options["no_commands"])


def _project() -> _Settings:
    try:
        data = PROJECT.read_bytes()
    except FileNotFoundError:
        return _Settings()
    except OSError as error:
        raise UsageError(f"cannot read {PROJECT}: {error.strerror}") from None
    if b"taskrunner" not in data:  # most projects: nothing is imported to read it
        return _Settings()
    try:
        settings = msgspec.toml.decode(data, type=_Project).tool.taskrunner
    except (ValueError, RecursionError) as error:  # msgspec's errors and those of Unicode are ValueErrors
        raise UsageError(f"{PROJECT}: {error}") from None
    if settings.allow == ():
        raise UsageError(f"{PROJECT}: allow is empty: name what may be called, or leave it out to allow anything")
    return settings
