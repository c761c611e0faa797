"""Session: one call of ``taskrunner.run``, from its options to its result."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from taskrunner.engines.local.signals import interrupts
from taskrunner.events.json_log import JsonLog, open_log
from taskrunner.events.observer import Observer
from taskrunner.events.types import Event, GilSwitchedOn
from taskrunner.execution.cpu_time import CpuTime
from taskrunner.execution.state import RunState
from taskrunner.graph.graph import Graph
from taskrunner.nodes.context import current_node_id
from taskrunner.nodes.resolve import import_paths
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import COMMAND
from taskrunner.session.options import RunOptions
from taskrunner.session.prepare import Ordering, cache_directory, check_gil, open_backend, prepare
from taskrunner.session.recording import Recording, gil_warnings, run_start
from taskrunner.session.result import RunResult, build_result
from taskrunner.session.run_store import RunStore, open_run_store
from taskrunner.session.summarize import RunFacts
from taskrunner.storage.redaction import mask_of
from taskrunner.storage.run_directory import new_run_id
from taskrunner.system.gil import GilWatch
from taskrunner.system.host import peak_memory

if TYPE_CHECKING:
    from taskrunner.reuse.run_cache import RunCache


class Session:
    """One run of a graph: prepared when the context is entered, executed once, cleaned up on exit.

    Thread safety: one thread enters the context, executes the run and leaves the context.
    """

    def __init__(self, graph: Graph, options: RunOptions) -> None:
        self.graph = graph
        self.options = options
        self._signal = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Prepare the run.

        Raises:
            GraphError: the graph is invalid, names something that is not allowed, or a callable cannot be imported.
            GilEnabledError: the GIL is on, and the options require it to be off.
            UsageError: a target, a parameter or a run does not exist.

        """
        graph, options = self.graph, self.options
        with ExitStack() as stack:
            enter = stack.enter_context
            enter(import_paths(graph.source))
            self.gil_watch = enter(GilWatch(current_node_id))
            self.plan = enter(prepare(graph, options))
            self.ordering = Ordering(graph, options)  # before the run has a directory: "last" must not mean that
            self.backend = enter(open_backend(graph, options, self.plan))
            check_gil(options, self.backend, self.gil_watch)
            self._first_events = [*self.backend.startup_events(), *gil_warnings(self.gil_watch)]
            self.store = enter(open_run_store(graph, options, self.plan))
            self.ordering.apply(self.plan, self.backend.workers)
            options.adapt(self.plan)
            self.run_id = self.store.directory.id if self.store else new_run_id()
            self._commands = enter(_command_directory(self.store, self.plan))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def execute(self) -> RunResult:
        """Execute the plan and return the result, whatever its nodes did.

        Raises:
            BaseException: an internal error, or one of the backend; never the error of a node.

        """
        state, observers = self._new_state(), self._observers()
        recording = Recording(state, self.store, observers)
        emit = recording.recorder.enqueue
        with interrupts(state), self._run_cache(emit) as state.run_cache:
            if state.cpu:  # after the cache, which reads the code of the callables
                state.cpu.wrap(self.plan)
            culprit = self.gil_watch.culprit
            with recording.running(self._start_events() if observers else ()):
                self.backend.execute(self.plan, state, self._commands, emit, self.options.timeout)
            self.gil_watch.recheck()
            result = build_result(self._facts(state), self.plan, state)
            if self.gil_watch.culprit not in (culprit, ""):
                recording.recorder.emit([GilSwitchedOn(self.gil_watch.culprit, self.gil_watch.node)])
            recording.finish(result)
        self._signal = state.signal
        return result

    def reraise_signal(self) -> None:
        """Raise the signal that stopped the run again, unless the options have a callback for it."""
        if self._signal and self.options.on_interrupt is None:
            signal.raise_signal(self._signal)

    def _new_state(self) -> RunState:
        options = self.options
        is_journaled = self.store is not None and self.store.journal is not None
        mask = mask_of(self.plan.dag, options.params or {})
        state = RunState(options.stop_after, is_journaled=is_journaled, mask=mask)
        if options.on_interrupt:
            state.on_interrupt(options.on_interrupt)
        if options.cpu_time:
            state.cpu = CpuTime()
        return state

    def _observers(self) -> Sequence[Observer]:
        if self.store is None:
            return self.options.observers
        log = JsonLog(open_log(self.store.directory.events), self.options.log_level)
        return (*self.options.observers, log)

    def _start_events(self) -> list[Event]:
        cpu_time = self.options.cpu_time
        start = run_start(self.run_id, self.graph.name, self.plan, self.backend, self.ordering, cpu_time=cpu_time)
        return [start, *(self.store.first_events if self.store else ()), *self._first_events]

    @contextmanager
    def _run_cache(self, emit: Callable[[Event], None]) -> "Iterator[RunCache | None]":
        """Yield the cache of the run, if the options name one and a node uses it."""
        directory = cache_directory(self.plan, self.options)
        if directory is None:
            yield None
            return
        from taskrunner.reuse.cache import Cache  # needed by such nodes alone, with all that it imports
        from taskrunner.reuse.run_cache import RunCache

        cache = RunCache(Cache(directory), self.plan, emit, force=self.options.force)
        try:
            yield cache
        finally:
            cache.close()

    def _facts(self, state: RunState) -> RunFacts:
        watch, backend = self.gil_watch, self.backend
        return RunFacts(
            run=self.run_id,
            graph=self.graph.name,
            wall_s=(state.ended - state.started) / 1e9,
            workers=backend.workers,
            gil=backend.has_gil,
            gil_module=watch.culprit,
            gil_node=watch.node,
            peak_memory_bytes=peak_memory(),
            signal=state.signal,
            kept=self.plan.restored,
            timed_out_s=state.timed_out,
            lost=state.abandoned,
            ok=state.is_ok,
            cached=len(state.run_cache.hits) if state.run_cache else 0,
            engine=backend.name,
        )


@contextmanager
def _command_directory(store: RunStore | None, plan: Plan) -> Iterator[Path]:
    """Yield the directory of the commands' output: in the run directory, or a temporary one if there are commands."""
    if store is not None:
        yield store.directory.commands
    elif all(task.details.call_kind != COMMAND for task in plan.tasks):
        yield Path()
    else:
        import tempfile  # needed by such runs alone, with all that it imports

        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
