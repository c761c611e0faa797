"""The ``taskrunner`` command: its subcommands, and how an error becomes an exit code."""

import errno
import os
import sys
from typing import Any

import click

from taskrunner.errors import GraphError, TaskrunnerError
from taskrunner.safe.printable import printable

EXIT_CODES = """\b
Exit codes:
  0    all well
  1    a node failed, or stress found a difference
  2    wrong use of the command line
  3    the graph file is bad
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

# The errors of an output, standard output above all, that takes no more. One of a file has the file's name.
_NOT_WRITTEN = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class LazyGroup(click.Group):
    """A group that imports a subcommand only when it is asked for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's form
        """Return the names in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's form
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name].partition(":")
        module = __import__(module_name, fromlist=[attribute])
        command: click.Command = getattr(module, attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; an error of taskrunner's own is told in words and by its exit code."""
        try:
            return super().invoke(ctx)
        except TaskrunnerError as error:
            # A graph's errors begin with their place, as those of compilers do.
            click.echo(
                str(error) if isinstance(error, GraphError) else f"taskrunner: {printable(str(error))}", err=True
            )
            ctx.exit(error.exit_code)
        except MemoryError:
            click.echo("taskrunner: there is not enough memory", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:  # before a run began, or after it had ended
            ctx.exit(130)
        except BrokenPipeError:  # the reader has gone, as head does
            _drop_output()
            ctx.exit(1)


@click.group(
    cls=LazyGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TASKRUNNER"},
)
@click.version_option(package_name="taskrunner")
def cli() -> None:
    """Run task graphs on a work-stealing pool of threads, in one process.

    A graph is a file (.json, .msgpack, .toml), - for standard input, or module:attribute
    for a taskrunner.Graph built in Python.
    """


def main() -> None:
    """Run the command line; or complete one, if a shell asks for that."""
    if "_TASKRUNNER_COMPLETE" in os.environ:
        from taskrunner.cli import bash_completion as bash  # only a shell that completes needs it

        bash.register()
    if sys.stdout is None:  # it was closed before we were started
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  open as long as we run
    try:
        try:
            cli(prog_name="taskrunner")
        finally:
            sys.stdout.flush()  # what cannot be written is told here, and not by the interpreter at its end
    except OSError as error:
        if error.errno not in _NOT_WRITTEN or error.filename is not None:
            raise
        _drop_output()
        if error.errno != errno.EPIPE:
            click.echo(f"taskrunner: cannot write the output: {error.strerror}", err=True)
        sys.exit(1)


def _drop_output() -> None:
    """Have nothing written any more, not at exit either: what is left in the buffer would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
