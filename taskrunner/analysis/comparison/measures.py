"""What a comparison keeps of one run: its numbers, the seconds of each node and function, and what it ran on.

All times are seconds. Work is the time in calls and commands, as in a run's summary; async nodes mostly wait.
The workers' time (their number times the wall time) has three parts: *busy* in nodes; *overhead*, when a worker
ran nothing although a node was ready for it; and *idle*, when none was. A node with a named pool is not counted
among the ready ones: it may wait for a place there.
"""

from collections.abc import Iterator

import msgspec

from taskrunner.analysis.attempts import ALLOWED, CACHED, DONE, FAILED, is_offloaded
from taskrunner.analysis.labels import function_of
from taskrunner.analysis.recorded_run import RecordedRun
from taskrunner.analysis.totals import SKIPPED, Totals, totals_of
from taskrunner.graph.dag import Vertex
from taskrunner.storage.history import OK


class Measures(msgspec.Struct, frozen=True):
    """A run in numbers. None: what nobody knows. ``memory`` is the process's largest resident size, in bytes."""

    wall_s: float
    work_s: float
    busy_s: float
    overhead_s: float
    idle_s: float
    parallelism: float
    critical_path_s: float | None
    memory: int | None
    steals: int
    done: int
    cached: int
    failed: int
    skipped: int
    retried: int


class Digest(msgspec.Struct, frozen=True):
    """One run. ``spent`` and ``functions``: seconds by node, and by what nodes call.

    ``odd``: how those nodes ended that did not end well. ``facts`` is what the run ran on; ``notes``: what ought to be
    known before its numbers are believed.
    """

    run: str
    graph: str
    measures: Measures
    facts: dict[str, str]
    spent: dict[str, float]
    odd: dict[str, str]
    functions: dict[str, float]
    path: tuple[str, ...]
    notes: tuple[str, ...]


def digest(run: RecordedRun) -> Digest:
    """Add up one run."""
    odd = {node: attempt.state for node, attempt in run.last.items() if attempt.state != DONE}
    path = run.critical_path[1]
    return Digest(
        run.id, run.name, _measures(run), _facts(run), run.spent, odd, _functions(run), path, tuple(_notes(run))
    )


def worker_seconds(run: RecordedRun, totals: Totals) -> tuple[float, float, float]:
    """Return the seconds that the workers were busy, that were overhead, and idle."""
    whole = late_s = moment = 0.0
    ready = busy = workers = 0
    for following, more_ready, more_busy, more_workers in [*sorted(_changes(run)), (run.wall_s, 0, 0, 0)]:
        whole += workers * (following - moment)
        late_s += max(min(ready, workers - busy), 0) * (following - moment)
        moment, ready, busy, workers = following, ready + more_ready, busy + more_busy, workers + more_workers
    busy_s = sum(totals.busy_s)
    overhead_s = min(late_s, max(whole - busy_s, 0.0))
    return busy_s, overhead_s, max(whole - busy_s - overhead_s, 0.0)


def _changes(run: RecordedRun) -> Iterator[tuple[float, int, int, int]]:
    """Give the moments at which more or fewer nodes were ready, ran on workers, or there were other workers."""
    before = 0
    for part, start in zip(run.parts, run.starts, strict=True):
        yield part, 0, 0, start.workers - before
        before = start.workers
    for attempt in run.attempts:
        if is_offloaded(attempt):
            continue
        waits = 0 if _has_pool(run.vertex(attempt)) else 1
        yield max(attempt.ready, 0.0), waits, 0, 0
        yield max(attempt.started, 0.0), -waits, 1, 0
        yield attempt.ended, 0, -1, 0


def _has_pool(vertex: Vertex | None) -> bool:
    return vertex is not None and bool(vertex.pools)


def _measures(run: RecordedRun) -> Measures:
    totals = totals_of(run)
    states = totals.states
    busy_s, overhead_s, idle_s = worker_seconds(run, totals)
    return Measures(
        wall_s=totals.wall_s,
        work_s=totals.work_s,
        busy_s=busy_s,
        overhead_s=overhead_s,
        idle_s=idle_s,
        parallelism=totals.parallelism,
        critical_path_s=run.critical_path[0] if run.dag is not None else None,
        memory=run.done.peak_memory_bytes if run.done is not None else None,
        steals=totals.steals,
        done=states[DONE] + states[CACHED],
        cached=states[CACHED],
        failed=states[FAILED] + states[ALLOWED],
        skipped=states[SKIPPED],
        retried=totals.retried,
    )


def _facts(run: RecordedRun) -> dict[str, str]:
    start = run.start
    return {
        "python": start.python,
        "GIL": "on" if run.has_gil else "off",
        "workers": str(start.workers),
        "processors": str(start.processors) if start.processors else "",
        "platform": start.platform,
        **start.versions,
    }


def _functions(run: RecordedRun) -> dict[str, float]:
    """Add up the seconds by what is called: a function, or the program of a command."""
    names = [function_of(vertex) for vertex in run.dag.vertices] if run.dag is not None else []
    spent: dict[str, float] = {}
    for attempt in run.attempts:
        if 0 <= attempt.vertex < len(names):
            name = names[attempt.vertex]
            spent[name] = spent.get(name, 0.0) + attempt.ran_s
    return spent


def _notes(run: RecordedRun) -> Iterator[str]:
    if run.state != OK:
        end = "" if run.done is not None else ", counted up to the last event"
        yield f"run {run.id}: {run.state}{end}"
    if len(run.parts) > 1:
        yield f"run {run.id} was resumed: its {len(run.parts)} parts are laid end to end"
    if not run.attempts:
        yield f"run {run.id} tells of no node that ran"
    if run.dag is None:
        yield f"the graph of run {run.id} cannot be read: no critical path, no functions"
