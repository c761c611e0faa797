"""``taskrunner stress``: a graph run under many schedules, with a comparison of the results."""

import shlex
from typing import Any

import click
import msgspec

from taskrunner.cli import completion
from taskrunner.cli.graph_options import find_graph, graph_argument, read_settings, set_option
from taskrunner.cli.history_options import run_dir_option
from taskrunner.cli.permission_options import permission_options, read_permissions
from taskrunner.cli.standard_output import print_to_stderr
from taskrunner.safe.reprs import to_json
from taskrunner.session.options import RunOptions
from taskrunner.storage.run_directory import DEFAULT
from taskrunner.stress.report import UNSTEADY, StressReport
from taskrunner.stress.search import StressOptions, search
from taskrunner.stress.text import stress_text

EXAMPLE = """\b
Examples:
  taskrunner stress workloads/racy.json
  taskrunner stress graph.json --runs 1000 --workers 4 --ignore timestamp
  taskrunner stress graph.json --track --json
"""


@click.command("stress", epilog=EXAMPLE, short_help="Run GRAPH under many schedules, and compare the results.")
@graph_argument
@set_option
@click.option(
    "-n", "--runs", type=click.IntRange(min=1), default=100, show_default=True, help="The number of schedules."
)
@click.option(
    "-w", "--workers", type=click.IntRange(min=1), default=2, show_default=True,
    help="Threads of the runs with overlapping nodes; with 1, only the order changes.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed of the first schedule."
)
@click.option(
    "--ignore", metavar="NODE", multiple=True, help="Ignore the results of this node.",
    shell_complete=completion.nodes,
)  # fmt: skip
@click.option("--track", is_flag=True, help="Also warn of nodes that modify an input of an unordered node.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop each run after SECONDS."
)
@permission_options
@run_dir_option
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def stress_command(ctx: click.Context, /, **options: Any) -> None:
    """Run GRAPH under many schedules, and compare each node's result with the baseline run.

    Runs with an even seed use one worker and shuffle its order. In runs with an odd seed, two nodes overlap and take
    turns between bytecode instructions. The exit code is 1 if a result differs.
    """
    graph = find_graph(options["graph_name"], options["format"])
    permissions = read_permissions(options)
    stress_options = StressOptions(
        run=RunOptions(
            params=read_settings(graph, options["set"]),
            workers=options["workers"],
            timeout=options["timeout"],
            allow=permissions.allow,
            commands=permissions.commands,
            run_dir=options["run_dir"],
        ),
        seeds=options["runs"],
        first_seed=options["seed"],
        ignore=options["ignore"],
        track=options["track"],
    )
    results = print_to_stderr()
    report = search(graph, stress_options)
    command = shlex.join(_replay(report, options))
    if options["json"]:
        fields = {**msgspec.structs.asdict(report), "replay": command}
        click.echo(msgspec.json.format(to_json(fields), indent=2), file=results)
    else:
        click.echo(stress_text(report, command), file=results, nl=False)
    ctx.exit(1 if report.finding else 0)


def _replay(report: StressReport, options: dict[str, Any]) -> list[str]:
    """Return the command that reproduces the finding; empty without a finding, or if any run may show it."""
    finding = report.finding
    if finding is None or finding.kind == UNSTEADY:
        return []
    settings = [word for setting in options["set"] for word in ("--set", setting)]
    settings += ["--format", options["format"]] if options["format"] else []
    if finding.run:
        settings += ["--run-dir", options["run_dir"]] if options["run_dir"] != str(DEFAULT) else []
        words = ["exec", options["graph_name"], "--workers", "1", "--replay", finding.run]
    else:
        settings += [word for node in options["ignore"] for word in ("--ignore", node)]
        words = ["stress", options["graph_name"], "--workers", str(report.workers), "--seed", str(finding.seed)]
        words += ["--runs", "1"]
    return ["taskrunner", *words, *settings]
