"""Signal handlers of a run: the first signal stops the run, the second one ends the process."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from taskrunner.execution.state import RunState
from taskrunner.system.process_groups import kill_all

# SIGHUP arrives when a terminal is closed. nohup sets it to ignored, and the run leaves it ignored.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interrupts(state: RunState) -> Iterator[None]:
    """Stop the run on SIGNALS: gracefully on the first signal, at once on the second.

    The handler raises no exception: one raised directly after a thread's start can leave its ``join``
    hanging (CPython issue 150873). Handlers that the program has installed itself stay in effect.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        if not state.signal:
            state.interrupt(number)
        elif number != signal.SIGHUP:  # the shell and the kernel both send it, so a repeated one is not a request
            state.exit_now()
            kill_all()
            os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    replaced = {n: h for n, h in previous.items() if h in (signal.default_int_handler, signal.SIG_DFL)}
    for number in replaced:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
