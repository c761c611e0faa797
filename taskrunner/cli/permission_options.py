"""Options that limit the calls and commands of a graph, and the same settings in the project's ``pyproject.toml``."""

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


def permission_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --allow and --no-commands to a command."""
    function = click.option("--no-commands", is_flag=True, help="Refuse a graph that runs commands.")(function)
    return click.option(
        "--allow", metavar="PATTERN", multiple=True,
        help="Refuse a graph with a call whose package.module:name matches no such pattern.",
    )(function)  # fmt: skip


def read_permissions(options: dict[str, Any]) -> Permissions:
    """Return the permissions from the options and from the project in the working directory.

    Raises:
        UsageError: the project's file cannot be read, or a setting is invalid.

    """
    return Permissions((*options["allow"], *(_project().allow or ())), not options["no_commands"])


def _project() -> _Settings:
    try:
        data = PROJECT.read_bytes()
    except FileNotFoundError:
        return _Settings()
    except OSError as error:
        raise UsageError(f"cannot read {PROJECT}: {error.strerror}") from None
    if b"taskrunner" not in data:  # the file of most projects: skip the import of the TOML parser
        return _Settings()
    try:
        settings = msgspec.toml.decode(data, type=_Project).tool.taskrunner
    except (ValueError, RecursionError) as error:  # msgspec's errors and those of Unicode are ValueErrors
        raise UsageError(f"{PROJECT}: {error}") from None
    if settings.allow == ():
        raise UsageError(f"{PROJECT}: allow is empty: list the allowed calls, or remove the key to allow all calls")
    return settings
