"""Node tables of the report: all nodes of the run, and the nodes of the critical path."""

from collections.abc import Sequence

from taskrunner.analysis.attempts import Attempt, is_offloaded
from taskrunner.analysis.formatting import first_line
from taskrunner.analysis.html.table import Column, Table, time_column, words_column
from taskrunner.analysis.recorded_run import RecordedRun, kind_of
from taskrunner.analysis.report.groups import Groups
from taskrunner.analysis.totals import node_state
from taskrunner.events.types import NodeSkipped
from taskrunner.safe.printable import printable

_MAX_ERROR_CHARS = 120
_SKIPPED = {
    "when": "its condition was not met",
    "stopped": "the run was stopped",
    "needs": "a dependency failed or was skipped",
}


def node_table(run: RecordedRun, nodes: Sequence[str], kind: str, groups: Sequence[str]) -> Table:
    """Return a row for each node, without uninformative columns.

    ``groups``: the group of each node; ``kind``: the name of the group column.
    """
    last = [run.last.get(node) for node in nodes]
    attempts = {node: len(each) for node, each in run.by_node.items()}
    queued = {node: sum([attempt.queued_s for attempt in each]) for node, each in run.by_node.items()}
    spent = {node: sum(measured) for node, each in run.by_node.items() if (measured := _cpu_times(each))}
    path = set(run.critical_path[1])
    columns = [
        Column("node", "text", [printable(node) for node in nodes]),
        words_column("state", [node_state(run, node) for node in nodes]),
        words_column(kind, groups),
        words_column("where", [_where(run, attempt) for attempt in last]),
        time_column("started", [None if attempt is None else attempt.started for attempt in last]),
        time_column("queued", [queued.get(node) for node in nodes]),
        time_column("ran", [run.spent.get(node) for node in nodes]),
        time_column("cpu", [spent.get(node) for node in nodes]),
        Column("attempts", "number", [attempts.get(node) for node in nodes]),
        words_column("path", ["critical" if node in path else "" for node in nodes]),
        words_column("reason", [_reason(run, node) for node in nodes]),
    ]
    informative = [column for column in columns if _is_informative(column)]
    sums = "Queued, ran and cpu" if spent else "Queued and ran"
    return Table(f"{sums} are sums over all attempts of a node", informative, pick=True)


def _cpu_times(attempts: Sequence[Attempt]) -> list[float]:
    """Return the measured CPU times."""
    return [attempt.cpu_s for attempt in attempts if attempt.cpu_s is not None]


def _is_informative(column: Column) -> bool:
    """Return whether a column has a value other than its default."""
    if column.name == "attempts":
        return any(value not in (None, 1) for value in column.values)
    if column.name == "cpu":
        return any(value is not None for value in column.values)
    return column.kind != "word" or any(column.words)


def path_table(run: RecordedRun) -> Table:
    """Return a row for each node of the critical path, with its wait since the end of the previous node."""
    nodes = run.critical_path[1]
    attempts = [run.last.get(node) for node in nodes]
    ended = [0.0, *[0.0 if attempt is None else attempt.ended for attempt in attempts]]
    waited = [
        None if attempt is None else max(0.0, attempt.started - end)
        for attempt, end in zip(attempts, ended, strict=False)
    ]
    columns = [
        Column("node", "text", [printable(node) for node in nodes]),
        time_column("waited", waited),
        time_column("ran", [run.spent[node] for node in nodes]),
        Column("share", "share", [run.spent[node] / run.wall_s if run.wall_s else 0.0 for node in nodes]),
    ]
    return Table("Waited: since the previous node ended. Share: of the wall time", columns, pick=True)


def group_names(run: RecordedRun, nodes: Sequence[str], groups: Groups | None) -> list[str]:
    """Return the group of each node, "" for a node that is not in the graph."""
    if groups is None or run.dag is None:
        return [""] * len(nodes)
    names = [*map(printable, groups.names), ""]  # the last one is for the index -1
    children = {attempt.node: attempt.vertex for attempt in run.attempts if attempt.child >= 0}
    index = run.dag.index
    return [names[index.get(node, children.get(node, -1))] for node in nodes]


def _where(run: RecordedRun, attempt: Attempt | None) -> str:
    if attempt is None:
        return ""
    if is_offloaded(attempt):
        return kind_of(run, attempt)
    return f"worker {attempt.worker}" + (", stolen" if attempt.event.stolen else "")


def _reason(run: RecordedRun, node: str) -> str:
    """Return the reason why a node failed or did not run."""
    if node in run.skipped:
        return printable(_skip_reason(run.skipped[node]))
    attempt = run.last.get(node)
    if attempt is None or attempt.failure is None:
        return ""
    return printable(first_line(attempt.failure.error))[:_MAX_ERROR_CHARS]


def _skip_reason(event: NodeSkipped) -> str:
    reason = _SKIPPED.get(event.reason, event.reason)
    return f"{reason}: {event.because}" if event.because else reason
