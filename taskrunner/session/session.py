"""Session."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from taskrunner.engines.backend import Backend
from taskrunner.engines.engine import Engine
from taskrunner.engines.local import backend as threads
from taskrunner.errors import GraphError, TaskrunnerError, UsageError
from taskrunner.events.observer import Observer
from taskrunner.events.types import Event, GilSwitchedOn, RunDone, RunStart, RunWarning
from taskrunner.execution.cpu_time import CpuTime
from taskrunner.execution.event_recorder import EventRecorder
from taskrunner.execution.journal_writer import JournalWriter
from taskrunner.execution.state import RunState
from taskrunner.graph.graph import Graph
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import COMMAND
from taskrunner.session.result import RunResult
from taskrunner.session.run_store import RunStore
from taskrunner.session.summarize import RunFacts, summarize
from taskrunner.storage.run_directory import new_run_id
from taskrunner.storage.summary import Summary
from taskrunner.system import gil
from taskrunner.system.gil import describe_culprit
from taskrunner.system.host import peak_memory, processors, python_build, system, versions

if TYPE_CHECKING:
    from taskrunner.reuse.run_cache import RunCache
from taskrunner.session.prepare import Ordering


def _introduce(observers: Sequence[Observer], state: RunState, expected: Mapping[str, float]) -> None:
    """Tell those that have a method for it what is known beforehand, and have them told of a sudden end."""
    for observer in observers:
        if (leave := getattr(observer, "on_leave", None)) is not None:
            state.on_leave(leave)
        if expected and (expect := getattr(observer, "on_expected", None)) is not None:
            expect(expected)


@contextmanager
def _recording(recorder: EventRecorder, scribe: JournalWriter | None, *events: Event) -> Iterator[None]:
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
def _writing(scribe: JournalWriter | None) -> Iterator[None]:
    """Have the journal written while the run inside goes on, and all of it at the end."""
    if scribe is None:
        yield
        return
    scribe.start()
    try:
        yield
    finally:
        scribe.stop()


def _write_summary(archive: RunStore, summary: Summary, recorder: EventRecorder) -> None:
    """Write the summary; the run is over, so its results are worth more than an error here."""
    try:
        archive.directory.write_summary(summary)
    except TaskrunnerError as error:
        recorder.emit([RunWarning(str(error))])


def _run_start(run: str, graph: str, plan: Plan, place: Backend, order: Ordering, *, cpu_time: bool) -> RunStart:
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


@contextmanager
def _place(engine: Engine | None, workers: int | None, graph: Graph, plan: Plan) -> Iterator[Backend]:
    """Have the place ready where the nodes of a plan are to run.

    Raises:
        GraphError: a callable cannot be imported there.
        UsageError: how many workers there are is not for the caller to say.

    """
    if engine is None:
        yield threads.ThreadBackend(processors() if workers is None else workers)
        return
    from taskrunner.engines.cluster.backend import ClusterBackend  # only such a run needs it

    if workers is not None:
        raise UsageError("how many workers there are is for the engine to say")
    remote = ClusterBackend(engine, graph.functions)
    try:
        remote.prepare(new_run_id(), plan)
    except GraphError as error:
        raise graph.error(error) from None
    try:
        yield remote
    finally:
        engine.close()


def _reuse(
    cache_dir: str | Path | None, plan: Plan, recorder: EventRecorder, stack: ExitStack, *, force: bool
) -> "RunCache | None":
    """Open the cache for a run, if there is one and a node asks for it."""
    if cache_dir is None or not any(vertex.options.cache or vertex.options.creates for vertex in plan.dag.special):
        return None
    from taskrunner.reuse.cache import Cache  # only such nodes need it, and all that it imports
    from taskrunner.reuse.run_cache import RunCache

    reuse = RunCache(Cache(Path(cache_dir)), plan, recorder.enqueue, force=force)
    stack.callback(reuse.close)
    return reuse


@contextmanager
def _temporary_folder(plan: Plan) -> Iterator[Path]:
    """Make a folder for commands' output, if there are commands."""
    if all(task.details.call_kind != COMMAND for task in plan.tasks):
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
        return f"the GIL is on: {describe_culprit(watch.culprit, watch.node)}"
    if gil.IS_FREE_THREADED:
        return "the GIL is on: by PYTHON_GIL, -X gil, or an import before this run"
    return f"the GIL is on: {python_build()} is no free-threaded build"


def _result(
    plan: Plan, state: RunState, run_id: str, name: str, place: Backend, watch: gil.GilWatch, cpu: CpuTime | None
) -> RunResult:
    facts = RunFacts(
        run=run_id,
        graph=name,
        wall_s=(state.ended - state.started) / 1e9,
        workers=place.workers,
        gil=place.has_gil,
        gil_module=watch.culprit,
        gil_node=watch.node,
        peak_memory_bytes=peak_memory(),
        signal=state.signal,
        kept=plan.restored,
        timed_out_s=state.timed_out,
        lost=state.abandoned,
        ok=state.is_ok,
        cached=len(state.run_cache.hits) if state.run_cache else 0,
        engine=place.name,
    )
    notes = state.records()
    return RunResult(
        facts.ok,
        notes,
        plan.take_outputs(),
        state.failures,
        state.started,
        lambda: summarize(notes, plan.dag, facts, cpu),
    )


def _run_done(summary: Summary) -> RunDone:
    names = set(RunDone.__struct_fields__) - {"level"}
    return RunDone(**{name: getattr(summary, name) for name in names}, level="info" if summary.ok else "error")
