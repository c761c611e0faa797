"""One worker of an executor: it runs tasks, and while one of them waits for another one, it helps.

Waiting inside a task
---------------------
A worker that only slept while its task waits could sleep for ever: what it waits for may be queued
behind it. So it does what it can, in this order:

1. The awaited task is queued: run it here and now, wherever in the pool it is queued.
2. It runs in another worker: run a task that belongs to the wait. That is one that the waiting task has
   submitted (from the worker's own deque, newest first), or one that the awaited task has submitted (from
   the deque of the worker that runs it, oldest first: Wagner and Calder, "Leapfrogging: a portable
   technique for implementing efficient futures", 1993).
3. There is none: sleep until the awaited task is done, or its worker pushes something.

A task that is run in this way is claimed where it lies. Its husk stays in the deque, and whoever takes
it out finds nothing to do. A worker takes husks off the end of its own deque.

Why only these and not any queued task: what is run here lies on top of the waiting task, which cannot go
on before it returns. If it waits in turn for something that lies below it, neither ends, though the
program may be sound: let ``a`` wait for a part of itself that runs elsewhere, and run ``b`` on top of it,
which was submitted with ``a`` as its argument. With step 1, each task on a stack waits for the one above
it. So workers that all wait for each other are tasks that wait for each other in a circle, which nobody
can run. With step 2 the same holds for programs whose tasks wait for what they submit.

How deep
--------
What is run here stands on this thread's stack, so waits can nest as deep as Python's recursion limit
allows. Deeper, a wait for a queued task raises RecursionError, before it has claimed anything: HEADROOM
frames are kept back, so that a task that was claimed can be brought to its end. Step 2 is just left out.

The words that are shared
-------------------------
``_base`` and ``_nested`` are written by the worker's own thread. Other workers look in them for the one
that runs a task: it is in one of the two, and at one place there, from before it is claimed until after it
is done.

``watchers``, a dict, is changed by anybody, one atomic operation at a time. A watcher announces itself and
then looks at the deque; a pusher pushes and then looks at the watchers: as a sleeper and a pusher do in
``pool/parking.py``. Should both miss each other, a worker helps less; nobody waits for ever, since the end
of the awaited task wakes it under the rules of ``pool/future.py``.

``items``, a deque, is read at any place by anybody: an atomic operation, too. What was found there may
have been taken meanwhile; the claim decides.
"""

import contextlib
import itertools
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures._base import LOGGER
from dataclasses import dataclass, field
from typing import Any

from taskrunner.futures.future import CURRENT, Args, Kwargs, TaskFuture
from taskrunner.futures.waiting import Deadline, HelpingEvent
from taskrunner.pool.local_queue import LocalQueue
from taskrunner.pool.platform import Lock
from taskrunner.pool.worker import Execute

STACK_HEADROOM = 16
MAX_LOOK_BACK = 64
GLOBAL_QUEUE_INTERVAL = 61


@dataclass(frozen=True, slots=True)
class SharedState:
    """What the workers of one executor share: the injector holds tasks from outside, in their order."""

    injector: deque[TaskFuture]
    locks: tuple[Lock, ...]
    workers: list["TaskWorker"] = field(default_factory=list)


class TaskWorker:
    """A worker, as its tasks and the other workers see it. ``gate`` is a lock of its own, acquired."""

    def __init__(self, shared: SharedState, find_queue: Callable[[], LocalQueue], gate: Lock) -> None:
        self.items: deque[Any] = deque()
        self.locks = shared.locks
        self.watchers: dict[TaskWorker, None] = {}
        self._shared = shared
        self._find_queue = find_queue
        self._queue: LocalQueue
        self._gate = gate
        self._lock_set = frozenset(shared.locks)
        self._next_lock = itertools.cycle(shared.locks).__next__
        self._base: TaskFuture | None = None
        self._nested: list[TaskFuture] = []
        self._own_wake = self.wake  # one object, by which a future knows it again

    def bind(self) -> Execute:
        """Return what the hot loop calls with each item.

        It goes on with the worker's own tasks, and with those from outside when there are none. Every
        TURNS-th time it is the other way round, so that neither waits for ever: to return nothing sends the
        loop round by all queues.
        """
        turn = 0
        mine: deque[Any] | None = None
        take = self._shared.injector.popleft

        def execute(item: Any) -> Any:
            nonlocal mine, turn
            if mine is None:
                mine = self._arrive()
            self._base = item
            try:
                following = item.run()
            except BaseException:  # noqa: BLE001  a callback's; the worker goes on
                LOGGER.critical("Exception in worker", exc_info=True)
                following = None
            if following is not None:
                return following
            turn += 1
            if turn == GLOBAL_QUEUE_INTERVAL:
                turn = 0
                is_next = bool(mine)
            else:
                is_next = not mine
            if is_next:
                try:
                    return take()
                except IndexError:
                    pass
            self._base = None  # keeps no result alive
            return None

        return execute

    def _arrive(self) -> deque[Any]:
        self._queue = self._find_queue()
        self.items = self._queue.items
        CURRENT.helper = self
        return self.items

    # -- called by the tasks that run here -----------------------------------------------------------

    def submit(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> TaskFuture:
        """Make a task of a call, and push it to the worker's own deque."""
        current = self._nested[-1] if self._nested else self._base
        parent = None if current is None else weakref.ref(current)
        future = TaskFuture(self._next_lock(), fn, args, kwargs, parent)
        self._queue.push(future)
        while self.watchers:
            try:
                self.watchers.popitem()[0].wake()
            except KeyError:  # it went by itself
                break
        return future

    def leave(self, item: Any) -> None:
        """Put an item into the own deque, and wake nobody for it."""
        self.items.append(item)

    def join(self, future: TaskFuture, timeout: float | None) -> float | None:
        """Run tasks until a future is done or the time is up; return what is left of the time.

        The time is looked at between tasks. With no time at all, and for a future of another executor,
        nothing is run.

        Raises:
            RecursionError: the future's task is queued, and there is no room on the stack to run it.

        """
        if not future.shares(self._lock_set):
            return timeout
        if timeout is None and future.is_pending():  # mostly so; the rest is the same, in general
            self.run_queued(future)
            if future.done():
                return None
        clock = Deadline(timeout)
        while not future.done() and not clock.is_up():
            if future.is_pending():
                self.run_queued(future)
            elif task := self._related_task(future):
                self._run_inside(task)
            else:
                self._sleep(future, clock)
        return clock.left()

    def assist(self, waiter: Any, future: TaskFuture) -> None:
        """Have a waiter of ``concurrent.futures``, which waits for a future, run queued tasks before it sleeps."""
        if not future.shares(self._lock_set):
            return
        if type(waiter.event) is threading.Event:
            waiter.event = HelpingEvent(self.run_queued)
        if isinstance(waiter.event, HelpingEvent):
            waiter.event.add(future)

    def run_queued(self, task: TaskFuture) -> None:
        """Run a task that the current one waits for, unless somebody else has claimed it.

        Raises:
            RecursionError: there is no room on the stack to run it.

        """
        if not has_headroom():
            raise RecursionError("too many tasks wait for each other inside one thread")
        self._run_inside(task)

    def _run_inside(self, task: TaskFuture) -> None:
        self._clear_end(task)
        self._nested.append(task)
        try:
            task.run()
        except BaseException:  # noqa: BLE001  a callback's, not for the task that waits
            LOGGER.critical("Exception in worker", exc_info=True)
        finally:
            self._nested.pop()

    def _clear_end(self, task: TaskFuture | None) -> None:
        """Take husks off the end of the own deque, and the task that is about to run."""
        items = self.items
        try:
            while items and (items[-1] is task or not items[-1].is_pending()):
                items.pop()  # still the same: thieves take from the other end
        except IndexError:  # a thief took the last one
            pass

    def _related_task(self, future: TaskFuture) -> TaskFuture | None:
        """Return a queued task that belongs to the wait for a running one, if there is room to run it."""
        if not has_headroom():
            return None
        return self._own_child() or self._child_of(future)

    def _own_child(self) -> TaskFuture | None:
        """Return the newest task of the own deque, if the waiting task has submitted it."""
        self._clear_end(None)
        current = self._nested[-1] if self._nested else self._base
        newest = self.peek(1)
        return newest if newest and current and newest.descends_from(current) else None

    def _child_of(self, future: TaskFuture) -> TaskFuture | None:
        """Return the oldest task that a running one has submitted, from the deque of the worker that runs it.

        All that it has submitted stands together at the end, and has husks in it.
        """
        runner = self._runner_of(future)
        if runner is None or runner is self:
            return None
        oldest = None
        for place in range(1, MAX_LOOK_BACK):
            task = runner.peek(place)
            if task is None or not task.descends_from(future):
                break
            if task.is_pending():
                oldest = task
        return oldest

    def _sleep(self, future: TaskFuture, clock: Deadline) -> None:
        """Sleep until a future is done, the worker that runs it has pushed something, or the time is up."""
        future.wake_when_done(self._own_wake)
        runner = self._runner_of(future)
        if runner is None:  # it has just ended, or a stranger runs it
            self._gate.acquire(timeout=clock.left_for_lock())
            return
        runner.watchers[self] = None  # announce first,
        try:
            if not future.done() and self._child_of(future) is None:  # then look again
                self._gate.acquire(timeout=clock.left_for_lock())
        finally:
            runner.watchers.pop(self, None)

    # -- called by anybody ---------------------------------------------------------------------------

    def wake(self, _: object = None) -> None:
        """End the worker's sleep, or its next one if it is awake: then it looks again for nothing."""
        with contextlib.suppress(RuntimeError):  # open already
            self._gate.release()

    def is_running(self, task: TaskFuture) -> bool:
        """Say whether the worker runs a task, or another one on top of it."""
        return task is self._base or any(task is nested for nested in self._nested)

    def _runner_of(self, task: TaskFuture) -> "TaskWorker | None":
        return next((worker for worker in self._shared.workers if worker.is_running(task)), None)

    def peek(self, place: int) -> TaskFuture | None:
        """Return the task at a place of the deque, counted from its end."""
        try:
            item = self.items[-place]
        except IndexError:
            return None
        return item if isinstance(item, TaskFuture) else None


def has_headroom() -> bool:
    """Say whether a task can be run here, and be brought to its end whatever happens in it."""
    try:
        sys._getframe(sys.getrecursionlimit() - STACK_HEADROOM)  # noqa: SLF001  nothing else counts frames
    except ValueError:  # the stack is not so deep
        return True
    return False
