"""Measures of one run for a comparison: its numbers, the seconds of each node and function, and its environment.

All times are seconds. Work is the time in calls and commands, as in the summary of a run. It excludes async nodes,
because they mostly wait. The time of the workers (their number times the wall time) has three parts:

- *busy*: a worker runs a node;
- *overhead*: a worker runs no node although a node is ready for it;
- *idle*: a worker runs no node, and none is ready.

A node with a named pool is never counted as ready, because it may wait for a slot of the pool.
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
    """The numbers of a run; None if unknown. ``memory`` is the peak resident size of the process, in bytes."""

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
    """The content of one run that a comparison uses.

    - ``facts``: the environment of the run.
    - ``spent`` and ``functions``: the seconds by node, and by called function.
    - ``abnormal``: the states of all nodes with a state other than DONE.
    - ``path``: the nodes of the critical path.
    - ``caveats``: the reasons why the numbers may not be comparable.
    """

    run: str
    graph: str
    measures: Measures
    facts: dict[str, str]
    spent: dict[str, float]
    abnormal: dict[str, str]
    functions: dict[str, float]
    path: tuple[str, ...]
    caveats: tuple[str, ...]


def digest(run: RecordedRun) -> Digest:
    """Return the digest of one run."""
    return Digest(
        run=run.id,
        graph=run.name,
        measures=_measures(run),
        facts=_facts(run),
        spent=run.spent,
        abnormal={node: attempt.state for node, attempt in run.last.items() if attempt.state != DONE},
        functions=_functions(run),
        path=run.critical_path[1],
        caveats=tuple(_caveats(run)),
    )


def worker_seconds(run: RecordedRun, totals: Totals) -> tuple[float, float, float]:
    """Return the seconds of the workers: busy, overhead and idle."""
    total_s = late_s = time = 0.0
    ready = busy = workers = 0
    for next_time, more_ready, more_busy, more_workers in [*sorted(_changes(run)), (run.wall_s, 0, 0, 0)]:
        total_s += workers * (next_time - time)
        late_s += max(min(ready, workers - busy), 0) * (next_time - time)
        time, ready, busy, workers = next_time, ready + more_ready, busy + more_busy, workers + more_workers
    busy_s = sum(totals.busy_s)
    overhead_s = min(late_s, max(total_s - busy_s, 0.0))
    return busy_s, overhead_s, max(total_s - busy_s - overhead_s, 0.0)


def _changes(run: RecordedRun) -> Iterator[tuple[float, int, int, int]]:
    """Yield the changes of the numbers of ready nodes, of nodes running on workers, and of workers, with times."""
    workers = 0
    for part, start in zip(run.parts, run.starts, strict=True):
        yield part, 0, 0, start.workers - workers
        workers = start.workers
    for attempt in run.attempts:
        if is_offloaded(attempt):
            continue
        ready = 0 if _has_pool(run.vertex(attempt)) else 1
        yield max(attempt.ready, 0.0), ready, 0, 0
        yield max(attempt.started, 0.0), -ready, 1, 0
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
    """Return the total seconds by called function, or by program for commands."""
    names = [function_of(vertex) for vertex in run.dag.vertices] if run.dag is not None else []
    spent: dict[str, float] = {}
    for attempt in run.attempts:
        if 0 <= attempt.vertex < len(names):
            name = names[attempt.vertex]
            spent[name] = spent.get(name, 0.0) + attempt.ran_s
    return spent


def _caveats(run: RecordedRun) -> Iterator[str]:
    if run.state != OK:
        end = "" if run.done is not None else ", counted up to the last event"
        yield f"run {run.id}: {run.state}{end}"
    if len(run.parts) > 1:
        yield f"run {run.id} was resumed: its {len(run.parts)} parts are laid end to end"
    if not run.attempts:
        yield f"run {run.id} recorded no attempts"
    if run.dag is None:
        yield f"cannot read the graph of run {run.id}: no critical path, no functions"
