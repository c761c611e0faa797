"""Contention section of the report: functions that were slower than in the run with one worker."""

from taskrunner.analysis.contention import GROWTH, Contention
from taskrunner.analysis.formatting import format_count
from taskrunner.analysis.html.table import Column, Table, table_container, time_column
from taskrunner.analysis.report.overview import name_html
from taskrunner.safe.printable import printable


def contention_html(contention: Contention) -> str:
    """Return the result of the comparison, and the container of the table if any function was slower."""
    compared = f"Compared with run {name_html(contention.run)}, which had 1 worker"
    judged = format_count(contention.judged, "function")
    if not contention.functions:
        return f"<p>{compared}: none of {judged} was slower beyond chance.</p>"
    gil = (
        '<p class="notice">The GIL was on: calls wait for it, in addition to other shared resources.</p>'
        if contention.gil
        else ""
    )
    return f"<p>{compared}: of {judged}, these were slower.</p>{gil}{table_container('contention')}"


def contention_table(contention: Contention) -> Table:
    """Return a row for each slower function, without empty columns."""
    functions = contention.functions
    columns = [
        Column("function", "text", [printable(each.call) for each in functions]),
        Column("nodes", "number", [each.nodes for each in functions]),
        Column("slowed", "number", [each.grown for each in functions]),
        time_column("1 worker", [each.base_s for each in functions]),
        time_column(f"{contention.workers} workers", [each.ran_s for each in functions]),
        Column("ratio", "ratio", [each.ratio for each in functions]),
        Column("waiting", "share", [each.waiting for each in functions]),
    ]
    filled = [column for column in columns if any(value is not None for value in column.values)]
    caption = f"Slowed: nodes that took at least {GROWTH:g} times as long as with 1 worker"
    if any(each.waiting is not None for each in functions):
        caption += ". Waiting: the share of the additional time that was not CPU time"
    return Table(caption, filled)
