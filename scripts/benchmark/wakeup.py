"""How long a sleeping thread takes to start an item that another one makes ready.

What the other one does then matters: if it sleeps, its processor is free for the thread that wakes; if
it goes on computing, the operating system must find another one. Both are measured.
"""

import math
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

import taskrunner
from benchmark.bodies import busy
from benchmark.figure import in_turn
from taskrunner.pool.parking import BACKSTOP_S
from taskrunner.pool.platform import Platform
from taskrunner.pool.pool import Pool

ASLEEP_S = 0.02
AFTER_S = 0.01

type After = Callable[..., object]


@dataclass
class Wakeup:
    """The wake-up times of one side; ``after`` is what the waking thread does next."""

    side: str
    after: str
    take: Callable[[int, After], list[float]]
    seconds: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The median of all repeats."""
        return statistics.median(self.seconds)

    @property
    def p90_s(self) -> float:
        """What nine in ten repeats do not exceed."""
        return sorted(self.seconds)[math.ceil(len(self.seconds) * 0.9) - 1]

    def as_json(self) -> dict[str, Any]:
        """Return the raw numbers and what follows from them."""
        times = {"seconds": self.seconds, "median_s": self.median_s, "p90_s": self.p90_s}
        return {"side": self.side, "after": self.after} | times


def runner(repeats: int, after: After) -> list[float]:
    """Let a node sleep and then make two nodes ready: its own worker takes one, the other must be woken.

    The two are long enough for the sleeping worker to come in time. Of each two the later start counts.
    """
    graph = taskrunner.Graph("wake-up")
    pairs: list[tuple[str, str]] = []
    last: list[taskrunner.Handle] = []
    for _ in range(repeats):
        pause = graph.call(time.sleep, ASLEEP_S, needs=last)
        last = [graph.call(after, AFTER_S, needs=pause), graph.call(after, AFTER_S, needs=pause)]
        pairs.append((last[0].id, last[1].id))
    queued = {node.node: node.queued_s for node in taskrunner.run(graph, workers=2).timing}
    return [max(queued[one], queued[other]) for one, other in pairs]


class TimedLock:
    """A lock that notes when it was released last, and when somebody who had to wait for it got it."""

    def __init__(self, found: list[float]) -> None:
        self._lock = threading.Lock()
        self._found = found
        self._released = 0.0

    def release(self) -> None:
        """Release the lock, and note when."""
        self._released = time.perf_counter()
        self._lock.release()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT002  a lock's own form
        """Acquire the lock; who had to wait as a sleeping worker does notes how long the waking took."""
        has_it = self._lock.acquire(blocking, timeout)
        if has_it and timeout == BACKSTOP_S and self._released:
            self._found.append(time.perf_counter() - self._released)
        return has_it

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


class TimedPlatform(Platform):
    """A platform whose locks are timed."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def lock(self) -> Any:
        """Return a timed lock."""
        return TimedLock(self.found)


def thread(repeats: int, after: After) -> list[float]:
    """Measure the system's part of the runner's wake-up: from the release of a worker's gate to its waking."""
    found: list[float] = []

    def bind(_worker: int, push: Callable[[str], None]) -> Callable[[str], str | None]:
        def execute(item: str) -> str | None:
            if item == "pause":
                time.sleep(ASLEEP_S)
                push("one")
                return "other"
            after(AFTER_S)
            return None

        return execute

    for _ in range(repeats):
        platform = TimedPlatform()
        pool = Pool(2, bind, platform=platform)
        pool.start(["pause"])
        pool.join()
        found += platform.found[:1]  # what follows is the going home
    return found


def executor(repeats: int, after: After) -> list[float]:
    """Submit to a ``ThreadPoolExecutor`` whose thread sleeps."""
    found: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.perf_counter).result()
        for _ in range(repeats):
            time.sleep(ASLEEP_S)
            before = time.perf_counter()
            started = pool.submit(time.perf_counter)
            after(AFTER_S)
            found.append(started.result() - before)
    return found


def queue(repeats: int, after: After) -> list[float]:
    """Put into a ``SimpleQueue`` on which a thread waits: about what any pool in Python must pay."""
    given: SimpleQueue[float] = SimpleQueue()
    found: list[float] = []

    def wait() -> None:
        for _ in range(repeats):
            before = given.get()
            found.append(time.perf_counter() - before)

    thread = Thread(target=wait)
    thread.start()
    for _ in range(repeats):
        time.sleep(ASLEEP_S)
        given.put(time.perf_counter())
        after(AFTER_S)
    thread.join()
    return found


AFTER: dict[str, After] = {"sleeps": time.sleep, "computes": busy}
SIDES = {"taskrunner": runner, "its thread alone": thread, "ThreadPoolExecutor": executor, "SimpleQueue": queue}


def measure(repeats: int, rounds: int) -> list[Wakeup]:
    """Measure all sides in turn, so many repeats in all."""
    found = [Wakeup(side, after, take) for after in AFTER for side, take in SIDES.items()]
    rounds = min(rounds, repeats)
    for number in range(rounds):
        now = repeats * (number + 1) // rounds - repeats * number // rounds
        for side in in_turn(found, number):
            side.seconds += side.take(now, AFTER[side.after])
    return found if repeats else []
