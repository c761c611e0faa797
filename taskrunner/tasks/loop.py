"""The shared event loop: one thread on which every async node and every command waits."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class LoopThread:
    """An asyncio event loop in a thread of its own.

    ``submit`` may be called by any thread: ``call_soon_threadsafe`` is the one entry. ``_tasks`` is
    touched on the loop's thread alone.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="taskrunner-loop", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the coroutine that ``make`` returns; it must handle its own errors."""
        self.loop.call_soon_threadsafe(self._create, make)

    def cancel_all(self) -> None:
        """Cancel everything that runs."""
        self.loop.call_soon_threadsafe(self._cancel)

    def stop(self) -> None:
        """Stop the loop, when all that was submitted is done, and end the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        while self._thread.is_alive():
            self._thread.join(1.0)

    def _create(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.loop.create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()
