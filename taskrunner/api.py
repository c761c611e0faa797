"""Run a graph from Python."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from platform import platform
from typing import Any

from taskrunner.engines import threads
from taskrunner.errors import GilEnabledError, GraphError, UsageError
from taskrunner.graph.graph import Graph, Handle, as_nodes
from taskrunner.graph.spec import Node
from taskrunner.observe.log import LEVELS, JsonLog, open_log
from taskrunner.run.control import Control
from taskrunner.run.events import Event, GilSwitchedOn, Observer, RunDone, RunStart, RunWarning
from taskrunner.run.folder import RunFolder, new_run_id
from taskrunner.run.plan import ASYNC, Plan
from taskrunner.run.recorder import Recorder
from taskrunner.run.result import RunResult, Summary
from taskrunner.run.summarize import python_build, summarize
from taskrunner.tasks import gil
from taskrunner.tasks.binding import MISSING
from taskrunner.tasks.resolve import module_folders, resolve_all


def run(  # noqa: PLR0913  each is one thing that a user may choose
    graph: Graph,
    *,
    targets: Iterable[Handle | str] = (),
    params: Mapping[str, Any] | None = None,
    workers: int | None = None,
    stop_after: int = 1,
    require_nogil: bool = False,
    run_dir: str | Path | None = None,
    observers: Sequence[Observer] = (),
    log_level: str = "info",
    on_interrupt: Callable[[], None] | None = None,
) -> RunResult:
    """Run a graph and wait for its end.

    Args:
        graph: what to run.
        targets: run only these nodes and what they need; their results are the outputs then.
        params: values for the graph's parameters.
        workers: how many threads; as many as there are processors to use if not given.
        stop_after: stop after so many failures; 0: never. What needs a failed node is skipped.
        require_nogil: refuse to run while the GIL is on.
        run_dir: the folder in which the run leaves a folder of its own; none is left without it.
        log_level: the least level of what is written to the run's ``events.jsonl``.
        observers: who is told of the run's events, on one thread at a time.
        on_interrupt: called, in the signal's handler, when SIGINT or SIGTERM stops the run.

    Raises:
        GraphError: the graph is bad, or a callable cannot be imported or given its arguments.
        UsageError: a target or a parameter does not exist.
        GilEnabledError: the GIL is on and ``require_nogil`` is set.
        KeyboardInterrupt: SIGINT stopped the run and no ``on_interrupt`` was given. (SIGTERM ends the
            process then, as it would have without the run.)

    """
    workers = os.process_cpu_count() or 1 if workers is None else workers
    if log_level not in LEVELS:
        raise UsageError(f'unknown log level "{log_level}": there are {", ".join(LEVELS)}')
    if workers < 1:
        raise UsageError(f"a run needs at least 1 worker, not {workers}")
    names = as_nodes([targets] if isinstance(targets, str | Handle) else targets)
    with ExitStack() as stack:
        stack.enter_context(module_folders(graph.source))
        watch = stack.enter_context(gil.GilWatch())
        plan = _plan(graph, params, names)
        if require_nogil and gil.is_enabled():
            raise GilEnabledError(_why_gil(watch.culprit))
        run_id = new_run_id()
        folder = None if run_dir is None else RunFolder(Path(run_dir), run_id)
        commands = folder.commands if folder else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if folder:
            folder.write_graph(graph.file)
            observers = (*observers, JsonLog(open_log(folder.events), log_level))
        control = Control(stop_after)
        if on_interrupt:
            control.on_interrupt(on_interrupt)
        stack.enter_context(threads.interrupts(control))
        recorder = Recorder(control, observers)
        start = RunStart(
            run=run_id,
            graph=graph.name,
            nodes=len(plan.tasks),
            workers=workers,
            python=python_build(),
            free_threaded=gil.IS_FREE_THREADED,
            gil=gil.is_enabled(),
            platform=platform(),
            at=time.time(),
        )
        recorder.start(start, *_warnings(graph, watch))
        known = watch.culprit
        try:
            threads.execute(plan, control, workers, commands, lambda: recorder.note(_LOST_WAKEUP))
        except BaseException:
            recorder.stop()
            recorder.close()
            raise
        recorder.stop()
        result = _result(plan, control, run_id, graph.name, workers, watch.culprit)
        if watch.culprit != known:
            recorder.tell([GilSwitchedOn(watch.culprit)])
        recorder.close(_run_done(result.summary))
        if folder:
            folder.write_summary(result.summary)
    if control.signal and on_interrupt is None:  # the caller knows of no signal: it has its usual effect now
        signal.raise_signal(control.signal)
    return result


_LOST_WAKEUP = RunWarning("a worker slept past an item (lost wake-up): please report this")
_BARE_NODE = Node(id="-")
_NOT_ENFORCED = ("retries", "timeout", "allow_failure")


def _plan(graph: Graph, params: Mapping[str, Any] | None, targets: list[str]) -> Plan:
    dag = graph.link(params)
    among = dag.closure(targets) if targets else None
    outputs = tuple(dag.index[name] for name in targets) if targets else None
    try:
        functions = resolve_all(dag, graph.functions, among)
    except GraphError as error:
        raise graph.error(error) from None
    return Plan(dag, functions, among, outputs)


def _warnings(graph: Graph, watch: gil.GilWatch) -> list[Event]:
    """Return what is to be said before the first node runs."""
    events: list[Event] = []
    if watch.culprit:
        events.append(GilSwitchedOn(watch.culprit))
    elif gil.IS_FREE_THREADED and gil.is_enabled():
        events.append(GilSwitchedOn(""))
    file = graph.file
    for name in _NOT_ENFORCED:
        nothing = getattr(_BARE_NODE, name)
        askers = (file.defaults, *file.nodes)
        if any(getattr(asker, name, nothing) != nothing for asker in askers):
            events.append(RunWarning(f"the graph asks for {name}, which this version does not enforce yet"))
    return events


def _why_gil(culprit: str) -> str:
    if culprit:
        return f'the GIL is on: importing "{culprit}" switched it on'
    if gil.IS_FREE_THREADED:
        return "the GIL is on: by PYTHON_GIL, -X gil, or an import before this run"
    return f"the GIL is on: {python_build()} is no free-threaded build"


def _result(plan: Plan, control: Control, run_id: str, name: str, workers: int, culprit: str) -> RunResult:
    records = [record for records in control.all_records() for record in records]
    summary = summarize(
        records,
        plan.dag,
        {task.id for task in plan.tasks.values() if task.call_kind == ASYNC},
        run=run_id,
        graph=name,
        wall_s=(control.ended - control.started) / 1e9,
        workers=workers,
        gil_module=culprit,
        signal=control.signal,
    )
    found = {plan.tasks[index].id: plan.take_result(index) for index in plan.outputs}
    outputs = {node: value for node, value in found.items() if value is not MISSING}
    return RunResult(summary, outputs, control.failures, records, control.started)


def _run_done(summary: Summary) -> RunDone:
    names = RunDone.__struct_fields__
    return RunDone(**{name: getattr(summary, name) for name in names})
