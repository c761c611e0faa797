"""Task future: a task and the future of its result in one object, which creates its condition lazily.

Cost: most of the cost of a ``concurrent.futures.Future`` is the condition that each instance creates. Hardly any future
needs it: the result is usually available when the caller asks for it. So this class creates the condition on
first access. Until then the future uses a lock that it shares with some other futures.

Guarantees:

* Every thread that holds the condition sees all writes that preceded the creation of the condition. The creator of the
  condition held ``_lock`` after the writer did.
* A thread that holds ``_lock`` and finds no condition has exclusive access to the future. A thread that needs the
  condition must first acquire ``_lock`` to create it.
* A thread that finds a condition releases ``_lock`` and acquires the condition. From then on no thread changes the
  state without it.
* After the creation of the condition, the base class does everything. So ``wait``, ``as_completed`` and other code that
  accesses the internals of a future find the state that they expect.

Assumes:

* ``_lock`` is a leaf lock. While a thread holds it, the thread calls no foreign code and acquires no other lock. So
  futures can share it in any combination. ``wait``, which acquires many conditions at once, holds ``_lock`` only
  to find a condition.
* ``_lock`` is re-entrant, as the condition is. A finalizer that the garbage collector runs between two steps may access
  a future that shares the lock.

Shared state
------------
``_state``, ``_result``, ``_exception`` and the callbacks are written

* before the condition exists: while holding ``_lock``, the shared lock;
* from then on: while holding the condition.

``_lazy_condition`` is written once, while holding ``_lock``.

Reads without a lock
--------------------
* ``_state``: one word. A future that is done stays done, and a running one never becomes pending or cancelled. So a
  conclusion from these states holds, however old the value is.
* ``_result`` and ``_exception``: after ``_state`` was read as FINISHED. They are stored before it. On CPython 3.13
  free-threaded each store is a release and each load an acquire (``Python/structmember.c``, ``PyMember_SetOne`` and
  ``PyMember_GetOne``; ``Objects/dictobject.c``, ``store_instance_attr_lock_held`` and
  ``_PyObject_TryGetInstanceAttribute``). With a GIL, the interpreter orders them. From 3.14 on the
  standard library reads them in the same way (``Future._get_snapshot``).
* ``_fn``, ``_args``, ``_kwargs`` and ``_parent``: written before the future is put into a queue, whose own
  lock publishes them. The thread that claims the task drops the first three. There is only one such thread,
  because the transition out of PENDING follows the rules above.

Attributes that every task stores have a slot, and all others have a class-level default. On 3.13t, which does not
specialize attribute access, this layout has the lowest cost.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import Any, Protocol

from taskrunner.pool.platform import Lock

DONE = (CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED)
CLAIMED = (RUNNING, FINISHED, CANCELLED_AND_NOTIFIED)

type Args = tuple[Any, ...]
type Kwargs = dict[str, Any]


class Helper(Protocol):
    """Interface of a pool's worker for the tasks that it runs."""

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The locks that the futures of the worker's pool share."""

    def submit(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> "TaskFuture":
        """Create a task for a call, and enqueue it."""

    def push_silently(self, item: Any) -> None:
        """Enqueue an item that the worker finds before it parks; acquire no lock."""

    def join(self, future: "TaskFuture", timeout: float | None) -> float | None:
        """Run tasks until a future is done or the timeout expires; return the remaining time."""

    def assist(self, waiter: Any, future: "TaskFuture") -> None:
        """Make a ``concurrent.futures`` waiter for a future run tasks before it blocks."""


class PerThread(threading.local):
    """Thread-local state: the worker that the thread is, or None."""

    helper: Helper | None = None


CURRENT = PerThread()


class TaskFuture(Future[Any]):
    """A deferred call, and the future of its result.

    ``lock`` is re-entrant, and other futures may share it. ``parent`` is the task that submitted this one. The future
    keeps neither the parent nor the parent's result alive.
    """

    __slots__ = ("_args", "_fn", "_lock", "_result", "_state")

    _exception: BaseException | None = None
    _kwargs: Kwargs | None = None
    _parent: "weakref.ref[TaskFuture] | None" = None
    _lazy_condition: threading.Condition | None = None
    _lazy_waiters: list[Any] | None = None
    _lazy_callbacks: list[Callable[[Any], object]] | None = None

    def __init__(
        self,
        lock: Lock,
        fn: Callable[..., Any],
        args: Args,
        kwargs: Kwargs,
        parent: "weakref.ref[TaskFuture] | None" = None,
    ) -> None:
        # Without the base class's __init__: it would create a condition.
        self._lock = lock
        self._state = PENDING
        self._fn: Any = fn
        self._args: Any = args
        if kwargs:
            self._kwargs = kwargs
        if parent is not None:
            self._parent = parent

    # -- for the pool ------------------------------------------------------------------------------

    def run(self) -> None:
        """Make the call, unless another thread has claimed the task or it was cancelled."""
        lock = self._lock
        with lock:
            claimed = self._state is PENDING and self._lazy_condition is None
            if claimed:
                self._state = RUNNING
        if not claimed and not self.claim():
            return
        kwargs = self._kwargs
        try:
            result = self._fn(*self._args) if kwargs is None else self._fn(*self._args, **kwargs)
        except BaseException as error:  # noqa: BLE001  it becomes the outcome
            self._drop_call()
            self.set_exception(error)
            del self, kwargs  # the traceback of the error references this frame
            return
        self._fn = self._args = None
        if kwargs is not None:
            self._kwargs = None
        with lock:
            finished = self._state is RUNNING and self._lazy_condition is None
            if finished:
                self._result = result
                self._state = FINISHED
        if not finished:
            self.set_result(result)
        elif self._lazy_callbacks is not None:
            self._invoke_callbacks()  # type: ignore[attr-defined]  # not in the stubs

    def claim(self) -> bool:
        """Claim the task unless another thread has, and return whether this call claimed it.

        If the task was cancelled, notify the threads that wait for it.
        """
        if self._state in CLAIMED:
            return False
        with self._condition:
            if self._state in CLAIMED:
                return False
            if self._state is CANCELLED:
                self._drop_call()
            return self.set_running_or_notify_cancel()

    def is_pending(self) -> bool:
        """Return whether the task is still unclaimed."""
        return self._state is PENDING

    def shares(self, locks: AbstractSet[Lock]) -> bool:
        """Return whether the future's lock is one of these."""
        return self._lock in locks

    def descends_from(self, ancestor: "TaskFuture") -> bool:
        """Return whether a task submitted this one, directly or through other tasks that still exist."""
        parent = self._parent
        while parent is not None and (task := parent()) is not None:
            if task is ancestor:
                return True
            parent = task._parent  # noqa: SLF001  of the same class
        return False

    def wake_when_done(self, wake: Callable[[Any], object]) -> None:
        """Call ``wake`` when the future is done, before other callbacks; registered twice, it is called once."""
        with self._condition:
            if self._state not in DONE:
                callbacks = self._done_callbacks
                if not any(callback is wake for callback in callbacks):
                    callbacks.insert(0, wake)
                return
        wake(self)

    def _drop_call(self) -> None:
        self._fn = self._args = self._kwargs = None

    # -- for any thread ----------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Any:
        """Return the call's result; in a task, run other tasks until it is available."""
        if self._state is not FINISHED and (helper := CURRENT.helper) is not None:
            timeout = helper.join(self, timeout)
        if self._state is FINISHED and self._exception is None:
            return self._result
        try:
            return super().result(timeout)
        finally:
            del self  # the traceback of the raised error references this frame

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the call's exception, or None; in a task, run other tasks until the call has ended."""
        if self._state is not FINISHED and (helper := CURRENT.helper) is not None:
            timeout = helper.join(self, timeout)
        if self._state is FINISHED:
            return self._exception
        return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancel the call unless it runs or has ended; return whether it is cancelled."""
        if self._state is RUNNING or self._state is FINISHED:
            return False
        with self._lock:
            cancelled = self._state is PENDING and self._lazy_condition is None
            if cancelled:
                self._state = CANCELLED
        if not cancelled:
            return super().cancel()
        if self._lazy_callbacks is not None:
            self._invoke_callbacks()  # type: ignore[attr-defined]  # not in the stubs
        return True

    def cancelled(self) -> bool:
        """Return whether the call was cancelled."""
        return self._state is CANCELLED or self._state is CANCELLED_AND_NOTIFIED

    def running(self) -> bool:
        """Return whether the call is running."""
        return self._state is RUNNING

    def done(self) -> bool:
        """Return whether the call has ended or was cancelled."""
        return self._state in DONE

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Call ``fn`` with the future when it is done, or immediately if it already is."""
        with self._lock:
            added = self._lazy_condition is None and self._state not in DONE
            if added:
                self._done_callbacks.append(fn)
        if not added:
            super().add_done_callback(fn)

    def set_exception(self, exception: BaseException | None) -> None:
        """Complete the call with an exception; for executors."""
        with self._condition:
            if self._state not in DONE:
                self._result = None  # a slot has no default, and a snapshot reads both
        super().set_exception(exception)

    # -- instance attributes of the base class, created lazily -------------------------------------

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]  # an attribute in the base class
        with self._lock:
            condition = self._lazy_condition
            if condition is None:
                condition = self._lazy_condition = threading.Condition()
            return condition

    @property
    def _done_callbacks(self) -> list[Callable[[Any], object]]:
        callbacks = self._lazy_callbacks
        if callbacks is None:
            callbacks = self._lazy_callbacks = []
        return callbacks

    @property
    def _waiters(self) -> Any:  # type: ignore[override]  # an attribute in the base class
        waiters = self._lazy_waiters
        if waiters is None:
            waiters = self._lazy_waiters = []
        helper = CURRENT.helper
        return waiters if helper is None else AssistedWaiters(waiters, self, helper)


class AssistedWaiters:
    """The waiters of a future, as a worker accesses them: waiters that it adds run tasks before they block."""

    def __init__(self, waiters: list[Any], future: TaskFuture, helper: Helper) -> None:
        self._waiters = waiters
        self._future = future
        self._helper = helper

    def __iter__(self) -> Iterator[Any]:
        return iter(self._waiters)

    def append(self, waiter: Any) -> None:
        """Add a waiter."""
        self._helper.assist(waiter, self._future)
        self._waiters.append(waiter)

    def remove(self, waiter: Any) -> None:
        """Remove a waiter."""
        self._waiters.remove(waiter)
