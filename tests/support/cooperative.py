"""A platform that steps the pool through interleavings, and items to run on it."""

import contextlib
import random
import threading
from collections import deque

import pytest

from taskrunner.pool.parking import Parking
from taskrunner.pool.platform import Platform
from taskrunner.pool.pool import Pool

STAY = (0.0, 0.5, 0.9)
RANKED = 0.8
DEMOTED = (0.01, 0.02, 0.04)
STEPS_AT_MOST = 100_000
SHOWN = 60


class TornDownError(BaseException):
    """Raised in a stepped thread after another one has failed: it has to end."""


class Stepped:
    """One thread of a cooperative platform; ``turn`` is released when it may go on."""

    def __init__(self, name, rank):
        self.name = name
        self.rank = rank
        self.turn = threading.Lock()
        self.turn.acquire()
        self.waits_for = None
        self.timed = False

    def can_go_on(self):
        return self.waits_for is None or not self.waits_for.held


class Cooperative(Platform):
    """A platform whose threads run one at a time, in an order that a seed decides.

    Before each operation on a lock, a deque or a flag the running thread hands over to a thread
    drawn from those that are not blocked. Time does not pass: when all are blocked, and one of them
    waits with a time-out, then only that time-out would have helped it: a lost wake-up.

    A thread that was not spawned here is not stepped: it sets up before ``run``, looks afterwards.
    """

    def __init__(self, seed):
        self.trace = []
        self.threads = []
        self._random = random.Random(seed)  # noqa: S311
        # Some seeds draw a thread at every step, some let each run for longer, some rank the threads
        # and now and then send the running one to the end (Burckhardt et al., "A randomized
        # scheduler with probabilistic guarantees of finding bugs", 2010).
        self._stay = self._random.choice(STAY)
        self._is_ranked = self._random.random() < RANKED
        self._demoted = self._random.choice(DEMOTED)
        self._lowest = 0.0
        self._alive = []
        self._made = dict.fromkeys(("lock", "deque", "flags"), 0)
        self._local = threading.local()
        self._failure = None
        self._ended = threading.Lock()
        self._ended.acquire()

    # -- what the pool takes ---------------------------------------------------------------------

    def lock(self):
        return SteppedLock(self, self._name("lock"))

    def deque(self):
        made = SteppedDeque()
        made.before = self.step
        made.name = self._name("deque")
        return made

    def flags(self, size):
        made = SteppedFlags([0] * size)
        made.before = self.step
        made.name = self._name("flags")
        return made

    def spawn(self, target, name):
        """Make a thread, which begins when ``run`` is called."""
        stepped = Stepped(name, self._random.random())
        self._alive.append(stepped)
        thread = threading.Thread(target=self._live, args=(stepped, target), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    # -- what a test takes -----------------------------------------------------------------------

    def run(self):
        """Step all threads to their end; raise what went wrong in any."""
        self._next().turn.release()
        self._ended.acquire()
        for thread in self.threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def step(self, label):
        """Let another thread go first, perhaps; note what the calling one does next."""
        me = self._me()
        if me is None:
            return
        self._hand_over(me)
        self.trace.append(f"{me.name}: {label}")
        if len(self.trace) > STEPS_AT_MOST:
            self._fail(AssertionError(f"no end after {STEPS_AT_MOST} steps"))
            raise TornDownError

    def wait(self, lock, *, timed):
        """Block the calling thread until a lock is free."""
        me = self._me()
        assert me is not None, f"{lock.name} is held, and nobody is left to release it"
        me.waits_for, me.timed = lock, timed
        self._hand_over(me)
        me.waits_for = None

    # -- the scheduler ---------------------------------------------------------------------------

    def _name(self, kind):
        self._made[kind] += 1
        return f"{kind}-{self._made[kind] - 1}"

    def _me(self):
        return getattr(self._local, "stepped", None)

    def _hand_over(self, me):
        if self._failure is not None:
            raise TornDownError
        if self._stays(me):
            return
        chosen = self._next()
        if chosen is me:
            return
        if chosen is not None:
            chosen.turn.release()
            me.turn.acquire()
        if self._failure is not None:
            raise TornDownError

    def _stays(self, me):
        if not self._is_ranked:
            return me.can_go_on() and self._random.random() < self._stay
        if self._random.random() < self._demoted:
            self._lowest -= 1
            me.rank = self._lowest
        return False

    def _next(self):
        ready = [stepped for stepped in self._alive if stepped.can_go_on()]
        if ready:
            return max(ready, key=lambda stepped: stepped.rank) if self._is_ranked else self._random.choice(ready)
        self._fail(AssertionError(self._describe()))
        return None

    def _describe(self):
        what = "lost wake-up" if any(stepped.timed for stepped in self._alive) else "deadlock"
        waiting = ", ".join(f"{stepped.name} waits for {stepped.waits_for.name}" for stepped in self._alive)
        return "\n".join((f"{what}: {waiting}; the last steps:", *self.trace[-SHOWN:]))

    def _fail(self, error):
        self._failure = error
        for stepped in self._alive:
            if stepped is not self._me():
                stepped.turn.release()

    def _live(self, stepped, target):
        stepped.turn.acquire()
        self._local.stepped = stepped
        try:
            target()
        except TornDownError:
            pass
        except BaseException as error:  # noqa: BLE001  run raises it
            if self._failure is None:
                self._fail(error)
        self._leave(stepped)

    def _leave(self, stepped):
        if self._failure is not None:  # all end now, at once and in any order; run joins each
            with contextlib.suppress(RuntimeError):
                self._ended.release()
            return
        self._alive.remove(stepped)
        if not self._alive:
            self._ended.release()
        elif (chosen := self._next()) is not None:
            chosen.turn.release()
        else:  # the others wait for each other, and have been told to end
            with contextlib.suppress(RuntimeError):
                self._ended.release()


class SteppedLock:
    """A lock that is stepped, and whose time-outs never end by themselves."""

    def __init__(self, platform, name):
        self.platform = platform
        self.name = name
        self.held = False

    def acquire(self, blocking=True, timeout=-1):  # noqa: FBT002
        self.platform.step(f"acquire {self.name}")
        while self.held:
            if not blocking:
                return False
            self.platform.wait(self, timed=timeout >= 0)
        self.held = True
        return True

    def release(self):
        self.platform.step(f"release {self.name}")
        if not self.held:
            raise RuntimeError("release unlocked lock")
        self.held = False

    def __enter__(self):
        return self.acquire()

    def __exit__(self, kind, error, trace, /):
        self.release()


class SteppedDeque(deque):
    """A deque that is stepped. ``before`` and ``name`` are set by who makes it."""

    def append(self, item):
        self.before(f"{self.name}.append({item!r})")
        super().append(item)

    def extend(self, items):
        self.before(f"{self.name}.extend")
        super().extend(items)

    def pop(self):
        self.before(f"{self.name}.pop")
        return super().pop()

    def popleft(self):
        self.before(f"{self.name}.popleft")
        return super().popleft()

    def __len__(self):  # `if mine` and len(theirs) come here, too
        self.before(f"len({self.name})")
        return super().__len__()


class SteppedFlags(list):
    """Flags that are stepped."""

    def __getitem__(self, index):
        self.before(f"read {self.name}[{index}]")
        return super().__getitem__(index)

    def __setitem__(self, index, value):
        self.before(f"{self.name}[{index}] = {value}")
        super().__setitem__(index, value)


class Work:
    """Items for a pool: ``follow(item)`` says what becomes ready by an item; ``ran`` notes who ran it.

    ``ran`` is shared: ``list.append`` is atomic. ``visit`` is called with each item before the rest.
    """

    def __init__(self, follow=lambda _: (), visit=lambda _: None):
        self.follow = follow
        self.visit = visit
        self.ran = []

    def bind(self, worker, push):
        def execute(item):
            self.visit(item)
            self.ran.append((worker, item))
            ready = self.follow(item)
            for other in ready[1:]:
                push(other)
            return ready[0] if ready else None

        return execute

    @property
    def items(self):
        return [item for _, item in self.ran]


def lost():
    raise AssertionError("the backstop found work")


@pytest.fixture(scope="session")
def work():
    """The class of items to run."""
    return Work


@pytest.fixture(scope="session")
def cooperative():
    """The class of platforms that step their threads."""
    return Cooperative


@pytest.fixture(scope="session")
def step_through():
    """Run items on a stepped pool to its end, beside clients that are given the pool."""

    def run(platform, workers, work, items=(), clients=(), on_steal=lambda _: None, policy=None):
        more = {"on_steal": on_steal, "on_lost_wakeup": lost, "policy": policy}
        pool = Pool(workers, work.bind, platform=platform, **more)
        for number, client in enumerate(clients):
            pool.hold()
            platform.spawn(_holding(pool, client), f"client-{number}")
        pool.start(items)
        platform.run()
        pool.join()

    return run


def _holding(pool, client):
    def act():
        client(pool)
        pool.release()

    return act


@pytest.fixture(scope="session")
def run_pool():
    """Run items on a pool of real threads."""

    def run(workers, work, items=()):
        pool = Pool(workers, work.bind, on_lost_wakeup=lost)
        pool.start(items)
        pool.join()

    return run


@pytest.fixture
def use_parking(monkeypatch):
    """Have pools use another class for Parking, to break it."""

    def use(broken):
        assert issubclass(broken, Parking)
        monkeypatch.setattr("taskrunner.pool.pool.Parking", broken)

    return use
