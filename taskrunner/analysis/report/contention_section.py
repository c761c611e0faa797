"""Contention as a section of a page: the functions that have grown, beside the run with one worker."""

from taskrunner.analysis.contention import GROWTH, Contention
from taskrunner.analysis.formatting import format_count
from taskrunner.analysis.html.table import Column, Table, table_place, time_column
from taskrunner.analysis.report.overview import name_html
from taskrunner.safe.printable import printable


def contention_html(contention: Contention) -> str:
    """Return what was compared, and the place of the table if there is one."""
    compared = f"Compared with run {name_html(contention.run)}, which had 1 worker"
    judged = format_count(contention.judged, "function")
    if not contention.functions:
        return f"<p>{compared}: none of {judged} took longer beyond chance.</p>"
    gil = '<p class="note">The GIL was on: calls wait for it, whatever else they share.</p>' if contention.gil else ""
    return f"<p>{compared}: of {judged} these took longer.</p>{gil}{table_place('contention')}"


def contention_table(contention: Contention) -> Table:
    """Return a row for each function that has grown; a column in which nothing stands is left out."""
    found = contention.functions
    columns = [
        Column("function", "text", [printable(each.call) for each in found]),
        Column("nodes", "number", [each.nodes for each in found]),
        Column("grown", "number", [each.grown for each in found]),
        time_column("1 worker", [each.base_s for each in found]),
        time_column(f"{contention.workers} workers", [each.ran_s for each in found]),
        Column("ratio", "ratio", [each.ratio for each in found]),
        Column("waiting", "share", [each.waiting for each in found]),
    ]
    told = [column for column in columns if any(value is not None for value in column.values)]
    caption = f"Grown: nodes that took {GROWTH:g} times their time with 1 worker or more"
    if any(each.waiting is not None for each in found):
        caption += ". Waiting: the share of the time on top that was no CPU time; the rest was work"
    return Table(caption, told)
