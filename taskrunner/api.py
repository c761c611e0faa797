"""Run a graph from Python."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskrunner.engines import threads
from taskrunner.engines.engine import Engine, Place
from taskrunner.errors import GilEnabledError, GraphError, TaskrunnerError, UsageError
from taskrunner.events.json_log import JsonLog, open_log
from taskrunner.events.observer import Observer
from taskrunner.events.types import LEVELS, Event, GilSwitchedOn, RunDone, RunStart, RunWarning
from taskrunner.execution.cpu_time import CpuTime
from taskrunner.execution.event_recorder import Recorder
from taskrunner.execution.journal_writer import Scribe
from taskrunner.execution.state import Control
from taskrunner.graph.graph import Graph, Handle, as_nodes
from taskrunner.nodes.context import served
from taskrunner.nodes.permissions import Permit
from taskrunner.nodes.resolve import module_folders, resolve_all
from taskrunner.plan.ordering import in_order, shuffled
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import COMMAND
from taskrunner.run.archive import Archive
from taskrunner.run.result import RunResult
from taskrunner.run.summarize import Facts, summarize
from taskrunner.storage.redaction import mask_of
from taskrunner.storage.run_directory import find_run, new_run_id
from taskrunner.storage.summary import Summary
from taskrunner.storage.timings import recorded_order
from taskrunner.system import gc_tuning as collector
from taskrunner.system import gil
from taskrunner.system.gil import culprit
from taskrunner.system.host import peak_memory, processors, python_build, system, versions

if TYPE_CHECKING:
    from taskrunner.reuse.run_cache import Reuse


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
    permit = Permit((allow,) if isinstance(allow, str) else tuple(allow), commands)
    with ExitStack() as stack:
        stack.enter_context(module_folders(graph.source))
        watch = stack.enter_context(gil.GilWatch(served))
        plan = _plan(graph, params, names, permit, stack)
        order = _Order(shuffle, replay, run_dir, engine)  # before there is a folder: "last" is not this run
        place = stack.enter_context(_place(engine, workers, graph, plan))
        if require_nogil and place.has_gil:
            raise GilEnabledError(_why_gil(watch) if engine is None else "the GIL is on where the nodes are to run")
        archive, told = None, [*place.introduction(), *_warnings(watch)]
        if run_dir is not None:
            archive = Archive(Path(run_dir), resume, journaled=journal, fsync=fsync)
            stack.callback(archive.close)
            told = [*archive.keep(graph, params or {}, plan), *told]
            observers = (*observers, JsonLog(open_log(archive.folder.events), log_level))
        order.arrange(plan, place.workers)
        adapt(plan)
        folder = archive.folder.commands if archive else stack.enter_context(_temporary_folder(plan))
        is_journaled = archive is not None and archive.journal is not None
        control = Control(stop_after, is_journaled=is_journaled, mask=mask_of(plan.dag, params or {}))
        if on_interrupt:
            control.on_interrupt(on_interrupt)
        _introduce(observers, control, archive.expected if archive else {})
        stack.enter_context(threads.interrupts(control))
        cpu = control.cpu = CpuTime() if cpu_time else None
        recorder = Recorder(control, observers, cpu.of if cpu else None)
        scribe = Scribe(control, archive.journal, recorder.note) if archive and archive.journal else None
        control.reuse = _reuse(cache_dir if engine is None else None, plan, recorder, stack, force=force)
        if cpu:  # now that the cache has looked at the code of what is called
            cpu.wrap(plan)
        run_id = archive.folder.id if archive else new_run_id()
        known = watch.culprit
        first = [_run_start(run_id, graph.name, plan, place, order, cpu_time=cpu_time), *told] if observers else []
        with _recording(recorder, scribe, *first):
            place.execute(plan, control, folder, recorder.note, timeout)
        watch.settle()
        result = _result(plan, control, run_id, graph.name, place, watch, cpu)
        if watch.culprit not in (known, ""):
            recorder.tell([GilSwitchedOn(watch.culprit, watch.node)])
        if archive:
            _write_summary(archive, result.summary, recorder)
        if observers:
            recorder.close(_run_done(result.summary))
    if control.signal and on_interrupt is None:  # the caller knows of no signal: it has its usual effect now
        signal.raise_signal(control.signal)
    return result


def _introduce(observers: Sequence[Observer], control: Control, expected: Mapping[str, float]) -> None:
    """Tell those that have a method for it what is known beforehand, and have them told of a sudden end."""
    for observer in observers:
        if (leave := getattr(observer, "on_leave", None)) is not None:
            control.on_leave(leave)
        if expected and (expect := getattr(observer, "on_expected", None)) is not None:
            expect(expected)


@contextmanager
def _recording(recorder: Recorder, scribe: Scribe | None, *events: Event) -> Iterator[None]:
    """Have the run inside told of; at the end all is told, and after an error of our own nothing will be."""
    recorder.start(*events)
    try:
        with _writing(scribe):
            yield
    except BaseException:
        recorder.stop()
        recorder.close()
        raise
    recorder.stop()


@contextmanager
def _writing(scribe: Scribe | None) -> Iterator[None]:
    """Have the journal written while the run inside goes on, and all of it at the end."""
    if scribe is None:
        yield
        return
    scribe.start()
    try:
        yield
    finally:
        scribe.stop()


def _write_summary(archive: Archive, summary: Summary, recorder: Recorder) -> None:
    """Write the summary; the run is over, so its results are worth more than an error here."""
    try:
        archive.folder.write_summary(summary)
    except TaskrunnerError as error:
        recorder.tell([RunWarning(str(error))])


class _Order:
    """The order that a run is asked to take, if any.

    Raises:
        UsageError: two orders are asked for, or there is no such run.

    """

    def __init__(self, seed: int | None, replay: str, run_dir: str | Path | None, engine: Engine | None) -> None:
        if seed is not None and replay:
            raise UsageError("a run can follow a seed or replay another run, not both")
        if engine is not None and (seed is not None or replay):
            raise UsageError("only the threads of this process take an order that is asked for")
        self.seed, self.replay = seed, ""
        self._nodes: list[str] = []
        if replay:
            if run_dir is None:
                raise UsageError("a run can be replayed only where runs leave folders")
            self.replay = find_run(Path(run_dir), replay)
            self._nodes = recorded_order(Path(run_dir) / self.replay)

    def arrange(self, plan: Plan, workers: int) -> None:
        """Have a plan take the order; under a seed several workers get something to steal as well."""
        if self.seed is not None:
            plan.arrange(shuffled(self.seed, by_deques=workers > 1), self.seed)
        elif self.replay:
            plan.arrange(in_order(self._nodes, {v.id for v in plan.dag.vertices if v.is_mapped}))


def _run_start(run: str, graph: str, plan: Plan, place: Place, order: _Order, *, cpu_time: bool) -> RunStart:
    return RunStart(
        run=run,
        graph=graph,
        nodes=len(plan.tasks),
        workers=place.workers,
        python=python_build(),
        free_threaded=gil.IS_FREE_THREADED,
        gil=gil.is_enabled(),
        platform=system(),
        at=time.time(),
        processors=processors(),
        versions=versions(),
        ranked=plan.is_ranked,
        shuffle=order.seed,
        replay=order.replay,
        engine=place.name,
        cpu_time=cpu_time,
    )


def _check(workers: int | None, log_level: str, timeout: float | None) -> None:
    """Look at options that have a range.

    Raises:
        UsageError: one of them is out of it.

    """
    if log_level not in LEVELS:
        raise UsageError(f'unknown log level "{log_level}": there are {", ".join(LEVELS)}')
    if timeout is not None and not 0 < timeout < threading.TIMEOUT_MAX:
        raise UsageError(f"a time-out is a number of seconds above 0, not {timeout}")
    if workers is not None and workers < 1:
        raise UsageError(f"a run needs at least 1 worker, not {workers}")


@contextmanager
def _place(engine: Engine | None, workers: int | None, graph: Graph, plan: Plan) -> Iterator[Place]:
    """Have the place ready where the nodes of a plan are to run.

    Raises:
        GraphError: a callable cannot be imported there.
        UsageError: how many workers there are is not for the caller to say.

    """
    if engine is None:
        yield threads.Threads(processors() if workers is None else workers)
        return
    from taskrunner.engines.remote import RemoteRun  # only such a run needs it

    if workers is not None:
        raise UsageError("how many workers there are is for the engine to say")
    remote = RemoteRun(engine, graph.functions)
    try:
        remote.prepare(new_run_id(), plan)
    except GraphError as error:
        raise graph.error(error) from None
    try:
        yield remote
    finally:
        engine.stop()


def _plan(graph: Graph, params: Mapping[str, Any] | None, targets: list[str], permit: Permit, stack: ExitStack) -> Plan:
    """Make the plan; from here to the run's end the collector is spared it."""
    dag = graph.link(params)
    among = dag.closure(targets) if targets else None
    outputs = tuple(dag.index[name] for name in targets) if targets else None
    try:
        permit.check(dag, graph.functions)
        functions = resolve_all(dag, graph.functions, among)
    except GraphError as error:
        raise graph.error(error) from None
    stack.enter_context(collector.spared(len(dag.vertices)))
    return Plan(dag, functions, among, outputs)


def _reuse(
    cache_dir: str | Path | None, plan: Plan, recorder: Recorder, stack: ExitStack, *, force: bool
) -> "Reuse | None":
    """Open the cache for a run, if there is one and a node asks for it."""
    if cache_dir is None or not any(vertex.options.cache or vertex.options.creates for vertex in plan.dag.special):
        return None
    from taskrunner.reuse.cache import Cache  # only such nodes need it, and all that it imports
    from taskrunner.reuse.run_cache import Reuse

    reuse = Reuse(Cache(Path(cache_dir)), plan, recorder.note, force=force)
    stack.callback(reuse.close)
    return reuse


@contextmanager
def _temporary_folder(plan: Plan) -> Iterator[Path]:
    """Make a folder for commands' output, if there are commands."""
    if all(task.demands.call_kind != COMMAND for task in plan.tasks):
        yield Path()
        return
    import tempfile  # with all that it imports

    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _warnings(watch: gil.GilWatch) -> list[Event]:
    """Return what is to be said before the first node runs."""
    events: list[Event] = []
    if watch.culprit:
        events.append(GilSwitchedOn(watch.culprit, watch.node))
    elif gil.IS_FREE_THREADED and gil.is_enabled():
        events.append(GilSwitchedOn(""))
    return events


def _why_gil(watch: gil.GilWatch) -> str:
    if watch.culprit:
        return f"the GIL is on: {culprit(watch.culprit, watch.node)}"
    if gil.IS_FREE_THREADED:
        return "the GIL is on: by PYTHON_GIL, -X gil, or an import before this run"
    return f"the GIL is on: {python_build()} is no free-threaded build"


def _result(
    plan: Plan, control: Control, run_id: str, name: str, place: Place, watch: gil.GilWatch, cpu: CpuTime | None
) -> RunResult:
    facts = Facts(
        run=run_id,
        graph=name,
        wall_s=(control.ended - control.started) / 1e9,
        workers=place.workers,
        gil=place.has_gil,
        gil_module=watch.culprit,
        gil_node=watch.node,
        peak_memory_bytes=peak_memory(),
        signal=control.signal,
        kept=plan.restored,
        timed_out_s=control.timed_out,
        lost=control.lost,
        ok=control.is_ok,
        cached=len(control.reuse.hits) if control.reuse else 0,
        engine=place.name,
    )
    notes = control.all_notes()
    return RunResult(
        facts.ok,
        notes,
        plan.take_outputs(),
        control.failures,
        control.started,
        lambda: summarize(notes, plan.dag, facts, cpu),
    )


def _run_done(summary: Summary) -> RunDone:
    names = set(RunDone.__struct_fields__) - {"level"}
    return RunDone(**{name: getattr(summary, name) for name in names}, level="info" if summary.ok else "error")
