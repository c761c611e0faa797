"""The ``taskrunner`` command: its subcommands, and the mapping of errors to exit codes."""

import errno
import os
import sys
from typing import Any, TextIO

import click

from taskrunner.cli.standard_output import reserve_standard_output
from taskrunner.errors import GraphError, TaskrunnerError
from taskrunner.safe.printable import printable

EXIT_CODES = """\b
Exit codes:
  0    success
  1    a node failed, or stress found a difference
  2    invalid use of the command line
  3    the graph file is invalid
  4    the run timed out
  5    the GIL is on under --require-nogil, or not ok under doctor --strict
  130  interrupted (143 by SIGTERM, 129 by a closed terminal)
"""

# name -> module and attribute: a subcommand is imported when it is used.
COMMANDS = {
    "exec": "taskrunner.cli.commands.exec:exec_command",
    "check": "taskrunner.cli.commands.check:check",
    "show": "taskrunner.cli.commands.show:show",
    "runs": "taskrunner.cli.commands.runs:runs",
    "report": "taskrunner.cli.commands.report:report",
    "trace": "taskrunner.cli.commands.trace:trace",
    "simulate": "taskrunner.cli.commands.simulate:simulate_command",
    "stress": "taskrunner.cli.commands.stress:stress_command",
    "compare": "taskrunner.cli.commands.compare:compare_command",
    "convert": "taskrunner.cli.commands.convert:convert",
    "schema": "taskrunner.cli.commands.schema:schema",
    "cache": "taskrunner.cli.commands.cache:cache",
    "doctor": "taskrunner.cli.commands.doctor:doctor",
}

# Errors of an output, mostly standard output, that accepts no more data. The error of a file has a file name.
_OUTPUT_ERRORS = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class LazyGroup(click.Group):
    """A group that imports each subcommand on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names in the order in which a user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name].partition(":")
        module = __import__(module_name, fromlist=[attribute])
        command: click.Command = getattr(module, attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; print taskrunner's own errors as one message and exit with their exit code."""
        try:
            return super().invoke(ctx)
        except TaskrunnerError as error:
            # The message of a GraphError begins with its location, like a compiler's.
            click.echo(
                str(error) if isinstance(error, GraphError) else f"taskrunner: {printable(str(error))}", err=True
            )
            ctx.exit(error.exit_code)
        except MemoryError:
            click.echo("taskrunner: out of memory", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:  # before the run started, or after its end
            ctx.exit(130)


@click.group(
    cls=LazyGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TASKRUNNER"},
)
@click.version_option(package_name="taskrunner")
def cli() -> None:
    """Run task graphs on a work-stealing thread pool, in one process.

    A graph is a file (.json, .msgpack, .toml), - for standard input, or module:attribute
    for a taskrunner.Graph built in Python.
    """


def main() -> None:
    """Run the command line, or complete one if a shell requests it."""
    if "_TASKRUNNER_COMPLETE" in os.environ:
        from taskrunner.cli import bash_completion as bash  # only needed when a shell completes

        bash.register()
    results = reserve_standard_output()
    try:
        try:
            cli(prog_name="taskrunner")
        finally:
            results.flush()  # reports a failed write in this function, not in the interpreter's shutdown
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise
        _discard(results)
        if error.errno != errno.EPIPE:
            click.echo(f"taskrunner: cannot write the output: {error.strerror}", err=True)
        sys.exit(1)


def _discard(results: TextIO) -> None:
    """Redirect a file to the null device: the rest of its buffer would fail again, at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), results.fileno())
