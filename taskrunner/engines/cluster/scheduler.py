"""Runs a plan whose nodes run elsewhere: sends what is ready, and takes what is reported.

One thread, the caller's, decides: what is ready is packed and sent, what is reported is noted, and what that makes
ready is sent in turn. Results stay where they are; the plan's inputs hold what stands for them. All others, the
engine's threads, the timer's and signal handlers, only put something into ``inbox``, a ``SimpleQueue``, whose
``put`` may be called anywhere, also in a handler that has interrupted a ``get``.

Needs, guards, retries, pools, failures and mapped nodes are the plan's, and are treated as they are in this process. A
ready node is sent as soon as there is room: so many are on their way that the sites do not run dry, and few enough that
a node of higher priority does not wait behind all of them.
"""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol
from weakref import WeakValueDictionary

from taskrunner.engines.cluster.clocks import WorkerNumbers
from taskrunner.engines.cluster.packing import (
    Packer,
    ScatteredInputsError,
    has_remote_condition,
    lost_with,
    needs_results,
)
from taskrunner.engines.cluster.runner import ClusterRunner
from taskrunner.engines.engine import Engine, WorkerJoined, WorkerLost
from taskrunner.engines.failures import step_failure
from taskrunner.engines.messages import BEGUN, DONE, STOPPED, ResultRef, StepReport, WorkItem
from taskrunner.errors import InternalError
from taskrunner.events.observer import Running
from taskrunner.events.types import EVENT_LOOP
from taskrunner.execution.resources import ResourcePools
from taskrunner.execution.router import Push, Router, to_be_skipped
from taskrunner.execution.state import RunState
from taskrunner.execution.timer import Timer, nanoseconds
from taskrunner.nodes.binding import MISSING
from taskrunner.nodes.errors import NodeTimeoutError
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import COMMAND_SLOTS, GATHER, MAP, Task
from taskrunner.storage.serialization import SerializationError, deserialize
from taskrunner.system.process_groups import GRACE_PERIOD_S

type MessageQueue = SimpleQueue[Sequence[StepReport] | WorkerLost | WorkerJoined | Task | None]

# So many works are on their way at most, for each that can run at once; and at least so many in all.
MAX_AHEAD = 16
MIN_AHEAD = 1_000
# Seconds between two looks at works that the engine cannot run to their end.
POLL_INTERVAL_S = 1.0


class InFlight:
    """A work on its way: its tasks, of which the first ``ended`` were told of, and when it was sent."""

    __slots__ = ("ended", "result", "sent", "tasks", "work")

    def __init__(self, work: WorkItem, tasks: Sequence[Task], result: ResultRef, sent: int) -> None:
        self.work = work
        self.tasks = tasks
        self.result = result
        self.sent = sent
        self.ended = 0


class ClusterRouter(Router):
    """Places the tasks of a run whose nodes run elsewhere: they are all given to ``ready``, on the run's own thread."""

    def __init__(
        self, limits: ResourcePools, timer: Timer, ready: Callable[[Task | None], None], inbox: MessageQueue
    ) -> None:
        super().__init__(limits, timer)
        self._ready = ready
        self._inbox = inbox
        self.waiting = 0  # how many tasks are with the timer

    def enqueue(self, task: Task) -> None:
        """Place a task."""
        self._ready(task)

    def enqueue_later(self, task: Task, seconds: float) -> None:
        """Have a task come back by the inbox after some time."""
        self.waiting += 1
        moment = time.perf_counter_ns() + nanoseconds(seconds)
        self.timer.at(moment, lambda: self._inbox.put(task), keeps_delay=task.details.always)

    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        """Never be called: no call that may be lost is made on this thread."""
        raise InternalError(f"{end} of worker {worker} was lost in a run whose nodes run elsewhere")

    def _enqueue_ready(self, task: Task, push: Push) -> None:  # noqa: ARG002  there is one place
        self._ready(task)


class ClusterListener(Protocol):
    """What a conductor tells of what is no node's."""

    def on_report(self, report: StepReport, node: str) -> None:
        """Hear a report, before this node of it ends: where it comes from, and what a command has written."""

    def on_worker_lost(self, address: str, nodes: Sequence[str]) -> None:
        """Hear that a site is gone, which had not finished these nodes: they run again."""

    def on_rerun(self, nodes: Sequence[str]) -> None:
        """Hear that these nodes had ended, and ran again because their results were lost."""


class ClusterScheduler:
    """The state of one run whose nodes run elsewhere. All of it belongs to the thread that calls ``run``."""

    def __init__(
        self,
        engine: Engine,
        packer: Packer,
        plan: Plan,
        state: RunState,
        timer: Timer,
        inbox: MessageQueue,
        around: ClusterListener,
    ) -> None:
        self._engine = engine
        self._packer = packer
        self._control = state
        self._inbox = inbox
        self._around = around
        self._lanes = WorkerNumbers()
        self._flights: dict[str, InFlight] = {}
        self._ended: dict[str, Sequence[Task]] = {}  # by the keys of works that have ended
        self._again: dict[str, None] = {}
        # By the keys of their works, the tasks that take long: the worker of each, and when it began.
        self._running: dict[str, tuple[Task, int, int]] = {}
        # By the keys of their works, the results that cannot be moved, as long as somebody holds them.
        self._fixed: WeakValueDictionary[str, ResultRef] = WeakValueDictionary()
        self._travelling: set[Task] = set()  # all tasks of all works on their way
        self._waiting = 0  # how many of the works on their way only wait
        self._here: deque[Task] = deque()
        self._ready: list[tuple[int, int, Task]] = []
        self._sequence = itertools.count()
        self._halted = state.new_stop_flag()
        self._is_told = self._is_cancelled = False
        self._cancelled_at = 0
        self._looked = time.monotonic()
        self._plan = plan
        self._timer = timer

    def run(self, places: int) -> None:
        """Run the plan to its end; ``places`` is how many nodes run at once.

        Raises:
            EngineLostError: the engine cannot be reached any more.

        """
        limits = ResourcePools({**self._plan.dag.file.pools, COMMAND_SLOTS: places})
        self._router = ClusterRouter(limits, self._timer, self._take_ready, self._inbox)
        self._runner = ClusterRunner(
            self._packer, EVENT_LOOP, self._plan, self._control, self._router, self._take_ready
        )
        self._ahead = max(MIN_AHEAD, MAX_AHEAD * places)
        for task in self._plan.roots():
            task.ready_at = self._control.started
            self._router.route(task, self._take_ready)
        while self._has_more():
            self._receive()
            self._stop_workers()
            self._check_in_flight()
        self._around.on_rerun(list(self._again))

    # -- what is ready -----------------------------------------------------------------------------

    def _take_ready(self, task: Task | None) -> None:
        if task is None or task in self._travelling:
            return
        if _runs_in_client(task):
            self._here.append(task)
        else:
            heapq.heappush(self._ready, (-task.details.priority, next(self._sequence), task))

    def _has_more(self) -> bool:
        """Settle what is for here and send what there is room for; say whether there is anything to wait for."""
        while self._here or (self._ready and self._room() > 0):
            while self._here:
                self._take_ready(self._runner.settle(self._here.popleft()))
            self._send()
        return bool(self._flights or self._router.waiting)

    def _room(self) -> int:
        """Return how many more works may be sent; those that only wait take no room from others."""
        return self._ahead - len(self._flights) + self._waiting

    def _send(self) -> None:
        """Send as many of the ready tasks as there is room for."""
        packed: list[tuple[WorkItem, Sequence[ResultRef], list[Task]]] = []
        while self._ready and len(packed) < self._room():
            task = heapq.heappop(self._ready)[2]
            if not self._is_skipped(task) and (found := self._pack(task)):
                packed.append(found)
                self._travelling.update(found[2])
        if not packed:
            return
        now = time.perf_counter_ns()
        results = self._engine.submit([(work, remotes) for work, remotes, _ in packed])
        for (work, _, tasks), result in zip(packed, results, strict=True):
            self._flights[work.key] = InFlight(work, tasks, result, now)
            self._waiting += work.is_async

    def _pack(self, task: Task) -> tuple[WorkItem, Sequence[ResultRef], list[Task]] | None:
        """Pack a task; None: what it takes cannot be brought together, and it has failed."""
        started = time.perf_counter_ns()
        try:
            return self._packer.pack(task)
        except ScatteredInputsError as error:
            self._take_ready(self._runner.failed(task, step_failure(error), started, time.perf_counter_ns()))
            return None

    def _is_skipped(self, task: Task) -> bool:
        """End a task that is not to be run, and say whether that was so."""
        started = time.perf_counter_ns()
        self._runner.at(EVENT_LOOP)
        try:
            why = self._runner.skip_reason(task)
        except Exception as error:  # noqa: BLE001  its guard's own
            self._take_ready(self._runner.fail(task, error, started))
            return True
        if why is not None:
            self._take_ready(self._runner.skip_or_fail(task, why, started))
        return why is not None

    # -- what is told ------------------------------------------------------------------------------

    def _receive(self) -> None:
        """Wait for the next message, and take all that there are."""
        try:
            message = self._inbox.get(timeout=POLL_INTERVAL_S)
            while True:
                self._handle(message)
                message = self._inbox.get_nowait()
        except Empty:
            pass

    def _handle(self, message: Sequence[StepReport] | WorkerLost | WorkerJoined | Task | None) -> None:
        if isinstance(message, Task):
            self._router.waiting -= 1
            message.ready_at = time.perf_counter_ns()
            self._router.route(message, self._take_ready)
        elif isinstance(message, WorkerLost):
            self._on_worker_lost(message)
        elif isinstance(message, WorkerJoined):
            if self._is_told:  # it does not know yet
                self._engine.stop_steps(cancel=self._is_cancelled)
        elif message is not None:
            for report in message:
                self._on_report(report)

    def _on_worker_lost(self, loss: WorkerLost) -> None:
        """Take that a process is gone. What had to run there, for what lay there, has failed."""
        self._packer.lost.add(loss.address)
        self._around.on_worker_lost(loss.address, [task.id for key in loss.keys for task in self._unfinished(key)])
        for flight in [flight for flight in self._flights.values() if flight.work.worker == loss.address]:
            self._fail(flight, lost_with(loss.address))

    def _unfinished(self, key: str) -> Sequence[Task]:
        flight = self._flights.get(key)
        return flight.tasks[flight.ended :] if flight else ()

    def _on_report(self, report: StepReport) -> None:
        self._packer.lost.discard(report.worker)  # another process may have come with the address of one that is gone
        flight = self._flights.get(report.key)
        if flight is None or report.step < flight.ended:
            tasks = flight.tasks if flight else self._ended.get(report.key, ())
            if report.is_pinned and (result := self._fixed.get(report.key)) is not None:
                result.worker = report.worker
            self._again |= dict.fromkeys([task.id for task in tasks[report.step : report.step + 1]])
            return
        if report.state == BEGUN:
            lane, began, _ = self._worker_and_times(report, flight)
            self._running[report.key] = flight.tasks[report.step], lane, began
            return
        self._running.pop(report.key, None)
        self._around.on_report(report, flight.tasks[report.step].id)
        lane, began, ended = self._worker_and_times(report, flight)
        self._runner.at(lane)
        task = self._advance(flight, is_last=report.state != DONE)
        if report.state == DONE:
            self._take_ready(self._done(flight, task, report, began, ended))
        elif report.failure is not None:
            self._take_ready(self._runner.failed(task, report.failure, began, ended, report.cpu))
        else:
            self._take_ready(self._runner.not_run(task, report.state))

    def _worker_and_times(self, report: StepReport, flight: InFlight) -> tuple[int, int, int]:
        """Return the worker that a report is of, and when its step began and ended by the run's clock."""
        return self._lanes.number(report), *self._lanes.times(report, flight.sent)

    def running_at(self, now: int) -> list[Running]:
        """Return what runs at a moment, if it has been running for a while; any thread may ask: a copy is atomic."""
        return [
            Running(task.id, lane, task.details.attempt, max(now - began, 0) / 1e9)
            for task, lane, began in self._running.copy().values()
        ]

    def _advance(self, flight: InFlight, *, is_last: bool) -> Task:
        """Take the next task of a work as ended; ``is_last``: those behind it do not run."""
        task = flight.tasks[flight.ended]
        flight.ended += 1
        self._travelling.discard(task)
        if is_last or flight.ended == len(flight.tasks):
            self._travelling.difference_update(flight.tasks)
            self._ended[flight.work.key] = flight.tasks
            self._running.pop(flight.work.key, None)
            self._waiting -= flight.work.is_async
            del self._flights[flight.work.key]
        return task

    def _done(self, flight: InFlight, task: Task, report: StepReport, began: int, ended: int) -> Task | None:
        if task.details.kind == MAP:
            return self._runner.expanded(task, self._items(task, flight.result, report), began)
        is_whole = flight.ended == len(flight.tasks)
        if report.is_pinned:
            flight.result.worker = report.worker
            self._fixed[report.key] = flight.result
        return self._runner.done(task, flight.result if is_whole else MISSING, report, began, ended)

    def _items(self, task: Task, items: ResultRef, report: StepReport) -> list[Any]:
        """Return a mapped node's items: themselves if they are small, else what stands for each."""
        if report.items is not None:
            try:
                found: list[Any] = deserialize(report.items)
            except SerializationError:  # of a type that is not known here
                pass
            else:
                return found
        items.worker = report.worker if report.is_pinned else ""
        picks = self._engine.submit([self._packer.pick(task.id, items, number) for number in range(report.count)])
        for pick in picks:
            pick.worker = items.worker
        return list(picks)

    # -- what goes wrong ---------------------------------------------------------------------------

    def _stop_workers(self) -> None:
        """ReportCallback the sites that the run is stopped, once; give up what still runs long after a time-out."""
        if self._halted[0] and not self._is_told:
            self._is_told = True
            self._engine.stop_steps(cancel=False)
        if self._control.cancelled.is_set() and not self._is_cancelled:
            self._is_cancelled, self._cancelled_at = True, time.perf_counter_ns()
            self._engine.stop_steps(cancel=True)
        if self._control.timed_out and time.perf_counter_ns() - self._cancelled_at > GRACE_PERIOD_S * 1e9:
            self._abandon_all(self._control.timed_out)

    def _abandon_all(self, seconds: float) -> None:
        """Give up the calls that have been running for long, and what has not begun: nobody will tell of it in time.

        What runs always is waited for until it has begun, as on threads.
        """
        now = time.perf_counter_ns()
        for key, flight in [*self._flights.items()]:
            _, _, began = self._running.get(key, (None, 0, 0))
            if began and not flight.work.is_async and now - began > GRACE_PERIOD_S * 1e9:
                self._fail(flight, NodeTimeoutError(seconds, is_lost=True))
            elif (
                not began and not flight.tasks[flight.ended].details.always and now - flight.sent > GRACE_PERIOD_S * 1e9
            ):
                self._runner.at(EVENT_LOOP)
                self._take_ready(self._runner.not_run(self._advance(flight, is_last=True), STOPPED))

    def _check_in_flight(self) -> None:
        """Ask the engine, now and then, for works that it could not run to their end."""
        if time.monotonic() - self._looked < POLL_INTERVAL_S:
            return
        self._looked = time.monotonic()
        for key, error in self._engine.failed({key: f.result for key, f in self._flights.items()}).items():
            self._fail(self._flights[key], error)

    def _fail(self, flight: InFlight, error: BaseException) -> None:
        """Fail the next task of a work that will not be told of any more."""
        self._runner.at(EVENT_LOOP)
        task = self._advance(flight, is_last=True)
        del self._ended[flight.work.key]  # a report that still comes is of no node that ran again
        self._take_ready(self._runner.failed(task, step_failure(error), flight.sent, time.perf_counter_ns()))


def _runs_in_client(task: Task) -> bool:
    """Say whether a task takes nothing that is elsewhere, and calls nothing."""
    kind = task.details.kind
    if kind == GATHER or to_be_skipped(task):
        return True
    return kind == MAP and not needs_results(task) and not has_remote_condition(task.vertex.templates)
