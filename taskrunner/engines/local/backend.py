"""The engine that runs a graph on a work-stealing pool of threads in this process."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from taskrunner.events.types import Event, RunWarning
from taskrunner.execution.async_runner import AsyncRunner
from taskrunner.execution.resources import ResourcePools
from taskrunner.execution.router import LocalRouter
from taskrunner.execution.runner import Runner
from taskrunner.execution.state import RunState
from taskrunner.execution.timer import Timer, nanoseconds
from taskrunner.nodes.context import THREAD_CONTEXT
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import CALL, COMMAND_SLOTS, Task
from taskrunner.pool.policy import Policy, SeededPolicy
from taskrunner.pool.pool import Pool
from taskrunner.system import gil
from taskrunner.system.process_groups import GRACE_PERIOD_S

if TYPE_CHECKING:
    from taskrunner.nodes.event_loop import LoopThread


class ThreadBackend:
    """The workers of this process, as the place where a run's nodes run."""

    name = "threads"

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @property
    def has_gil(self) -> bool:
        """Whether the GIL is on."""
        return gil.is_enabled()

    def introduction(self) -> list[Event]:
        """Return what is to be said of the place: nothing, ``run.start`` says it all."""
        return []

    def execute(
        self, plan: Plan, state: RunState, commands: Path, tell: Callable[[Event], None], timeout: float | None
    ) -> None:
        """Run a plan to its end, and tell of a lost wake-up."""
        execute(plan, state, self.workers, commands, lambda: tell(_LOST_WAKEUP), timeout)


_LOST_WAKEUP = RunWarning("a worker slept past an item (lost wake-up): please report this")


def execute(
    plan: Plan,
    state: RunState,
    workers: int,
    commands: Path,
    on_lost_wakeup: Callable[[], None],
    timeout: float | None = None,
) -> None:
    """Run a plan to its end: every task is done, failed or skipped then, and noted in ``state``.

    Commands write their output into the folder ``commands``, so many at once as there are workers.
    After ``timeout`` seconds the run is stopped; calls that still run some seconds later are given up.

    Raises:
        BaseException: an error of taskrunner's own, never one of a node's.

    """
    if timeout is not None:
        plan.make_all_abandonable()
    loop = _new_loop() if any(task.details.call_kind != CALL for task in plan.tasks) else None

    def bind(worker: int, push: Callable[[Task], None]) -> Callable[[Task], Task | None]:
        runner = Runner(worker, plan, state, dispatcher, push)
        THREAD_CONTEXT.find = runner.current
        state.add_view(runner.running_at)
        return runner.executor()

    timer = Timer(state.record_crash)
    state.on_stop(timer.expedite)
    pool = Pool(workers, bind, on_steal=_mark_stolen, on_lost_wakeup=on_lost_wakeup, policy=_policy(plan.seed))
    limits = ResourcePools({**plan.dag.file.pools, COMMAND_SLOTS: workers})
    dispatcher = LocalRouter(limits, pool, loop, commands, timer, state.record_crash)
    dispatcher.runner = loop_runner = AsyncRunner(plan, state, dispatcher)
    state.add_view(loop_runner.running_at)
    with _running(loop, state):
        state.started = time.perf_counter_ns()
        if timeout is not None:
            timer.at(state.started + nanoseconds(timeout), lambda: _time_out(state, timer, timeout))
        try:
            _work(pool, state, _enqueue_roots(plan, dispatcher, state.started))
        finally:
            state.ended = time.perf_counter_ns()
            state.close_views()
            timer.stop()
    dispatcher.close()
    if state.crash is not None:
        raise state.crash


def _time_out(state: RunState, timer: Timer, seconds: float) -> None:
    """Stop a run whose time is over, and give up the calls that do not end soon."""

    def give_up() -> None:
        now = time.perf_counter_ns()
        for attempt in state.open_attempts():
            if now - attempt.began >= GRACE_PERIOD_S * 1e9:  # an ``always`` node may have begun since
                attempt.abandon(attempt, seconds)
        timer.at(now + int(GRACE_PERIOD_S * 1e9 / 10), give_up)

    state.time_out(seconds)
    timer.at(time.perf_counter_ns() + int(GRACE_PERIOD_S * 1e9), give_up)


def _policy(seed: int | None) -> Policy:
    return Policy() if seed is None else SeededPolicy(seed)


def _mark_stolen(task: Task) -> None:
    task.stolen = True


def _new_loop() -> "LoopThread":
    from taskrunner.nodes.event_loop import LoopThread  # only such nodes need it

    return LoopThread()


def _work(pool: Pool, state: RunState, roots: list[Task]) -> None:
    """Start the pool and wait for it; if that is broken off, by a program's own signal handler say, stop the run."""
    try:
        pool.start(roots)
        pool.join()
    except BaseException as error:
        state.record_crash(error)
        pool.join()
        raise


def _enqueue_roots(plan: Plan, dispatcher: LocalRouter, now: int) -> list[Task]:
    """Place the tasks that need nothing; return those that the pool is to deal out, one each in turn."""
    dealt: list[Task] = []
    for task in plan.roots():
        task.ready_at = now
        if task.is_routed:
            dispatcher.route(task, dealt.append)
        else:
            dealt.append(task)
    return dealt


@contextlib.contextmanager
def _running(loop: "LoopThread | None", state: RunState) -> Iterator[None]:
    if loop is None:
        yield
        return
    state.on_cancel(loop.cancel_all)
    loop.start()
    try:
        yield
    finally:
        loop.stop()
