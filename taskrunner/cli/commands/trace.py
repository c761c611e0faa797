"""``taskrunner trace``: export of a run to trace viewers."""

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


@click.command(epilog=EXAMPLE, short_help="Export RUN to Perfetto, speedscope or OpenTelemetry.")
@run_argument
@output_option
@click.option("--otel", is_flag=True, help="Send the run as OpenTelemetry spans; needs taskrunner[otel].")
@click.option(
    "--endpoint", metavar="URL",
    help="The collector, by OTLP over HTTP; default: OTEL_EXPORTER_OTLP_ENDPOINT.",
)  # fmt: skip
def trace(run_name: str, **options: Any) -> None:
    """Write RUN as a Chrome trace (JSON), or send it to an OpenTelemetry collector.

    RUN is an id, a unique prefix, last or last~1.
    """
    if options["otel"] and options["output"]:
        raise UsageError("--otel sends the run and writes no --output")
    if options["endpoint"] and not options["otel"]:
        raise UsageError("--endpoint requires --otel")
    run = find_recorded(run_name, options)
    for gap in _gaps(run):
        click.echo(printable(f"run {run.id}: {gap}"), err=True)
    if not options["otel"]:
        write_all(chrome_trace(run), options["output"])
        return
    # Imports opentelemetry, an extra that takes a third of a second.
    from taskrunner.analysis.trace import otel

    sent = otel.send(run, options["endpoint"])
    click.echo(printable(f"sent {sent.spans} spans to {sent.url}, trace {sent.trace}"))


def _gaps(run: RecordedRun) -> Iterator[str]:
    """Yield the gaps in the trace of this run, each with its reason."""
    if run.dag is None:
        yield "cannot read its graph, so the trace has no arrows and no critical path"
    if run.done is None:
        running = "still running: the trace contains completed attempts only"
        yield running if run.state == RUNNING else "it was killed: attempts running at that time are missing"
    if not run.attempts:
        yield "no attempt has completed"
