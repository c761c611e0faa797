"""What a comparison keeps of one run: its numbers, the seconds of each node and function, and what it ran on.

All times are seconds. Work is the time in calls and commands, as in a run's summary; async nodes mostly wait.
The workers' time (their number times the wall time) has three parts: *busy* in nodes; *overhead*, when a worker
ran nothing although a node was ready for it; and *idle*, when none was. A node with a named pool is not counted
among the ready ones: it may wait for a place there.
"""

from collections.abc import Iterator

import msgspec

from taskrunner.graph.dag import Vertex
from taskrunner.observe.recorded import ALLOWED, CACHED, DONE, FAILED, RETRIED, Attempt, RecordedRun, is_offloaded
from taskrunner.run.history import OK


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


def worker_seconds(run: RecordedRun) -> tuple[float, float, float]:
    """Return the seconds that the workers were busy, that were overhead, and idle."""
    busy_s = overhead_s = idle_s = moment = 0.0
    ready = busy = workers = 0
    for following, more_ready, more_busy, more_workers in [*sorted(_changes(run)), (run.wall_s, 0, 0, 0)]:
        running = min(busy, workers)  # a mapped node's end is told with the time of its expansion, which lay earlier
        late = min(ready, workers - running)
        length = following - moment
        busy_s += running * length
        overhead_s += late * length
        idle_s += (workers - running - late) * length
        moment, ready, busy, workers = following, ready + more_ready, busy + more_busy, workers + more_workers
    return busy_s, overhead_s, idle_s


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
    states = [attempt.state for attempt in run.last.values()]
    failed = states.count(FAILED) + states.count(ALLOWED)
    work_s = sum([attempt.ran_s for attempt in run.attempts if _is_work(run, attempt)])
    busy_s, overhead_s, idle_s = worker_seconds(run)
    return Measures(
        wall_s=run.wall_s,
        work_s=work_s,
        busy_s=busy_s,
        overhead_s=overhead_s,
        idle_s=idle_s,
        parallelism=work_s / run.wall_s if run.wall_s else 0.0,
        critical_path_s=run.critical_path[0] if run.dag is not None else None,
        memory=run.done.peak_memory_bytes if run.done is not None else None,
        steals=sum([attempt.event.stolen for attempt in run.attempts if attempt.state != RETRIED]),
        done=len(states) - failed,
        cached=states.count(CACHED),
        failed=failed,
        skipped=len(run.skipped),
        retried=sum([attempt.state == RETRIED for attempt in run.attempts]),
    )


def _is_work(run: RecordedRun, attempt: Attempt) -> bool:
    """Say whether an attempt worked: all but async nodes did, which mostly wait."""
    vertex = run.vertex(attempt)
    return not is_offloaded(attempt) or (vertex is not None and not vertex.call)


def _facts(run: RecordedRun) -> dict[str, str]:
    start = run.start
    has_gil = start.gil or run.gil_module is not None or (run.done is not None and run.done.gil)
    return {
        "python": start.python,
        "GIL": "on" if has_gil else "off",
        "workers": str(start.workers),
        "processors": str(start.processors) if start.processors else "",
        "platform": start.platform,
        **start.versions,
    }


def _functions(run: RecordedRun) -> dict[str, float]:
    """Add up the seconds by what is called: a function, or the program of a command."""
    names = [_function(vertex) for vertex in run.dag.vertices] if run.dag is not None else []
    spent: dict[str, float] = {}
    for attempt in run.attempts:
        if 0 <= attempt.vertex < len(names):
            name = names[attempt.vertex]
            spent[name] = spent.get(name, 0.0) + attempt.ran_s
    return spent


def _function(vertex: Vertex) -> str:
    if vertex.call:
        return vertex.call
    command = vertex.options.run
    words = command.split() if isinstance(command, str) else command or ()
    return f"$ {words[0]}" if words and isinstance(words[0], str) else "$ …"


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
