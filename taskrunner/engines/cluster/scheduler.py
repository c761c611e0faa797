"""Cluster scheduler: sends the ready tasks of a plan to an engine, and completes them from step reports.

Thread safety: the caller's thread makes all decisions. It packs and sends ready tasks, records reports, and sends the
tasks that become ready. All other threads (those of the engine, the timer, and signal handlers) only put messages into
``messages``. This is a ``SimpleQueue``: its ``put`` may be called anywhere, even in a handler that interrupted a
``get``. Results stay on the workers; the inputs in the plan hold references to them.

Dependencies, conditions, retries, resource pools, failures and mapped nodes are handled by the plan, with the same
rules as in this process. A ready task is sent as soon as there is capacity. The number of work items in flight is high
enough to keep the workers busy, and bounded, so that a node of higher priority does not wait behind all others.
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
    make_lost_input_error,
    needs_results,
)
from taskrunner.engines.cluster.runner import ClusterRunner
from taskrunner.engines.engine import Engine, WorkerJoined, WorkerLost
from taskrunner.engines.failures import make_step_failure
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

# At most this number of work items are in flight for each one that can run at once.
MAX_AHEAD = 16
# The limit on work items in flight is at least this number in total.
MIN_AHEAD = 1_000
# Seconds between two checks for work items that the engine cannot complete.
POLL_INTERVAL_S = 1.0

type Message = Sequence[StepReport] | WorkerLost | WorkerJoined | Task | None
type MessageQueue = SimpleQueue[Message]


class InFlight:
    """A work item in flight: its tasks, of which the first ``ended`` are reported, and the time when it was sent."""

    __slots__ = ("ended", "item", "result", "sent", "tasks")

    def __init__(self, item: WorkItem, tasks: Sequence[Task], result: ResultRef, sent: int) -> None:
        self.item = item
        self.tasks = tasks
        self.result = result
        self.sent = sent
        self.ended = 0


class ClusterRouter(Router):
    """Router of a cluster run: passes every ready task to ``take_ready``, on the thread of the run."""

    def __init__(
        self,
        resources: ResourcePools,
        timer: Timer,
        take_ready: Callable[[Task | None], None],
        messages: MessageQueue,
    ) -> None:
        super().__init__(resources, timer)
        self._take_ready = take_ready
        self._messages = messages
        self.waiting = 0  # the number of tasks that the timer holds

    def enqueue(self, task: Task) -> None:
        """Enqueue a task."""
        self._take_ready(task)

    def enqueue_later(self, task: Task, seconds: float) -> None:
        """Enqueue a task through the message queue after a delay."""
        self.waiting += 1
        deadline = time.perf_counter_ns() + nanoseconds(seconds)
        self.timer.at(deadline, lambda: self._messages.put(task), keeps_delay=task.details.always)

    def replace_worker(self, worker: int, end: Callable[[], Task | None]) -> None:
        """Raise InternalError: the thread of a cluster run makes no calls that could be abandoned."""
        raise InternalError(f"{end} of worker {worker} was abandoned in a cluster run")

    def _enqueue_ready(self, task: Task, push: Push) -> None:  # noqa: ARG002  there is only one queue
        self._take_ready(task)


class ClusterListener(Protocol):
    """Callbacks of a cluster scheduler for events that belong to no node."""

    def on_report(self, report: StepReport, node: str) -> None:
        """Process a report before its node completes: the worker process that sent it, and the output of a command."""

    def on_worker_lost(self, address: str, nodes: Sequence[str]) -> None:
        """Process the loss of a worker process; ``nodes`` were unfinished on it and run again."""

    def on_rerun(self, nodes: Sequence[str]) -> None:
        """Process the finished nodes that ran again because their results were lost."""


class ClusterScheduler:
    """The state of one cluster run. All of it belongs to the thread that calls ``run``."""

    def __init__(
        self,
        engine: Engine,
        packer: Packer,
        plan: Plan,
        state: RunState,
        timer: Timer,
        messages: MessageQueue,
        listener: ClusterListener,
    ) -> None:
        self._engine = engine
        self._packer = packer
        self._state = state
        self._messages = messages
        self._listener = listener
        self._worker_numbers = WorkerNumbers()
        self._in_flight: dict[str, InFlight] = {}
        self._ended: dict[str, Sequence[Task]] = {}  # by the keys of ended work items
        self._rerun: dict[str, None] = {}
        # By the keys of their work items, the slow tasks, each with its worker number and its start.
        self._running: dict[str, tuple[Task, int, int]] = {}
        # By the keys of their work items, the immovable results that are still referenced.
        self._pinned: WeakValueDictionary[str, ResultRef] = WeakValueDictionary()
        self._tasks_in_flight: set[Task] = set()  # all tasks of all work items in flight
        self._async_in_flight = 0  # the number of asynchronous work items in flight
        self._in_client: deque[Task] = deque()
        self._ready: list[tuple[int, int, Task]] = []
        self._sequence = itertools.count()
        self._stop_flag = state.new_stop_flag()
        self._is_stopped = self._is_cancelled = False
        self._cancelled_at = 0
        self._checked = time.monotonic()
        self._plan = plan
        self._timer = timer

    def run(self, slots: int) -> None:
        """Run the plan to its end; ``slots`` is the number of nodes that run at once.

        Raises:
            EngineLostError: the engine is unreachable.

        """
        resources = ResourcePools({**self._plan.dag.file.pools, COMMAND_SLOTS: slots})
        self._router = ClusterRouter(resources, self._timer, self._take_ready, self._messages)
        self._runner = ClusterRunner(self._packer, EVENT_LOOP, self._plan, self._state, self._router, self._take_ready)
        self._max_in_flight = max(MIN_AHEAD, MAX_AHEAD * slots)
        for task in self._plan.roots():
            task.ready_at = self._state.started
            self._router.route(task, self._take_ready)
        while self._advance_ready():
            self._receive()
            self._stop_workers()
            self._check_in_flight()
        self._listener.on_rerun(list(self._rerun))

    # -- ready tasks -------------------------------------------------------------------------------

    def _take_ready(self, task: Task | None) -> None:
        if task is None or task in self._tasks_in_flight:
            return
        if _runs_in_client(task):
            self._in_client.append(task)
        else:
            heapq.heappush(self._ready, (-task.details.priority, next(self._sequence), task))

    def _advance_ready(self) -> bool:
        """Complete the tasks that run in the client, and send others up to the capacity.

        Return whether there are messages to wait for.
        """
        while self._in_client or (self._ready and self._capacity() > 0):
            while self._in_client:
                self._take_ready(self._runner.settle(self._in_client.popleft()))
            self._send()
        return bool(self._in_flight or self._router.waiting)

    def _capacity(self) -> int:
        """Return the number of work items that may be sent; asynchronous ones in flight do not count."""
        return self._max_in_flight - len(self._in_flight) + self._async_in_flight

    def _send(self) -> None:
        """Send the ready tasks, up to the capacity."""
        batch: list[tuple[WorkItem, Sequence[ResultRef], list[Task]]] = []
        while self._ready and len(batch) < self._capacity():
            task = heapq.heappop(self._ready)[2]
            if not self._is_skipped(task) and (packed := self._pack(task)):
                batch.append(packed)
                self._tasks_in_flight.update(packed[2])
        if not batch:
            return
        now = time.perf_counter_ns()
        results = self._engine.submit([(item, refs) for item, refs, _ in batch])
        for (item, _, tasks), result in zip(batch, results, strict=True):
            self._in_flight[item.key] = InFlight(item, tasks, result, now)
            self._async_in_flight += item.is_async

    def _pack(self, task: Task) -> tuple[WorkItem, Sequence[ResultRef], list[Task]] | None:
        """Pack a task; None: no worker process can get all of its inputs, so it has failed."""
        started = time.perf_counter_ns()
        try:
            return self._packer.pack(task)
        except ScatteredInputsError as error:
            self._take_ready(self._runner.failed(task, make_step_failure(error), started, time.perf_counter_ns()))
            return None

    def _is_skipped(self, task: Task) -> bool:
        """Complete a task that must not run, and return whether this was the case."""
        started = time.perf_counter_ns()
        self._runner.select_worker(EVENT_LOOP)
        try:
            skip = self._runner.skip_reason(task)
        except Exception as error:  # noqa: BLE001  raised by its condition
            self._take_ready(self._runner.fail(task, error, started))
            return True
        if skip is not None:
            self._take_ready(self._runner.skip_or_fail(task, skip, started))
        return skip is not None

    # -- messages ----------------------------------------------------------------------------------

    def _receive(self) -> None:
        """Wait for the next message, and handle all messages in the queue."""
        try:
            message = self._messages.get(timeout=POLL_INTERVAL_S)
            while True:
                self._handle(message)
                message = self._messages.get_nowait()
        except Empty:
            pass

    def _handle(self, message: Message) -> None:
        if isinstance(message, Task):
            self._router.waiting -= 1
            message.ready_at = time.perf_counter_ns()
            self._router.route(message, self._take_ready)
        elif isinstance(message, WorkerLost):
            self._on_worker_lost(message)
        elif isinstance(message, WorkerJoined):
            if self._is_stopped:  # the new worker process did not receive the stop
                self._engine.stop_steps(cancel=self._is_cancelled)
        elif message is not None:
            for report in message:
                self._on_report(report)

    def _on_worker_lost(self, loss: WorkerLost) -> None:
        """Process the loss of a worker process; the steps that immovable inputs pinned to it fail."""
        self._packer.lost.add(loss.address)
        self._listener.on_worker_lost(loss.address, [task.id for key in loss.keys for task in self._unfinished(key)])
        for in_flight in [entry for entry in self._in_flight.values() if entry.item.worker == loss.address]:
            self._fail(in_flight, make_lost_input_error(loss.address))

    def _unfinished(self, key: str) -> Sequence[Task]:
        in_flight = self._in_flight.get(key)
        return in_flight.tasks[in_flight.ended :] if in_flight else ()

    def _on_report(self, report: StepReport) -> None:
        self._packer.lost.discard(report.worker)  # a new process may reuse the address of a lost one
        in_flight = self._in_flight.get(report.key)
        if in_flight is None or report.step < in_flight.ended:
            self._on_rerun_report(report, in_flight)
            return
        if report.state == BEGUN:
            number, began, _ = self._worker_and_times(report, in_flight)
            self._running[report.key] = in_flight.tasks[report.step], number, began
            return
        self._running.pop(report.key, None)
        self._listener.on_report(report, in_flight.tasks[report.step].id)
        number, began, ended = self._worker_and_times(report, in_flight)
        self._runner.select_worker(number)
        task = self._advance(in_flight, is_last=report.state != DONE)
        if report.state == DONE:
            self._take_ready(self._done(in_flight, task, report, began, ended))
        elif report.failure is not None:
            self._take_ready(self._runner.failed(task, report.failure, began, ended, report.cpu))
        else:
            self._take_ready(self._runner.not_run(task, report.state))

    def _on_rerun_report(self, report: StepReport, in_flight: InFlight | None) -> None:
        """Process a repeated report: the step ran again because its result was lost."""
        tasks = in_flight.tasks if in_flight else self._ended.get(report.key, ())
        if report.is_pinned and (result := self._pinned.get(report.key)) is not None:
            result.worker = report.worker
        self._rerun |= dict.fromkeys([task.id for task in tasks[report.step : report.step + 1]])

    def _worker_and_times(self, report: StepReport, in_flight: InFlight) -> tuple[int, int, int]:
        """Return the worker number of a report, and the start and end of its step by the run's clock."""
        return self._worker_numbers.number(report), *self._worker_numbers.times(report, in_flight.sent)

    def running_at(self, now: int) -> list[Running]:
        """Return the slow tasks that run at a timestamp. Any thread may call this, since the copy is atomic."""
        return [
            Running(task.id, number, task.details.attempt, max(now - began, 0) / 1e9)
            for task, number, began in self._running.copy().values()
        ]

    def _advance(self, in_flight: InFlight, *, is_last: bool) -> Task:
        """Mark the next task of a work item as ended, and return it; ``is_last``: the tasks after it do not run."""
        task = in_flight.tasks[in_flight.ended]
        in_flight.ended += 1
        self._tasks_in_flight.discard(task)
        if is_last or in_flight.ended == len(in_flight.tasks):
            key = in_flight.item.key
            self._tasks_in_flight.difference_update(in_flight.tasks)
            self._ended[key] = in_flight.tasks
            self._running.pop(key, None)
            self._async_in_flight -= in_flight.item.is_async
            del self._in_flight[key]
        return task

    def _done(self, in_flight: InFlight, task: Task, report: StepReport, began: int, ended: int) -> Task | None:
        if task.details.kind == MAP:
            return self._runner.expanded(task, self._items(task, in_flight.result, report), began)
        is_complete = in_flight.ended == len(in_flight.tasks)
        if report.is_pinned:
            in_flight.result.worker = report.worker
            self._pinned[report.key] = in_flight.result
        return self._runner.done(task, in_flight.result if is_complete else MISSING, report, began, ended)

    def _items(self, task: Task, result: ResultRef, report: StepReport) -> list[Any]:
        """Return the items of a mapped node: the values if they are small, otherwise a reference for each."""
        if report.items is not None:
            try:
                items: list[Any] = deserialize(report.items)
            except SerializationError:  # of a type that is missing in the client
                pass
            else:
                return items
        result.worker = report.worker if report.is_pinned else ""
        refs = self._engine.submit([self._packer.pick(task.id, result, number) for number in range(report.count)])
        for ref in refs:
            ref.worker = result.worker
        return list(refs)

    # -- stops and losses --------------------------------------------------------------------------

    def _stop_workers(self) -> None:
        """Stop the worker processes once the run is stopped; abandon calls that exceed the grace period."""
        if self._stop_flag[0] and not self._is_stopped:
            self._is_stopped = True
            self._engine.stop_steps(cancel=False)
        if self._state.cancelled.is_set() and not self._is_cancelled:
            self._is_cancelled, self._cancelled_at = True, time.perf_counter_ns()
            self._engine.stop_steps(cancel=True)
        if self._state.timed_out and time.perf_counter_ns() - self._cancelled_at > GRACE_PERIOD_S * 1e9:
            self._abandon_all(self._state.timed_out)

    def _abandon_all(self, seconds: float) -> None:
        """Abandon calls that exceed the grace period and steps that have not begun: no timely report would arrive.

        An ``always`` step is waited for until it has begun, as on threads.
        """
        now = time.perf_counter_ns()
        for key, in_flight in [*self._in_flight.items()]:
            _, _, began = self._running.get(key, (None, 0, 0))
            if began and not in_flight.item.is_async and now - began > GRACE_PERIOD_S * 1e9:
                self._fail(in_flight, NodeTimeoutError(seconds, is_lost=True))
            elif (
                not began
                and not in_flight.tasks[in_flight.ended].details.always
                and now - in_flight.sent > GRACE_PERIOD_S * 1e9
            ):
                self._runner.select_worker(EVENT_LOOP)
                self._take_ready(self._runner.not_run(self._advance(in_flight, is_last=True), STOPPED))

    def _check_in_flight(self) -> None:
        """Fail the work items that the engine could not complete; check at most once per POLL_INTERVAL_S."""
        if time.monotonic() - self._checked < POLL_INTERVAL_S:
            return
        self._checked = time.monotonic()
        results = {key: in_flight.result for key, in_flight in self._in_flight.items()}
        for key, error in self._engine.failed(results).items():
            self._fail(self._in_flight[key], error)

    def _fail(self, in_flight: InFlight, error: BaseException) -> None:
        """Fail the next task of a work item for which no further report is expected."""
        self._runner.select_worker(EVENT_LOOP)
        task = self._advance(in_flight, is_last=True)
        del self._ended[in_flight.item.key]  # a late report must not count as a rerun
        self._take_ready(self._runner.failed(task, make_step_failure(error), in_flight.sent, time.perf_counter_ns()))


def _runs_in_client(task: Task) -> bool:
    """Return whether a task runs in the client, since it uses no result on a worker and calls no function."""
    kind = task.details.kind
    if kind == GATHER or to_be_skipped(task):
        return True
    return kind == MAP and not needs_results(task) and not has_remote_condition(task.vertex.templates)
