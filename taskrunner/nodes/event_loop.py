"""Shared event loop: one thread on which all async nodes and all commands wait."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any

from taskrunner.errors import InternalError
from taskrunner.nodes.context import Cancellation


class ContextExecutor(ThreadPoolExecutor):
    """Thread pool that runs each call in a copy of its caller's context, as ``asyncio.to_thread`` does."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call; no later call on its thread sees the context variables that it sets."""
        return super().submit(copy_context().run, function, *args, **kwargs)


class LoopThread:
    """An asyncio event loop in a separate thread.

    Each submitted coroutine runs in a new context, which ``new_context`` returns. All coroutines share the threads of
    ``run_in_executor``, so these calls are isolated as well.

    Thread safety:

    - Any thread may call ``submit`` and ``cancel_all``, and so may a signal handler. Both enter the loop only
      through ``call_soon_threadsafe``.
    - Only the loop's thread accesses the two collections. ``_tasks`` keeps running asyncio tasks from being collected.
      ``_cancellable`` maps the asyncio tasks that ``cancel_all`` cancels to the cancellations of their attempts.
    """

    def __init__(self, new_context: Callable[[], Context] = Context) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(ContextExecutor(thread_name_prefix="asyncio"))
        self._new_context = new_context
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancellable: dict[asyncio.Task[Any], Cancellation] = {}
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="taskrunner-loop", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the coroutine that ``make`` returns; it must handle its own errors."""
        self.loop.call_soon_threadsafe(self._create, make, context=self._new_context())

    @contextlib.contextmanager
    def cancellable(self, cancellation: Cancellation) -> Iterator[None]:
        """Allow ``cancel_all`` to cancel the asyncio task that enters this context, which the task then has seen.

        An asyncio task that has not begun is never cancelled from outside. Its coroutine would be closed
        without a step, and a thread that waits for its end would wait forever.
        """
        task = asyncio.current_task()
        if task is None:
            raise InternalError("outside of an asyncio task")
        self._cancellable[task] = cancellation
        try:
            yield
        finally:
            del self._cancellable[task]

    def cancel_all(self) -> None:
        """Cancel all cancellable asyncio tasks; a closed loop has none."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._cancel)

    def stop(self) -> None:
        """Stop the loop and end its thread; call it when all submitted coroutines are done."""
        self.loop.call_soon_threadsafe(self._shut_down)
        while self._thread.is_alive():
            self._thread.join(1.0)

    def _create(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.loop.create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _shut_down(self) -> None:
        self._is_stopping = True
        self.loop.stop()

    def _cancel(self) -> None:
        for task, cancellation in list(self._cancellable.items()):
            cancellation.is_seen = True  # the task is suspended, so asyncio raises CancelledError where it waits
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            while not self._is_stopping:
                # asyncio raises these two out of the loop, and also passes them to the waiters of the asyncio task
                with contextlib.suppress(SystemExit, KeyboardInterrupt):
                    self.loop.run_forever()
            self._cancel_stray_tasks()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()

    def _cancel_stray_tasks(self) -> None:
        """Cancel the asyncio tasks that user functions left behind, as ``asyncio.run`` does."""
        strays = asyncio.all_tasks(self.loop)
        for task in strays:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*strays, return_exceptions=True))
