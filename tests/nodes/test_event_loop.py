import asyncio
import threading

from taskrunner.nodes.context import Cancellation
from taskrunner.nodes.event_loop import LoopThread


def test_what_is_submitted_runs_on_one_thread_of_its_own():
    loop, seen, done = LoopThread(), set(), threading.Semaphore(0)

    async def note():
        seen.add(threading.get_ident())
        done.release()

    loop.start()
    for _ in range(20):
        loop.submit(note)
    for _ in range(20):
        assert done.acquire(timeout=10)
    loop.stop()
    assert len(seen) == 1
    assert threading.get_ident() not in seen


def test_cancel_all_reaches_what_waits():
    loop, started, cancelled = LoopThread(), threading.Event(), threading.Event()

    async def wait():
        with loop.cancellable(Cancellation(threading.Event())):
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()

    loop.start()
    loop.submit(wait)
    assert started.wait(10)
    loop.cancel_all()
    assert cancelled.wait(10)
    loop.stop()
    assert loop.loop.is_closed()
