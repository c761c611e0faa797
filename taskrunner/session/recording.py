"""Recording of a run: one thread passes its events to observers, another writes its results to the journal."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from taskrunner.engines.backend import Backend
from taskrunner.errors import TaskrunnerError
from taskrunner.events.observer import Observer
from taskrunner.events.types import Event, GilSwitchedOn, RunDone, RunStart, RunWarning
from taskrunner.execution.event_recorder import EventRecorder
from taskrunner.execution.journal_writer import JournalWriter
from taskrunner.execution.state import RunState
from taskrunner.plan.plan import Plan
from taskrunner.session.prepare import Ordering
from taskrunner.session.result import RunResult
from taskrunner.session.run_store import RunStore
from taskrunner.storage.summary import Summary
from taskrunner.system import gil
from taskrunner.system.host import processors, python_build, system, versions


class Recording:
    """The event recorder of a run and, with a run directory, its journal writer."""

    def __init__(self, state: RunState, store: RunStore | None, observers: Sequence[Observer]) -> None:
        self.has_observers = bool(observers)
        self.recorder = EventRecorder(state, observers, state.cpu.of if state.cpu else None)
        self._store = store
        journal = store.journal if store else None
        self._writer = JournalWriter(state, journal, self.recorder.enqueue) if journal else None
        _introduce(observers, state, store.expected if store else {})

    @contextmanager
    def running(self, first: Sequence[Event]) -> Iterator[None]:
        """Record while the context is entered; ``first`` are the first events.

        On exit every event has been emitted and every result written. After an internal error the observers receive
        the events recorded so far, and are closed.
        """
        self.recorder.start(*first)
        try:
            with self._journal_written():
                yield
        except BaseException:
            self.recorder.stop()
            self.recorder.close()
            raise
        self.recorder.stop()

    @contextmanager
    def _journal_written(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        self._writer.start()
        try:
            yield
        finally:
            self._writer.stop()

    def finish(self, result: RunResult) -> None:
        """Write the summary, emit ``run.done`` and close the observers.

        The summary is computed only if the run has a directory or an observer.
        """
        if self._store is not None:
            self._write_summary(self._store, result)
        if self.has_observers:
            self.recorder.close(_run_done(result.summary))

    def _write_summary(self, store: RunStore, result: RunResult) -> None:
        try:
            store.directory.write_summary(result.summary)
        except TaskrunnerError as error:  # the results are worth more than the file
            self.recorder.emit([RunWarning(str(error))])


def _introduce(observers: Sequence[Observer], state: RunState, expected: Mapping[str, float]) -> None:
    """Pass expected durations to observers with ``on_expected``, and register their ``on_leave``."""
    for observer in observers:
        if (on_leave := getattr(observer, "on_leave", None)) is not None:
            state.on_leave(on_leave)
        if expected and (on_expected := getattr(observer, "on_expected", None)) is not None:
            on_expected(expected)


def run_start(run_id: str, graph: str, plan: Plan, backend: Backend, ordering: Ordering, *, cpu_time: bool) -> RunStart:
    """Return the first event of a run."""
    return RunStart(
        run=run_id,
        graph=graph,
        nodes=len(plan.tasks),
        workers=backend.workers,
        python=python_build(),
        free_threaded=gil.IS_FREE_THREADED,
        gil=gil.is_enabled(),
        platform=system(),
        at=time.time(),
        processors=processors(),
        versions=versions(),
        ranked=plan.is_ranked,
        shuffle=ordering.seed,
        replay=ordering.replay,
        engine=backend.name,
        cpu_time=cpu_time,
    )


def gil_warnings(watch: gil.GilWatch) -> list[Event]:
    """Return the warning that the GIL is on before the first node runs, if it is on in a free-threaded build."""
    if watch.culprit:
        return [GilSwitchedOn(watch.culprit, watch.node)]
    return [GilSwitchedOn("")] if gil.IS_FREE_THREADED and gil.is_enabled() else []


def _run_done(summary: Summary) -> RunDone:
    names = set(RunDone.__struct_fields__) - {"level"}
    return RunDone(**{name: getattr(summary, name) for name in names}, level="info" if summary.ok else "error")
