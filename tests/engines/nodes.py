"""What the graphs of these tests call: it is imported here and by the workers of the clusters, under this name."""

import asyncio
import decimal
import fcntl
import os
import sys
import threading
import time
import uuid
from contextvars import ContextVar
from pathlib import Path

import msgspec

import taskrunner

# Seconds that something may wait for another process at most.
BOUND = 60.0


class Pair(msgspec.Struct):
    left: int
    right: int


class TwoPartsError(Exception):
    """It cannot be made anew from what it hands to ``Exception``."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.first, self.second = first, second


class ClosedError(Exception):
    """It cannot be pickled."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class WorseError(OSError):
    pass


class Harsh(BaseException):
    pass


def give(value=None):
    return value


def many(*args, **kwargs):
    return [list(args), kwargs]


def add(*numbers):
    return sum(numbers)


def double(number):
    return 2 * number


def count_to(number):
    return list(range(number))


def row(number):
    return [number, number + 1]


def total(values):
    return sum(sum(value) if isinstance(value, list) else value for value in values)


def pair():
    return Pair(1, 2)


def table():
    return {"rows": [{"a": 1}, {"a": 2}], "pair": Pair(3, 4)}


def texts(count, size):
    """Return texts that together are too much to travel with a report."""
    return [f"{number:04}" * (size // 4) for number in range(count)]


def things(count):
    """Return what no journal can keep."""
    return [complex(number, 1) for number in range(count)]


def generated(count):
    yield from range(count)


def big(size):
    return bytes(size)


def size_of(value):
    return len(value)


def function(number):
    """Return what cannot be pickled, though cloudpickle can."""
    return lambda: number


def lock():
    return threading.Lock()


class Held(list):
    """A list that stays where it is."""

    def __reduce__(self):
        raise TypeError("cannot pickle a list that stays where it is")


def held(count):
    return Held(range(count))


def name_of_slowly(value):
    time.sleep(0.02)
    return type(value).__name__


def name_of(value):
    return type(value).__name__


def call_it(value):
    return value()


# -- context variables ---------------------------------------------------------------------------------

VARIABLE: ContextVar[str] = ContextVar("variable", default="default")


def change_context(*_):
    """Return what is in the context, and change it."""
    context = decimal.getcontext()
    before = [VARIABLE.get(), context.prec, str(context.divide(1, 3))]
    VARIABLE.set("changed")
    context.prec = 5
    return before


def change_context_once(folder, name):
    before = change_context()
    path = Path(folder, name)
    if not path.exists():
        path.touch()
        raise ValueError("the first time")
    return before


async def change_context_async(*_):
    before = change_context()
    await asyncio.sleep(0)
    return before


async def change_context_in_executor(*_):
    return await asyncio.get_running_loop().run_in_executor(None, change_context)


def address_of_worker(*_):
    from distributed import get_worker  # noqa: PLC0415  the client needs no Dask to import this module

    return get_worker().address


async def address_of_worker_async(*_):
    return address_of_worker()


# -- failures ------------------------------------------------------------------------------------------


def fail(*args):
    raise ValueError("no luck", *args)


def fail_with(kind):
    make = {
        "two": lambda: TwoPartsError(1, b"2"),
        "closed": lambda: ClosedError("the door"),
        "exit": lambda: SystemExit(3),
        "harsh": lambda: Harsh("so be it"),
        "interrupt": KeyboardInterrupt,
        "worse": lambda: WorseError(5, "input/output"),
        "group": lambda: ExceptionGroup("several", [ValueError("one"), OSError("two")]),
        "huge": lambda: ValueError("x" * 200_000),
        "surrogate": lambda: ValueError("\ud800"),
        "cancelled": lambda: asyncio.CancelledError("by itself"),
        "timeout": lambda: TimeoutError("its own"),
        "stop": lambda: StopIteration(1),
    }
    error = make[kind]()
    raise error


def fail_because():
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("so it goes") from error


async def fail_async(kind):
    await asyncio.sleep(0)
    fail_with(kind)


def at_third_call(folder, name, kind="worse"):
    """Fail until it is called for the third time."""
    number = note(folder, name)
    if number < 3:
        fail_with(kind)
    return number


async def at_third_await(folder, name):
    await asyncio.sleep(0)
    return at_third_call(folder, name)


def unless(path, value, *_):
    if Path(path).exists():
        raise ValueError("not yet")
    return value


# -- files are signals, counters and locks between processes -------------------------------------------


def note(folder, name):
    """Count a call; return how many there were of this name."""
    with open(Path(folder) / f"calls-{name}", "ab", buffering=0) as file:  # noqa: PTH123
        file.write(b"x")
        return file.tell()


def noted(folder, name, value=None, *_):
    note(folder, name)
    return value


async def wait_for_async(path):
    end = time.monotonic() + BOUND
    while not os.path.exists(path):  # noqa: ASYNC240, PTH110
        if time.monotonic() > end:
            raise TimeoutError(path)
        await asyncio.sleep(0.01)


def touch(path):
    Path(path).touch()


def wait_for(path):
    """Wait until a file is there."""
    end = time.monotonic() + BOUND
    while not os.path.exists(path):  # noqa: PTH110
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.002)


def meet(folder, name, count):
    """Wait until so many of this name are here at once."""
    folder = Path(folder)
    (folder / f"{name}-{uuid.uuid4()}").touch()
    end = time.monotonic() + BOUND
    while len(list(folder.glob(f"{name}-*"))) < count:
        if time.monotonic() > end:
            raise TimeoutError(name)
        time.sleep(0.002)
    return True


async def meet_async(folder, name, count, item=None):
    touch(Path(folder) / f"{name}-{uuid.uuid4()}")
    end = time.monotonic() + BOUND
    while len([file for file in os.listdir(folder) if file.startswith(name)]) < count:  # noqa: PTH208
        if time.monotonic() > end:
            raise TimeoutError(name)
        await asyncio.sleep(0.005)
    return item


def alone(path, item=None):
    """Hold a lock for a moment; fail if another process or thread has it."""
    with open(path, "wb") as file:  # noqa: PTH123
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.02)
    return item


def in_order(folder, name):
    """Write a name down behind those before it."""
    with open(Path(folder) / "order", "ab", buffering=0) as file:  # noqa: PTH123
        file.write(name.encode() + b"\n")


# -- what takes long, and what a function may ask about itself ------------------------------------------


def until_cancelled(folder=None):
    """Wait until nobody waits for this any more, and say so."""
    here = taskrunner.current()
    is_over = here.sleep(BOUND)
    if folder:
        (Path(folder) / "cancelled").write_text(f"{here.node} {here.attempt} {not is_over} {here.cancelled}")


async def forever(folder=None):
    try:
        await asyncio.sleep(BOUND)
    except asyncio.CancelledError:
        if folder:
            touch(Path(folder) / "cancelled")
        raise


async def stubborn():
    try:
        await asyncio.sleep(BOUND)
    except asyncio.CancelledError:
        return "not cancelled"


async def look_in_a_thread():
    return await asyncio.to_thread(until_cancelled)


def short_at_third(folder):
    if note(folder, "short") < 3:
        until_cancelled()
    return "short"


def who(*_):
    here = taskrunner.current()
    return [here.node, here.attempt, here.cancelled]


async def who_async(*_):
    await asyncio.sleep(0)
    in_thread = await asyncio.to_thread(who)
    return [who(), in_thread]


def touch_and_wait(started, path, value=None, *_):
    touch(started)
    wait_for(path)
    return value


# -- where it runs ---------------------------------------------------------------------------------------


def pid(*_):
    return os.getpid()


def touch_pid_and_wait(started, path, *_):
    """Say who has begun, and wait."""
    part = Path(f"{started}.part")
    part.write_text(str(os.getpid()))
    part.rename(started)
    wait_for(path)
    return os.getpid()


def die(*_):
    os.kill(os.getpid(), 9)


def die_once(path):
    """End this process, unless that has been done before."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "alive"
    os.kill(os.getpid(), 9)
    raise AssertionError("unreachable")


def is_imported(name):
    return name in sys.modules


def meet_and_lock(folder, name, count):
    """Return what cannot be moved, made when all the others are being made as well: on different workers."""
    meet(folder, name, count)
    return threading.Lock()


def meet_and_hide(folder, name, count):
    """Return what cannot be moved either, which does not show at first sight."""
    meet(folder, name, count)
    return [*range(5_000), threading.Lock()]


def locks(count):
    return [threading.Lock() for _ in range(count)]


def meet_and_note(folder, name, count):
    """Count a call, and return once all are being made: on different workers. When it is made again, it is alone."""
    if note(folder, name) == 1:
        meet(folder, "met", count)
    return name


def noted_big(folder, name, size, *_):
    note(folder, name)
    return bytes(size)


def unless_noted(path, folder, name, value, *_):
    unless(path, value)
    return noted(folder, name, value)


def bigs(count, size):
    return [bytes(size) for _ in range(count)]


def joined_size(*parts):
    return sum(map(len, parts))


def meet_and_make(folder, count, size):
    meet(folder, "made", count)
    return {"data": bytes(size), "pid": os.getpid()}


def meet_and_pid(folder, count, *_):
    meet(folder, "pid", count)
    return os.getpid()


def pid_with(*_, more=None):  # noqa: ARG001
    return os.getpid()


def pids(earlier=()):
    return [*earlier, os.getpid()]


class Closed:
    """It can be pickled, and then no more."""

    def __reduce__(self):
        return stay_closed, ()


def stay_closed():
    raise ValueError("it stays closed")


def meet_and_close(folder, name, count):
    meet(folder, name, count)
    return Closed()


# -- random graphs -------------------------------------------------------------------------------------------


def compute(number, fails, item, *parts):
    """Return a small number that every part decides on."""
    if fails:
        raise ValueError(f"{number} {item}")
    values = [sum(part) if isinstance(part, list) else -1 if part is None else part for part in parts]
    return (sum((place + 2) * value for place, value in enumerate(values)) + number + 3 * (item or 0)) % 101


async def compute_async(number, fails, item, *parts):
    await asyncio.sleep(0)
    return compute(number, fails, item, *parts)


def width(value):
    return list(range((sum(value) if isinstance(value, list) else value or 0) % 4))
