"""The ``taskrunner`` command: its subcommands, and how an error becomes an exit code."""

import os
import sys
from typing import Any

import click

from taskrunner.errors import GraphError, TaskrunnerError
from taskrunner.safe.printable import printable

EXIT_CODES = """\b
Exit codes:
  0    all well
  1    a node failed
  2    wrong use of the command line
  3    the graph file is bad
  4    the run timed out
  5    the GIL is on under --require-nogil, or not ok under doctor --strict
  130  interrupted (143 by SIGTERM)
"""

# name -> module and attribute: a subcommand is imported when it is used.
COMMANDS = {
    "exec": "taskrunner.cli.exec:exec_command",
    "check": "taskrunner.cli.check:check",
    "show": "taskrunner.cli.show:show",
    "runs": "taskrunner.cli.runs:runs",
    "report": "taskrunner.cli.report:report",
    "trace": "taskrunner.cli.trace:trace",
    "simulate": "taskrunner.cli.simulate:simulate_command",
    "compare": "taskrunner.cli.compare:compare_command",
    "convert": "taskrunner.cli.convert:convert",
    "schema": "taskrunner.cli.schema:schema",
    "cache": "taskrunner.cli.cache:cache",
    "doctor": "taskrunner.cli.doctor:doctor",
}


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
        except BrokenPipeError:
            # The reader has gone, as head does. Nothing may be written to it at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
        from taskrunner.cli import bash  # only a shell that completes needs it

        bash.register()
    cli(prog_name="taskrunner")
