"""Task worker: one worker of an executor, which helps with other tasks while its current task waits.

Waits inside a task
-------------------
A worker that only sleeps while its task waits could sleep forever: the awaited task may be queued behind the waiting
task. So the worker performs the first possible step of these:

1. The awaited task is queued: run it immediately on this worker, wherever in the pool it is queued.
2. Another worker runs the awaited task: run a task that is related to the wait. There are two kinds. The waiting task
   has submitted it (from the worker's own deque, newest first). Or the awaited task has submitted it (from the deque of
   the worker that runs the awaited task, oldest first: Wagner and Calder, "Leapfrogging: a portable technique for
   implementing efficient futures", 1993).
3. There is no such task: sleep until the awaited task is done, or its worker pushes an item.

A worker claims such a task at its position in the deque. A stale entry remains there, and the worker that dequeues it
has nothing to run. A worker removes stale entries from the end of the deque that it owns.

Why only related tasks, and not any queued task:

* A helped task runs above the waiting task on the stack, which cannot continue before the helped task returns. If the
  helped task in turn waits for a task below it, neither ends, though the program may be sound.
* Example: ``a`` waits for a part of itself that runs on another worker, and runs ``b`` above itself. ``b`` was
  submitted with ``a`` as its argument.
* With step 1, each task on a stack waits for the one above it. So workers that all wait for each other are tasks that
  wait for each other in a cycle. No scheduler can run such a program.
* With step 2, the same holds for programs whose tasks wait for the tasks that they submit.

Depth
-----
A helped task uses this thread's stack, so waits can nest as deep as Python's recursion limit allows. Beyond this depth,
a wait for a queued task raises RecursionError before it has claimed the task. STACK_HEADROOM frames are reserved, so
that a claimed task can always be completed. Step 2 is skipped at this depth.

Shared state
------------
The worker's own thread writes ``_base`` and ``_nested``. Other workers search them to find the worker that runs a task.
A task is in one of the two, at a fixed position, from before it is claimed until after it is done.

``watchers`` is a dict that any thread changes, one atomic operation at a time. A watcher announces itself and
then checks the deque. A pusher pushes and then checks the watchers. This is the order of the idle worker and the pusher
in ``pool/parking.py``. If both miss each other, a worker helps less. No worker waits forever, because the end of the
awaited task wakes it under the rules of ``futures/future.py``.

``items`` is a deque that any thread reads at any position, also by an atomic operation. Another thread may have taken
the task in the meantime; the claim decides.
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

# Stack frames that are reserved to complete a claimed task.
STACK_HEADROOM = 16
# The search for a related task ends before this position, counted from the end of a deque.
MAX_LOOK_BACK = 64
# Executed items after which a worker inverts the preference between its own tasks and tasks from outside.
GLOBAL_QUEUE_INTERVAL = 61


@dataclass(frozen=True, slots=True)
class SharedState:
    """State shared by the workers of one executor. ``injector`` holds the tasks from outside, in submission order."""

    injector: deque[TaskFuture]
    locks: tuple[Lock, ...]
    workers: list["TaskWorker"] = field(default_factory=list)


class TaskWorker:
    """A worker, with the interface for its tasks and for the other workers.

    ``wake_lock`` is the worker's own wake-up lock, acquired in advance.
    """

    def __init__(self, shared: SharedState, find_queue: Callable[[], LocalQueue], wake_lock: Lock) -> None:
        self.items: deque[Any] = deque()
        self.locks = shared.locks
        self.watchers: dict[TaskWorker, None] = {}
        self._shared = shared
        self._find_queue = find_queue
        self._queue: LocalQueue
        self._wake_lock = wake_lock
        self._lock_set = frozenset(shared.locks)
        self._next_lock = itertools.cycle(shared.locks).__next__
        self._base: TaskFuture | None = None
        self._nested: list[TaskFuture] = []
        self._wake_callback = self.wake  # one object, so that a future recognizes a repeated registration

    def bind(self) -> Execute:
        """Return the function that the hot loop calls with each item.

        It continues with the worker's own tasks, and with tasks from outside when there are none. After every
        GLOBAL_QUEUE_INTERVAL items the preference is inverted once, so that neither kind starves. If the function
        returns None, the loop checks all queues.
        """
        count = 0
        items: deque[Any] | None = None
        take_injected = self._shared.injector.popleft

        def execute(item: Any) -> Any:
            nonlocal items, count
            if items is None:
                items = self._attach_to_thread()
            self._base = item
            try:
                next_task = item.run()
            except BaseException:  # noqa: BLE001  raised by a callback; the worker continues
                LOGGER.critical("Exception in worker", exc_info=True)
                next_task = None
            if next_task is not None:
                return next_task
            count += 1
            if count == GLOBAL_QUEUE_INTERVAL:
                count = 0
                is_injector_first = bool(items)
            else:
                is_injector_first = not items
            if is_injector_first:
                try:
                    return take_injected()
                except IndexError:
                    pass
            self._base = None  # keeps no result alive
            return None

        return execute

    def _attach_to_thread(self) -> deque[Any]:
        self._queue = self._find_queue()
        self.items = self._queue.items
        CURRENT.helper = self
        return self.items

    # -- called by the tasks that this worker runs ---------------------------------------------------

    def submit(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> TaskFuture:
        """Create a task for a call, and push it onto the worker's own deque."""
        current = self._nested[-1] if self._nested else self._base
        parent = None if current is None else weakref.ref(current)
        future = TaskFuture(self._next_lock(), fn, args, kwargs, parent)
        self._queue.push(future)
        while self.watchers:
            try:
                self.watchers.popitem()[0].wake()
            except KeyError:  # the last watcher removed itself
                break
        return future

    def push_silently(self, item: Any) -> None:
        """Push an item onto the worker's own deque, and wake no worker for it."""
        self.items.append(item)

    def join(self, future: TaskFuture, timeout: float | None) -> float | None:
        """Run tasks until a future is done or the timeout expires; return the remaining time.

        The deadline is checked between tasks. No task runs if the timeout is zero, or if the future belongs to another
        executor.

        Raises:
            RecursionError: the future's task is queued, and the stack has no space to run it.

        """
        if not future.shares(self._lock_set):
            return timeout
        if timeout is None and future.is_pending():  # the common case; the loop below handles it as well
            self.run_queued(future)
            if future.done():
                return None
        deadline = Deadline(timeout)
        while not future.done() and not deadline.has_passed():
            if future.is_pending():
                self.run_queued(future)
            elif task := self._find_related_task(future):
                self._run_inside(task)
            else:
                self._sleep(future, deadline)
        return deadline.remaining()

    def assist(self, waiter: Any, future: TaskFuture) -> None:
        """Make a ``concurrent.futures`` waiter for a future run queued tasks before it blocks."""
        if not future.shares(self._lock_set):
            return
        if type(waiter.event) is threading.Event:
            waiter.event = HelpingEvent(self.run_queued)
        if isinstance(waiter.event, HelpingEvent):
            waiter.event.add(future)

    def run_queued(self, task: TaskFuture) -> None:
        """Run a task that the current one waits for, unless another thread has claimed it.

        Raises:
            RecursionError: the stack has no space to run the task.

        """
        if not has_headroom():
            raise RecursionError("too many tasks wait for each other inside one thread")
        self._run_inside(task)

    def _run_inside(self, task: TaskFuture) -> None:
        self._drop_stale_entries(task)
        self._nested.append(task)
        try:
            task.run()
        except BaseException:  # noqa: BLE001  raised by a callback; it does not concern the waiting task
            LOGGER.critical("Exception in worker", exc_info=True)
        finally:
            self._nested.pop()

    def _drop_stale_entries(self, task: TaskFuture | None) -> None:
        """Remove stale entries from the end of the worker's own deque, and the task that is about to run."""
        items = self.items
        try:
            while items and (items[-1] is task or not items[-1].is_pending()):
                items.pop()  # still the checked entry: thieves take from the other end
        except IndexError:  # a thief took the last entry
            pass

    def _find_related_task(self, future: TaskFuture) -> TaskFuture | None:
        """Return a queued task that is related to the wait for a running one, if the stack has space to run it."""
        if not has_headroom():
            return None
        return self._find_own_child() or self._find_child_of(future)

    def _find_own_child(self) -> TaskFuture | None:
        """Return the newest task of the worker's own deque, if the waiting task has submitted it."""
        self._drop_stale_entries(None)
        current = self._nested[-1] if self._nested else self._base
        newest = self.peek(1)
        return newest if newest and current and newest.descends_from(current) else None

    def _find_child_of(self, future: TaskFuture) -> TaskFuture | None:
        """Return the oldest task that a running one has submitted, from the deque of the worker that runs it.

        Its submissions are contiguous at the end of the deque, and may include stale entries.
        """
        runner = self._find_runner_of(future)
        if runner is None or runner is self:
            return None
        oldest = None
        for position in range(1, MAX_LOOK_BACK):
            task = runner.peek(position)
            if task is None or not task.descends_from(future):
                break
            if task.is_pending():
                oldest = task
        return oldest

    def _sleep(self, future: TaskFuture, deadline: Deadline) -> None:
        """Sleep until a future is done, the worker that runs it has pushed an item, or the deadline has passed."""
        future.wake_when_done(self._wake_callback)
        runner = self._find_runner_of(future)
        if runner is None:  # it has just ended, or a thread outside the pool runs it
            self._wake_lock.acquire(timeout=deadline.lock_timeout())
            return
        runner.watchers[self] = None  # announce first,
        try:
            if not future.done() and self._find_child_of(future) is None:  # then recheck
                self._wake_lock.acquire(timeout=deadline.lock_timeout())
        finally:
            runner.watchers.pop(self, None)

    # -- called by any thread ------------------------------------------------------------------------

    def wake(self, _: object = None) -> None:
        """End the worker's sleep, or its next sleep if it is awake; that wake-up is then spurious."""
        with contextlib.suppress(RuntimeError):  # already released
            self._wake_lock.release()

    def is_running(self, task: TaskFuture) -> bool:
        """Return whether the worker runs a task, or another one above it on the stack."""
        return task is self._base or any(task is nested for nested in self._nested)

    def _find_runner_of(self, task: TaskFuture) -> "TaskWorker | None":
        return next((worker for worker in self._shared.workers if worker.is_running(task)), None)

    def peek(self, position: int) -> TaskFuture | None:
        """Return the task at a position of the deque, counted from its end."""
        try:
            item = self.items[-position]
        except IndexError:
            return None
        return item if isinstance(item, TaskFuture) else None


def has_headroom() -> bool:
    """Return whether the stack of this thread has space to run a task and to complete it in any case."""
    try:
        sys._getframe(sys.getrecursionlimit() - STACK_HEADROOM)  # noqa: SLF001  no public function counts frames
    except ValueError:  # the stack has fewer frames
        return True
    return False
