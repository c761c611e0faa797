"""Run a graph from Python."""

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from taskrunner.engines.engine import Engine
from taskrunner.engines.local.signals import interrupts
from taskrunner.errors import GilEnabledError
from taskrunner.events.json_log import JsonLog, open_log
from taskrunner.events.observer import Observer
from taskrunner.events.types import GilSwitchedOn
from taskrunner.execution.cpu_time import CpuTime
from taskrunner.execution.event_recorder import EventRecorder
from taskrunner.execution.journal_writer import JournalWriter
from taskrunner.execution.state import RunState
from taskrunner.graph.graph import Graph, Handle, as_nodes
from taskrunner.nodes.context import current_node_id
from taskrunner.nodes.permissions import Permissions
from taskrunner.nodes.resolve import import_paths
from taskrunner.plan.plan import Plan
from taskrunner.session.options import _check
from taskrunner.session.prepare import Ordering, _plan
from taskrunner.session.result import RunResult
from taskrunner.session.run_store import RunStore
from taskrunner.session.session import (
    _introduce,
    _place,
    _recording,
    _result,
    _reuse,
    _run_done,
    _run_start,
    _temporary_folder,
    _warnings,
    _why_gil,
    _write_summary,
)
from taskrunner.storage.redaction import mask_of
from taskrunner.storage.run_directory import new_run_id
from taskrunner.system import gil


def run(  # noqa: PLR0913  each is one thing that a user may choose
    graph: Graph,
    *,
    targets: Iterable[Handle | str] = (),
    params: Mapping[str, Any] | None = None,
    workers: int | None = None,
    stop_after: int = 1,
    require_nogil: bool = False,
    allow: Iterable[str] = (),
    commands: bool = True,
    run_dir: str | Path | None = None,
    observers: Sequence[Observer] = (),
    log_level: str = "info",
    journal: bool = True,
    fsync: bool = False,
    resume: str = "",
    timeout: float | None = None,
    cache_dir: str | Path | None = None,
    force: bool = False,
    shuffle: int | None = None,
    replay: str = "",
    cpu_time: bool = False,
    adapt: Callable[[Plan], None] = lambda _: None,
    engine: Engine | None = None,
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
        allow: patterns, as ``fnmatch`` has them, of the ``package.module:name`` that the graph's file may call;
            none: anything. Functions that were given to ``Graph.call`` are your own and always allowed.
        commands: whether the graph may run commands.
        run_dir: the folder in which the run leaves a folder of its own; none is left without it.
        log_level: the least level of what is written to the run's ``events.jsonl``.
        journal: keep the results of finished nodes in the run's folder.
        fsync: have each batch of the journal on the disk before the next is written.
        resume: the run in ``run_dir`` to go on with: its id, a unique start of it, ``last``, or ``last~1``.
        timeout: stop the run after so many seconds.
        cache_dir: the folder in which the results of nodes with ``cache`` are kept; without it there is no cache.
        force: take nothing from the cache, and run also the commands that are up to date.
        shuffle: a seed that says which of the ready nodes goes first, and with several workers also which nodes can
            be stolen, who is robbed and who is woken first. With one worker equal seeds give equal runs.
        replay: the run in ``run_dir`` whose order of starts is kept to, as far as needs allow.
        cpu_time: measure the CPU time of each plain call, so that waiting is told apart from work.
        adapt: called with the plan before it runs: for tools that change what a run does.
        engine: where the nodes run, such as ``taskrunner.DaskEngine``; without it, on threads of this process.
        observers: who is told of the run's events, on one thread at a time.
        on_interrupt: called, in the signal's handler, when SIGINT or SIGTERM stops the run.

    Raises:
        GraphError: the graph is bad, names what is not allowed, or a callable cannot be imported or given
            its arguments.
        UsageError: a target or a parameter does not exist.
        GilEnabledError: the GIL is on and ``require_nogil`` is set.
        KeyboardInterrupt: SIGINT stopped the run and no ``on_interrupt`` was given. (SIGTERM ends the
            process then, as it would have without the run.)

    """
    _check(workers, log_level, timeout)
    names = as_nodes([targets] if isinstance(targets, str | Handle) else targets)
    permit = Permissions((allow,) if isinstance(allow, str) else tuple(allow), commands)
    with ExitStack() as stack:
        stack.enter_context(import_paths(graph.source))
        watch = stack.enter_context(gil.GilWatch(current_node_id))
        plan = _plan(graph, params, names, permit, stack)
        order = Ordering(shuffle, replay, run_dir, engine)  # before there is a folder: "last" is not this run
        place = stack.enter_context(_place(engine, workers, graph, plan))
        if require_nogil and place.has_gil:
            raise GilEnabledError(_why_gil(watch) if engine is None else "the GIL is on where the nodes are to run")
        archive, told = None, [*place.introduction(), *_warnings(watch)]
        if run_dir is not None:
            archive = RunStore(Path(run_dir), resume, journaled=journal, fsync=fsync)
            stack.callback(archive.close)
            told = [*archive.store_graph(graph, params or {}, plan), *told]
            observers = (*observers, JsonLog(open_log(archive.directory.events), log_level))
        order.arrange(plan, place.workers)
        adapt(plan)
        folder = archive.directory.commands if archive else stack.enter_context(_temporary_folder(plan))
        is_journaled = archive is not None and archive.journal is not None
        state = RunState(stop_after, is_journaled=is_journaled, mask=mask_of(plan.dag, params or {}))
        if on_interrupt:
            state.on_interrupt(on_interrupt)
        _introduce(observers, state, archive.expected if archive else {})
        stack.enter_context(interrupts(state))
        cpu = state.cpu = CpuTime() if cpu_time else None
        recorder = EventRecorder(state, observers, cpu.of if cpu else None)
        scribe = JournalWriter(state, archive.journal, recorder.enqueue) if archive and archive.journal else None
        state.run_cache = _reuse(cache_dir if engine is None else None, plan, recorder, stack, force=force)
        if cpu:  # now that the cache has looked at the code of what is called
            cpu.wrap(plan)
        run_id = archive.directory.id if archive else new_run_id()
        known = watch.culprit
        first = [_run_start(run_id, graph.name, plan, place, order, cpu_time=cpu_time), *told] if observers else []
        with _recording(recorder, scribe, *first):
            place.execute(plan, state, folder, recorder.enqueue, timeout)
        watch.settle()
        result = _result(plan, state, run_id, graph.name, place, watch, cpu)
        if watch.culprit not in (known, ""):
            recorder.emit([GilSwitchedOn(watch.culprit, watch.node)])
        if archive:
            _write_summary(archive, result.summary, recorder)
        if observers:
            recorder.close(_run_done(result.summary))
    if state.signal and on_interrupt is None:  # the caller knows of no signal: it has its usual effect now
        signal.raise_signal(state.signal)
    return result
