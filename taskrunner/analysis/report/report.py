"""Report of a recorded run as one page: its summary, failures, timeline, graph and nodes."""

from collections.abc import Mapping, Sequence

from taskrunner.analysis.attempts import ASYNC, COMMAND, OFFLOADED, WORKER
from taskrunner.analysis.contention import Contention
from taskrunner.analysis.formatting import format_count
from taskrunner.analysis.html.page import page
from taskrunner.analysis.html.table import table_container
from taskrunner.analysis.lanes import Lane, lanes_of
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.report.chart import steps_chart
from taskrunner.analysis.report.contention_section import contention_html, contention_table
from taskrunner.analysis.report.failures import failures_html
from taskrunner.analysis.report.graph_svg import picture_of, svg
from taskrunner.analysis.report.groups import Groups, groups_of
from taskrunner.analysis.report.node_table import group_names, node_table, path_table
from taskrunner.analysis.report.overview import environment_html, notices_html, summary_html
from taskrunner.analysis.report.profile import profile_of
from taskrunner.analysis.report.timeline import timeline_of
from taskrunner.analysis.totals import nodes_of, totals_of

MAX_LANES = 100  # of each kind

_KINDS = {WORKER: "calls", COMMAND: "commands", ASYNC: "async nodes", OFFLOADED: "on the event loop"}
_WAITING = (_KINDS[ASYNC], _KINDS[OFFLOADED])


def report(run: RecordedRun, contention: Contention | None = None) -> str:
    """Return the page of a run, with its contention relative to an earlier run. Equal events give equal pages."""
    lanes, nodes = lanes_of(run, max_lanes=MAX_LANES), nodes_of(run)
    groups = groups_of(run.dag) if run.dag is not None else None
    rows = {node: row for row, node in enumerate(nodes)}
    sections = {
        "summary": ("", summary_html(run, totals_of(run)) + notices_html(run)),
        "failures": ("Failures", failures_html(run)),
        "timeline": ("Timeline", '<div id="lanes"></div>' if run.attempts else ""),
        "parallelism": ("Parallelism", _parallelism(run, lanes)),
        "contention": ("Contention", contention_html(contention) if contention is not None else ""),
        "graph": ("Graph", _graph(run, groups, rows)),
        "path": ("Critical path", table_container("path") if run.critical_path[1] else ""),
        "nodes": ("Nodes", table_container("nodes") if nodes else "<p>The graph has no nodes.</p>"),
        "environment": ("Environment", environment_html(run)),
    }
    kind, names = groups.kind if groups else "group", group_names(run, nodes, groups)
    tables = {"nodes": node_table(run, nodes, kind, names), "path": path_table(run)}
    if contention is not None and contention.functions:
        tables["contention"] = contention_table(contention)
    data = {"tables": tables, "timeline": timeline_of(run, lanes, rows, kind, names)}
    title = f"{run.name or 'taskrunner'}: {run.state}"
    return page(title, _body(sections), data, ["report.css", "timeline.js", "report.js"])


def _body(sections: Mapping[str, tuple[str, str]]) -> str:
    """Join the sections with content, preceded by links to them."""
    filled = {name: section for name, section in sections.items() if section[1]}
    links = " ".join([f'<a href="#{name}">{title}</a>' for name, (title, _) in filled.items() if title])
    parts = [
        f'<section id="{name}">{f"<h2>{title}</h2>" if title else ""}\n{html}</section>'
        for name, (title, html) in filled.items()
    ]
    picked = '<aside id="picked" aria-label="selected node" hidden></aside>'
    return "\n".join([f'<nav class="bar" aria-label="sections">{links}</nav>', *parts, picked])


def _parallelism(run: RecordedRun, lanes: Sequence[Lane]) -> str:
    if not run.attempts or not run.wall_s:
        return ""
    profile = profile_of(run, lanes)
    running = {_KINDS[kind]: values for kind, values in profile.running.items() if any(values)}
    # Separate charts for these kinds, since thousands of them may run at once.
    waiting = {name: running.pop(name) for name in _WAITING if name in running}
    workers = sum([lane.kind == WORKER for lane in lanes])
    charts = [steps_chart("running", running, run.wall_s, line=workers)] if running else []
    charts += [steps_chart(name, {name: values}, run.wall_s) for name, values in waiting.items()]
    charts += [steps_chart("ready, waiting for a worker or a slot", {"ready": profile.ready}, run.wall_s)]
    caption = f"Averages over {len(profile.ready)} equal parts of the wall time. Dashed: the number of workers."
    return "".join([*charts, f'<p class="muted">{caption}</p>'])


def _graph(run: RecordedRun, groups: Groups | None, rows: Mapping[str, int]) -> str:
    if run.dag is None or groups is None or not run.dag.vertices:
        return ""
    picture = picture_of(run, run.dag, groups, rows)
    size = f"{format_count(len(run.dag.vertices), 'node')}, {format_count(run.dag.edges, 'edge')}"
    size += "; edges lead from left to right."
    if not picture.is_whole:
        size += f" The graph is too large for single nodes: a box is one {groups.kind} within consecutive levels."
    text = f'<p class="muted">{size} Thick boxes and arrows are on the critical path.</p>'
    return f'{text}<div class="scroll" tabindex="0" role="region" aria-label="graph">{svg(picture)}</div>'
