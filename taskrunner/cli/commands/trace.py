"""``taskrunner trace``: a run for trace viewers."""

from collections.abc import Iterator
from typing import Any

import click

from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.trace.chrome import chrome_trace
from taskrunner.cli.graph_options import output_option, write_all
from taskrunner.cli.history_options import find_recorded, run_argument
from taskrunner.errors import UsageError
from taskrunner.safe.printable import printable
from taskrunner.storage.history import RUNNING

EXAMPLE = """\b
Examples:
  taskrunner trace last -o trace.json     open it at https://ui.perfetto.dev or https://speedscope.app
  taskrunner trace last --otel --endpoint http://localhost:4318
"""


@click.command(epilog=EXAMPLE, short_help="A run for Perfetto, speedscope or OpenTelemetry.")
@run_argument
@output_option
@click.option("--otel", is_flag=True, help="Send the run as OpenTelemetry spans; needs taskrunner[otel].")
@click.option(
    "--endpoint", metavar="URL",
    help="Where to send them, by OTLP over HTTP; default: as OTEL_EXPORTER_OTLP_ENDPOINT says.",
)  # fmt: skip
def trace(run_name: str, **options: Any) -> None:
    """Write RUN as a Chrome trace (JSON), or send it to an OpenTelemetry collector.

    RUN is the id of a run, a unique start of one, or: last.
    """
    if options["otel"] and options["output"]:
        raise UsageError("--otel sends the run: there is nothing to write to --output")
    if options["endpoint"] and not options["otel"]:
        raise UsageError("--endpoint goes with --otel")
    run = find_recorded(run_name, options)
    for lack in _lacks(run):
        click.echo(printable(f"run {run.id}: {lack}"), err=True)
    if not options["otel"]:
        write_all(chrome_trace(run), options["output"])
        return
    # with opentelemetry, which is an extra and takes a third of a second
    from taskrunner.analysis.trace import otel

    sent = otel.send(run, options["endpoint"])
    click.echo(printable(f"sent {sent.spans} spans to {sent.url}, trace {sent.trace}"))


def _lacks(run: RecordedRun) -> Iterator[str]:
    """Say what a trace of this run cannot show, and why."""
    if run.dag is None:
        yield "its graph cannot be read, so there are no arrows and no critical path"
    if run.done is None:
        goes_on = "it goes on: this is what has ended so far"
        yield goes_on if run.state == RUNNING else "it has no end: what ran when it was killed is missing"
    if not run.attempts:
        yield "none of its nodes has run to an end"
