"""Signals."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from taskrunner.execution.state import RunState
from taskrunner.system.process_groups import kill_all

# The last one comes when a terminal is closed; nohup has it ignored, and so it stays.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interrupts(state: RunState) -> Iterator[None]:
    """Let these signals stop the run: the first in good order, the second at once.

    The handler raises nothing: an exception in the instant after a thread's start can leave its
    ``join`` hanging (CPython issue 150873). Handlers that the program has set itself stay.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the handler's form
        if not state.signal:
            state.interrupt(number)
        elif number != signal.SIGHUP:  # a shell and the system both send it: that is nobody's second wish
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
