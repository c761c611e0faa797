"""Overview of a run in words and figures: its summary, notices for the reader, and its environment."""

import datetime as dt
from collections.abc import Mapping

from taskrunner.analysis.attempts import ALLOWED
from taskrunner.analysis.formatting import format_count, format_cpu_times, format_seconds
from taskrunner.analysis.html.page import html_text
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.totals import STATES, Totals
from taskrunner.storage.history import RUNNING, UNFINISHED
from taskrunner.system.gil import culprit_suffix

_MAX_SLOWEST = 5
_STATE_LABELS = {ALLOWED: "failed, which is allowed"}


def summary_html(run: RecordedRun, totals: Totals) -> str:
    """Return the figures of the run."""
    states = [
        f"{totals.states[state]:,} {_STATE_LABELS.get(state, state)}"
        for state in reversed(STATES)
        if totals.states.get(state)
    ]
    states += [f"{format_count(totals.retried, 'attempt')} retried"] if totals.retried else []
    length, path = run.critical_path
    share = f" ({length / totals.wall_s:.0%} of the wall time)" if totals.wall_s else ""
    slowest = sorted(run.spent, key=lambda node: -run.spent[node])[:_MAX_SLOWEST]
    busy = " ".join([f"{each:.0%}" for each in totals.busy])
    return facts(
        {
            "nodes": html_text(", ".join(states)),
            "wall time": format_seconds(totals.wall_s),
            "work": (
                f"{format_seconds(totals.work_s)} in calls and commands:"
                f" parallelism {totals.parallelism:.2f} on average"
            ),
            "cpu": html_text(format_cpu_times(totals.cpu)) if totals.cpu is not None else "",
            "workers": f"{len(totals.busy)}, busy {busy}, {format_count(totals.steals, 'steal')}",
            "critical path": f"{format_seconds(length)}{share}, {format_count(len(path), 'node')}" if path else "",
            "slowest": ", ".join([f"{name_html(node)} {format_seconds(run.spent[node])}" for node in slowest]),
            "memory": f"{run.done.peak_memory_bytes / 2**20:.0f} MiB at most" if run.done else "",
            "run": name_html(run.id),
        }
    )


def notices_html(run: RecordedRun) -> str:
    """Return the notices that a reader needs before the figures."""
    notices = []
    if run.state == UNFINISHED:
        notices.append("This run was killed: the page shows only its recorded events.")
    if run.state == RUNNING:
        notices.append("This run is still running: the page shows the events recorded so far.")
    if len(run.parts) > 1:
        at = ", ".join([format_seconds(part) for part in run.parts[1:]])
        notices.append(f"This run was resumed, at {at}: its parts are shown end to end, without the time between them.")
    if run.dag is None:
        notices.append("The graph of this run cannot be read: there is no drawing and no critical path.")
    if not run.attempts and (run.dag is None or run.dag.vertices):
        notices.append("No node has ended.")
    if run.has_gil:
        notices.append(f"The GIL was on{culprit_suffix(run.gil_module, run.gil_node)}: Python calls ran one at a time.")
    return "".join([f'<p class="notice">{html_text(notice)}</p>' for notice in [*notices, *run.warnings]])


def environment_html(run: RecordedRun) -> str:
    """Return the environment of the run: Python, platform and versions."""
    start = run.start
    starts = [f"{dt.datetime.fromtimestamp(each.at, dt.UTC):%Y-%m-%d %H:%M:%S} UTC" for each in run.starts]
    return facts(
        {
            "python": html_text(start.python),
            "build": "free-threaded" if start.free_threaded else "with the GIL",
            "GIL": html_text(f"on{culprit_suffix(run.gil_module, run.gil_node)}" if run.has_gil else "off"),
            "platform": html_text(start.platform),
            "processors": str(start.processors or ""),
            "started": ", resumed ".join(starts),
            "versions": html_text(", ".join([f"{name} {version}" for name, version in sorted(start.versions.items())])),
        }
    )


def facts(pairs: Mapping[str, str]) -> str:
    """Return a definition list of names and HTML values, without empty values."""
    items = [f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs.items() if value]
    return f'<dl class="facts">{"".join(items)}</dl>'


def name_html(name: str) -> str:
    """Return a name as HTML for use within a sentence."""
    return f'<span class="id">{html_text(name)}</span>'
