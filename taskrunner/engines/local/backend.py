"""Thread backend: executes a plan on a work-stealing pool of threads in this process."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import Context
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
from taskrunner.nodes.isolation import context_factory
from taskrunner.plan.plan import Plan
from taskrunner.plan.task import CALL, COMMAND_SLOTS, Task
from taskrunner.pool.policy import Policy, SeededPolicy
from taskrunner.pool.pool import Pool
from taskrunner.system import gil
from taskrunner.system.process_groups import GRACE_PERIOD_S

if TYPE_CHECKING:
    from taskrunner.nodes.event_loop import LoopThread

_LOST_WAKEUP = RunWarning("a worker slept past an item (lost wake-up): please report this")


class ThreadBackend:
    """Backend that executes the nodes of a run on worker threads of this process."""

    name = "threads"

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @property
    def has_gil(self) -> bool:
        """Whether the GIL is on."""
        return gil.is_enabled()

    def startup_events(self) -> list[Event]:
        """Return no events: ``run.start`` describes this backend completely."""
        return []

    def execute(
        self, plan: Plan, state: RunState, commands: Path, emit: Callable[[Event], None], timeout: float | None
    ) -> None:
        """Execute a plan to its end, and emit a warning for each lost wake-up."""
        execute(plan, state, self.workers, commands, lambda: emit(_LOST_WAKEUP), timeout)


def execute(
    plan: Plan,
    state: RunState,
    workers: int,
    commands: Path,
    on_lost_wakeup: Callable[[], None],
    timeout: float | None = None,
) -> None:
    """Execute a plan to its end: then every task is done, failed or skipped, and recorded in ``state``.

    Commands write their output into the directory ``commands``. At most ``workers`` commands run at once.
    After ``timeout`` seconds the run is stopped; calls that still run after the grace period are abandoned.

    Raises:
        BaseException: an error of taskrunner, never one of a node.

    """
    if timeout is not None:
        plan.make_all_abandonable()
    loop = _new_loop(state.caller_context) if any(task.details.call_kind != CALL for task in plan.tasks) else None

    def bind(worker: int, push: Callable[[Task], None]) -> Callable[[Task], Task | None]:
        runner = Runner(worker, plan, state, router, push)
        THREAD_CONTEXT.find = runner.current
        state.add_view(runner.running_at)
        return runner.executor()

    timer = Timer(state.record_crash)
    state.on_stop(timer.expedite)
    pool = Pool(workers, bind, on_steal=_mark_stolen, on_lost_wakeup=on_lost_wakeup, policy=_policy(plan.seed))
    resources = ResourcePools({**plan.dag.file.pools, COMMAND_SLOTS: workers})
    router = LocalRouter(resources, pool, loop, commands, timer, state.record_crash)
    router.runner = async_runner = AsyncRunner(plan, state, router)
    state.add_view(async_runner.running_at)
    with _running(loop, state):
        state.started = time.perf_counter_ns()
        if timeout is not None:
            timer.at(state.started + nanoseconds(timeout), lambda: _time_out(state, timer, timeout))
        try:
            _run_pool(pool, state, _enqueue_roots(plan, router, state.started))
        finally:
            state.ended = time.perf_counter_ns()
            state.close_views()
            timer.stop()
    router.close()
    if state.crash is not None:
        raise state.crash


def _time_out(state: RunState, timer: Timer, seconds: float) -> None:
    """Stop a run whose timeout has expired, and abandon the calls that exceed the grace period."""

    def abandon_calls() -> None:
        now = time.perf_counter_ns()
        for attempt in state.open_attempts():
            if now - attempt.began >= GRACE_PERIOD_S * 1e9:  # an ``always`` node may have started after the timeout
                attempt.abandon(attempt, seconds)
        timer.at(now + int(GRACE_PERIOD_S * 1e9 / 10), abandon_calls)

    state.time_out(seconds)
    timer.at(time.perf_counter_ns() + int(GRACE_PERIOD_S * 1e9), abandon_calls)


def _policy(seed: int | None) -> Policy:
    return Policy() if seed is None else SeededPolicy(seed)


def _mark_stolen(task: Task) -> None:
    task.stolen = True


def _new_loop(caller: Context) -> "LoopThread":
    from taskrunner.nodes.event_loop import LoopThread  # required by async nodes and commands only

    return LoopThread(context_factory(caller))


def _run_pool(pool: Pool, state: RunState, roots: list[Task]) -> None:
    """Start the pool and wait for it; on an exception, such as one from a program's signal handler, stop the run."""
    try:
        pool.start(roots)
        pool.join()
    except BaseException as error:
        state.record_crash(error)
        pool.join()
        raise


def _enqueue_roots(plan: Plan, router: LocalRouter, now: int) -> list[Task]:
    """Route the tasks without dependencies; return those that the pool distributes to its workers in turn."""
    pool_tasks: list[Task] = []
    for task in plan.roots():
        task.ready_at = now
        if task.is_routed:
            router.route(task, pool_tasks.append)
        else:
            pool_tasks.append(task)
    return pool_tasks


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
