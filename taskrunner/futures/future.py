"""A task and the future of its result: one object, with no condition of its own until somebody needs one.

Most of what ``concurrent.futures.Future`` costs is the condition that each makes for itself. Nearly no
future needs it: when somebody asks for the result, it is there. So this one makes its condition when it
is first asked for, and until then shares a lock with some other futures.

The words that are shared
-------------------------
``_state``, ``_result``, ``_exception`` and the callbacks are written

* while there is no condition: holding ``_lock``, the shared lock;
* from then on: holding the condition.

``_made_condition`` is written once, holding ``_lock``. So who holds ``_lock`` and finds no condition has
the future for itself: whoever wants the condition must take ``_lock`` to make it. And who finds a
condition lets go of ``_lock`` and takes the condition: nobody changes the state without it any more. What
was written before the condition was made is seen by all who hold it, since its maker held ``_lock`` after
the writer did.

``_lock`` is a leaf: nothing foreign is called and nothing else is taken while it is held, so futures can
share it in any way, and ``wait``, which takes many conditions at once, holds it no longer than it takes to
find a condition. It is re-entrant, as the condition is: a finalizer that the collector runs between two
steps may touch a future that shares it.

Whatever happens after a condition was made is left to the base class, so that ``wait``, ``as_completed``
and whoever else reaches into a future find there what they expect.

Read without a lock
-------------------
* ``_state``, one word. A future that is done stays done, and one that runs will never be pending or
  cancelled: what is concluded from these states holds, however old they are.
* ``_result`` and ``_exception``, after ``_state`` was read as FINISHED. They are stored before it. On
  CPython 3.13 free-threaded each store is a release and each load an acquire (``Python/structmember.c``,
  ``PyMember_SetOne`` and ``PyMember_GetOne``; ``Objects/dictobject.c``, ``store_instance_attr_lock_held``
  and ``_PyObject_TryGetInstanceAttribute``); with a GIL, the interpreter orders them. From 3.14 on the
  standard library reads them in the same way (``Future._get_snapshot``).
* ``_fn``, ``_args``, ``_kwargs`` and ``_parent``: written before the future is put into a queue, whose own
  lock hands them on. The first three are dropped by the thread that claims the task, which is one: the
  step out of PENDING is made under the rules above.

What is stored for every task has a slot, and the rest has a default on the class: on 3.13t, where nothing
is specialised, that is what attributes cost least.
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
TAKEN = (RUNNING, FINISHED, CANCELLED_AND_NOTIFIED)

type Args = tuple[Any, ...]
type Kwargs = dict[str, Any]


class Helper(Protocol):
    """A worker of a pool, as the tasks see it that it runs."""

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The locks that the futures of its pool share."""

    def submit(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> "TaskFuture":
        """Make a task of a call, and queue it."""

    def leave(self, item: Any) -> None:
        """Put an item where the worker finds it before it parks; take no lock."""

    def join(self, future: "TaskFuture", timeout: float | None) -> float | None:
        """Run tasks until a future is done or the time is up; return what is left of the time."""

    def assist(self, waiter: Any, future: "TaskFuture") -> None:
        """Have a waiter of ``concurrent.futures``, which waits for a future, run tasks before it sleeps."""


class PerThread(threading.local):
    """What a thread knows of itself: which worker it is, if it is one."""

    helper: Helper | None = None


CURRENT = PerThread()


class TaskFuture(Future[Any]):
    """A call to make, and the future of its result.

    ``lock`` is re-entrant, and other futures may share it. ``parent`` is the task that submitted this one;
    it is not kept alive, nor is what it returned.
    """

    __slots__ = ("_args", "_fn", "_lock", "_result", "_state")

    _exception: BaseException | None = None
    _kwargs: Kwargs | None = None
    _parent: "weakref.ref[TaskFuture] | None" = None
    _made_condition: threading.Condition | None = None
    _made_waiters: list[Any] | None = None
    _made_callbacks: list[Callable[[Any], object]] | None = None

    def __init__(
        self,
        lock: Lock,
        fn: Callable[..., Any],
        args: Args,
        kwargs: Kwargs,
        parent: "weakref.ref[TaskFuture] | None" = None,
    ) -> None:
        # Not the base's: it would make a condition.
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
        """Make the call, unless somebody else has claimed the task or it was cancelled."""
        lock = self._lock
        with lock:
            claimed = self._state is PENDING and self._made_condition is None
            if claimed:
                self._state = RUNNING
        if not claimed and not self.claim():
            return
        kwargs = self._kwargs
        try:
            result = self._fn(*self._args) if kwargs is None else self._fn(*self._args, **kwargs)
        except BaseException as error:  # noqa: BLE001  it is the result
            self._drop_call()
            self.set_exception(error)
            del self, kwargs  # the error knows this frame
            return
        self._fn = self._args = None
        if kwargs is not None:
            self._kwargs = None
        with lock:
            finished = self._state is RUNNING and self._made_condition is None
            if finished:
                self._result = result
                self._state = FINISHED
        if not finished:
            self.set_result(result)
        elif self._made_callbacks is not None:
            self._invoke_callbacks()  # type: ignore[attr-defined]  # not in the stubs

    def claim(self) -> bool:
        """Claim the task if nobody has; tell those who wait for it if it was cancelled. Say whether it was claimed."""
        if self._state in TAKEN:
            return False
        with self._condition:
            if self._state in TAKEN:
                return False
            if self._state is CANCELLED:
                self._drop_call()
            return self.set_running_or_notify_cancel()

    def is_pending(self) -> bool:
        """Say whether nobody has claimed the task yet."""
        return self._state is PENDING

    def shares(self, locks: AbstractSet[Lock]) -> bool:
        """Say whether the future's lock is one of these."""
        return self._lock in locks

    def descends_from(self, ancestor: "TaskFuture") -> bool:
        """Say whether a task submitted this one, by itself or through others that are still there."""
        parent = self._parent
        while parent is not None and (task := parent()) is not None:
            if task is ancestor:
                return True
            parent = task._parent  # noqa: SLF001  of the same class
        return False

    def wake_when_done(self, wake: Callable[[Any], object]) -> None:
        """Have ``wake`` called when the future is done, before other callbacks; given twice, it is called once."""
        with self._condition:
            if self._state not in DONE:
                callbacks = self._done_callbacks
                if not any(callback is wake for callback in callbacks):
                    callbacks.insert(0, wake)
                return
        wake(self)

    def _drop_call(self) -> None:
        self._fn = self._args = self._kwargs = None

    # -- for everybody -----------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Any:
        """Return the call's result; in a task, run other tasks until it is there."""
        if self._state is not FINISHED and (helper := CURRENT.helper) is not None:
            timeout = helper.join(self, timeout)
        if self._state is FINISHED and self._exception is None:
            return self._result
        try:
            return super().result(timeout)
        finally:
            del self  # the error that is raised knows this frame

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the call's exception, or None; in a task, run other tasks until the call has ended."""
        if self._state is not FINISHED and (helper := CURRENT.helper) is not None:
            timeout = helper.join(self, timeout)
        if self._state is FINISHED:
            return self._exception
        return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancel the call unless it runs or has ended; say whether it is cancelled."""
        if self._state is RUNNING or self._state is FINISHED:
            return False
        with self._lock:
            cancelled = self._state is PENDING and self._made_condition is None
            if cancelled:
                self._state = CANCELLED
        if not cancelled:
            return super().cancel()
        if self._made_callbacks is not None:
            self._invoke_callbacks()  # type: ignore[attr-defined]  # not in the stubs
        return True

    def cancelled(self) -> bool:
        """Say whether the call was cancelled."""
        return self._state is CANCELLED or self._state is CANCELLED_AND_NOTIFIED

    def running(self) -> bool:
        """Say whether the call is being made."""
        return self._state is RUNNING

    def done(self) -> bool:
        """Say whether the call has ended or was cancelled."""
        return self._state in DONE

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Have ``fn`` called with the future when it is done, at once if it is."""
        with self._lock:
            added = self._made_condition is None and self._state not in DONE
            if added:
                self._done_callbacks.append(fn)
        if not added:
            super().add_done_callback(fn)

    def set_exception(self, exception: BaseException | None) -> None:
        """End the call with an exception; for executors."""
        with self._condition:
            if self._state not in DONE:
                self._result = None  # a slot has no default, and a snapshot reads both
        super().set_exception(exception)

    # -- what the base class keeps in its instances, made when it is needed ------------------------

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]  # an attribute there
        with self._lock:
            condition = self._made_condition
            if condition is None:
                condition = self._made_condition = threading.Condition()
            return condition

    @property
    def _done_callbacks(self) -> list[Callable[[Any], object]]:
        callbacks = self._made_callbacks
        if callbacks is None:
            callbacks = self._made_callbacks = []
        return callbacks

    @property
    def _waiters(self) -> Any:  # type: ignore[override]  # an attribute there
        waiters = self._made_waiters
        if waiters is None:
            waiters = self._made_waiters = []
        helper = CURRENT.helper
        return waiters if helper is None else AssistedWaiters(waiters, self, helper)


class AssistedWaiters:
    """The waiters of a future, in the hands of a worker: those that it adds run tasks before they sleep."""

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
        """Take a waiter out again."""
        self._waiters.remove(waiter)
