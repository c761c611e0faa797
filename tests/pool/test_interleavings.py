"""The pool, stepped through interleavings that seeds choose: every item once, nobody asleep beside work.

Time does not pass here. A sleeper that only its slow time-out would wake is a failure, also while
the others are busy: "busy" is an item that waits for another one.
"""

import contextlib
import random
import threading
from collections import Counter

import pytest

from taskrunner.pool.parking import EXIT, IDLE, RETRY, Parking
from taskrunner.pool.policy import SeededPolicy

WORKERS = (1, 2, 3, 4)
SEEDS = 40
MEETINGS = 200
ROUNDS = 6


def tree(size):
    return lambda item: [i for i in (2 * item + 1, 2 * item + 2) if i < size]


def chain(size):
    return lambda item: [item + 1] if item + 1 < size else []


def fan(size):
    return lambda item: list(range(1, size)) if item == 0 else []


SHAPES = {"tree": tree, "chain": chain, "fan": fan}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_item_runs_once(cooperative, step_through, work, shape, workers):
    for seed in range(SEEDS):
        done = work(SHAPES[shape](12))
        step_through(cooperative(seed), workers, done, [0])
        assert sorted(done.items) == list(range(12)), seed


@pytest.mark.parametrize("workers", WORKERS)
def test_nothing_to_do_goes_home(cooperative, step_through, work, workers):
    for seed in range(SEEDS):
        done = work()
        step_through(cooperative(seed), workers, done)
        assert done.items == []


@pytest.mark.parametrize("workers", WORKERS)
def test_items_put_from_outside_run_once(cooperative, step_through, work, workers):
    """Two clients put items of all priorities, each item followed by a small tree."""

    def client(numbers):
        def act(pool):
            for number in numbers:
                pool.inject(number * 10, number % 3 - 1)

        return act

    for seed in range(SEEDS):
        done = work(lambda item: [item + 1, item + 2, item + 3] if item % 10 == 0 else [])
        step_through(cooperative(seed), workers, done, [0, 10], [client((2, 3, 4)), client((5, 6, 7))])
        assert sorted(done.items) == [tens + ones for tens in range(0, 80, 10) for ones in range(4)], seed


class Thefts:
    """Notes who told of which stolen item, and which items were taken from the old end of a worker's deque."""

    def __init__(self, platform):
        self._platform = platform
        self._deques = []
        self.taken = Counter()
        self.told = []
        self.done = None
        make = platform.deque

        def deque():
            made = make()
            take = made.popleft

            def popleft():
                item = take()
                self.taken[item] += 1
                return item

            made.popleft = popleft
            self._deques.append(made)
            return made

        platform.deque = deque

    def tell(self, item):
        self.told.append((threading.current_thread().name, item))
        for _ in range(2):
            assert item not in self.done.items, "it was told too late: it has run"
            assert not any(item in deque for deque in self._deques), "it was told too late: others can take it"
            self._platform.step(f"tell {item}")


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("shape", ["tree", "fan"])
def test_each_theft_is_told_once_by_the_thief_before_anybody_else_can_take_the_item(
    cooperative, step_through, work, shape, workers
):
    class Noting(work):
        def bind(self, worker, push):
            execute = super().bind(worker, push)

            def execute_and_note(item):
                self.made_by.update(dict.fromkeys(self.follow(item), worker))
                return execute(item)

            return execute_and_note

    seen = Counter()
    for seed in range(SEEDS):
        platform = cooperative(seed)
        thefts = Thefts(platform)
        thefts.done = done = Noting(SHAPES[shape](40))
        done.made_by = {0: 0}
        step_through(platform, workers, done, [0], on_steal=thefts.tell)
        assert sorted(done.items) == list(range(40)), seed
        assert Counter(item for _, item in thefts.told) == thefts.taken, seed
        last = {item: thief for thief, item in thefts.told}
        for worker, item in done.ran:
            assert f"taskrunner-{worker}" == last.get(item, f"taskrunner-{done.made_by[item]}"), seed
        seen += Counter(thefts.taken.values())
    assert seen[1] > 2 * SEEDS
    assert workers == 2 or seen[2], "no item was stolen twice"


@pytest.mark.parametrize("workers", WORKERS)
def test_what_comes_through_the_inbox_is_no_theft(cooperative, step_through, work, workers):
    def client(pool):
        for number in range(6):
            pool.inject(number, number % 3 - 1)

    for seed in range(SEEDS):
        told, done = [], work()
        step_through(cooperative(seed), workers, done, [], [client], on_steal=told.append)
        assert (sorted(done.items), told) == (list(range(6)), []), seed


class Loop:
    """Where items go that leave the pool; each comes back as another item, 100 higher."""

    def __init__(self, platform):
        self._items = platform.deque()
        self._posted = platform.lock()
        self._posted.acquire()
        self.pool = None

    def take(self, item):
        self.pool.hold()
        self._items.append(item)
        with contextlib.suppress(RuntimeError):  # posted already
            self._posted.release()

    def serve(self, count):
        while count:
            self._posted.acquire()
            while self._items:
                self.pool.inject(self._items.popleft() + 100, 0)
                self.pool.release()
                count -= 1


@pytest.mark.parametrize("workers", WORKERS)
def test_held_work_comes_back(cooperative, step_through, work, workers):
    """As items do that run on an event loop."""
    leaving = 6
    for seed in range(SEEDS):
        platform = cooperative(seed)
        loop = Loop(platform)

        def client(pool, loop=loop):
            loop.pool = pool
            pool.inject(0, 0)
            loop.serve(leaving)

        def visit(item, loop=loop):
            if item < leaving:
                loop.take(item)

        done = work(lambda item: [item + 1, item + 50] if item < leaving - 1 else [], visit)
        step_through(platform, workers, done, [], [client])
        assert sorted(done.items) == [*range(6), *range(50, 55), *range(100, 106)], seed


def test_one_worker_runs_urgent_items_first_and_negative_ones_last(cooperative, step_through, work):
    for seed in range(SEEDS):
        pools = []

        def client(pool, pools=pools):
            pools.append(pool)
            pool.inject(0, 0)

        def visit(item, pools=pools):
            if item == 0:
                for other, priority in ((11, 0), (12, 2), (13, -1), (14, 2)):
                    pools[0].inject(other, priority)

        done = work(chain(4), visit)
        step_through(cooperative(seed), 1, done, [], [client])
        assert done.items == [0, 12, 14, 11, 1, 2, 3, 13], seed


class Meetings:
    """Rounds of items that wait for each other: they end only if every worker is awake.

    A round has one member for each worker, which waits until all members have come, and some small
    items that wait for nothing. Starters push them, a few at a time in a drawn order. The first
    member starts the next round.
    """

    def __init__(self, platform, workers, rounds, seed):
        self._platform = platform
        self._workers = workers
        self._rounds = rounds
        self._random = random.Random(seed)  # noqa: S311
        self._came = Counter()
        self._unpushed = {}
        self._doors = {}
        for number in range(rounds):
            for place in range(workers):
                self._doors[number, place] = door = platform.lock()
                door.acquire()
        self.expected = [self.start(0)]

    def start(self, number):
        """Return the first starter of a round."""
        items = [(number, place, "member") for place in range(self._workers)]
        items += [(number, place, "small") for place in range(self._random.randrange(6))]
        self._random.shuffle(items)
        self._unpushed[number] = items
        return (number, 0, "starter")

    def to_push(self, number):
        """Return what a round's starters are still to push."""
        return self._unpushed[number]

    def visit(self, item):
        number, place, kind = item
        self._platform.step(kind)
        if kind == "member":
            self._came[number] += 1
            if self._came[number] == self._workers:
                for door in range(self._workers):
                    self._doors[number, door].release()
            self._doors[number, place].acquire()

    def follow(self, item):
        number, place, kind = item
        ready = []
        if kind == "starter":
            ready = self._some(number, place)
        elif kind == "member" and not place and number + 1 < self._rounds:
            ready = [self.start(number + 1)]
        self.expected += ready
        return ready

    def _some(self, number, place):
        items = self._unpushed[number]
        count = self._random.randint(1, len(items))
        ready, self._unpushed[number] = items[:count], items[count:]
        if self._unpushed[number]:
            ready.insert(self._random.choice((0, 0, count)), (number, place + 1, "starter"))
        return ready


@pytest.mark.parametrize("is_seeded", [False, True])
@pytest.mark.parametrize("workers", [2, 3, 4])
def test_nobody_sleeps_while_an_item_waits(cooperative, step_through, work, workers, is_seeded):
    for seed in range(MEETINGS):
        platform = cooperative(seed)
        meetings = Meetings(platform, workers, ROUNDS, seed)
        done = work(meetings.follow, meetings.visit)
        choice = SeededPolicy(seed) if is_seeded else None
        step_through(platform, workers, done, [meetings.expected[0]], policy=choice)
        assert sorted(done.items) == sorted(meetings.expected), seed


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_nobody_sleeps_while_an_item_waits_that_was_put(cooperative, step_through, work, workers):
    """The members come through the inbox, from outside, some before the pool's items, some behind."""
    for seed in range(MEETINGS):
        platform = cooperative(seed)
        meetings = Meetings(platform, workers, 1, seed)

        def client(pool, meetings=meetings):
            for item in meetings.to_push(0):
                pool.inject(item, item[1] % 3 - 1)

        done = work(visit=meetings.visit)
        step_through(platform, workers, done, [], [client])
        assert sorted(done.items) == sorted(meetings.to_push(0)), seed


def test_a_crash_sends_all_home(cooperative, step_through, work):
    def visit(item):
        if item == 5:
            raise ValueError("five")

    for seed in range(SEEDS):
        done = work(tree(15), visit)
        with pytest.raises(ValueError, match="five"):
            step_through(cooperative(seed), 3, done, [0])
        assert set(Counter(done.items).values()) == {1}, seed


def test_a_crash_in_bind_sends_all_home(cooperative, step_through, work):
    class Broken(work):
        def bind(self, worker, push):
            if worker == 1:
                raise ValueError("one")
            return super().bind(worker, push)

    for seed in range(SEEDS):
        with pytest.raises(ValueError, match="one"):
            step_through(cooperative(seed), 3, Broken(tree(15)), [0])


# -- what a seeded choice decides ------------------------------------------------------------------


class Noted(SeededPolicy):
    """Notes who was looked at by whom, and who was woken among whom."""

    def __init__(self, seed):
        super().__init__(seed)
        self.looks, self.woken = [], []

    def order_victims(self, worker, others):
        seen, numbered = super().order_victims(worker, range(len(others))), self.looks

        class Noting:
            def __iter__(self):
                order = list(seen)
                numbered.append((worker, order))
                return iter([others[number] for number in order])

        return Noting()

    def pick_idle(self, idle, worker_of):
        position = super().pick_idle(idle, worker_of)
        self.woken.append((worker_of[idle[position]], sorted(worker_of[wake_lock] for wake_lock in idle)))
        return position


def chosen(cooperative, step_through, work, seed, choice):
    """Step one and the same schedule with a choice; return whom it robbed and woke, and who ran what."""
    done = work(tree(60))
    step_through(cooperative(seed), 4, done, [0], policy=choice)
    return choice.looks, choice.woken, done.ran


def test_equal_seeds_rob_and_wake_the_same_workers_and_others_do_not(cooperative, step_through, work):
    for seed in range(SEEDS):
        one, again, other = (chosen(cooperative, step_through, work, seed, Noted(n)) for n in (seed, seed, seed + 1))
        assert one == again
        assert one[:2] != other[:2]


def test_under_a_seed_the_same_thief_looks_in_the_same_orders_in_any_schedule(cooperative, step_through, work):
    looks = {}
    for seed in range(SEEDS):
        choice = Noted(7)
        chosen(cooperative, step_through, work, seed, choice)
        for worker in range(4):
            for number, order in enumerate(order for thief, order in choice.looks if thief == worker):
                assert looks.setdefault((worker, number), order) == order


def test_under_a_seed_the_same_of_all_is_woken_in_whatever_order_they_fell_asleep(cooperative, step_through, work):
    def first_woken(seed, choice):
        platform = cooperative(seed)

        def put_when_all_sleep(pool):
            while len(pool._parking._idle) < 4:
                platform.step("look")
            pool.inject(0, 0)

        step_through(platform, 4, work(), [], [put_when_all_sleep], policy=choice)
        worker, among = choice.woken[0]
        assert among == [0, 1, 2, 3]
        return worker

    found = [{first_woken(seed, Noted(n)) for seed in range(SEEDS)} for n in range(6)]
    assert {len(workers) for workers in found} == {1}
    assert len(set.union(*found)) > 1


# -- what the seeds find ---------------------------------------------------------------------------


class NeverLooksAgain(Parking):
    """S1, no S2."""

    def park(self, gate, *, searching):
        with self._lock:
            if self._stopped:
                return EXIT
            if searching:
                self._searching = False
            self._idle.append(gate)
            self._raise(IDLE)
            if self._is_quiescent():
                self._stop()
                return EXIT
        return self._sleep(gate)


class LooksThenAnnounces(Parking):
    """S2 before S1."""

    def park(self, gate, *, searching):
        with self._lock:
            if self._stopped:
                return EXIT
            if searching:
                self._searching = False
            if self._has_work():
                return RETRY
            self._idle.append(gate)
            self._raise(IDLE)
            if self._is_quiescent():
                self._stop()
                return EXIT
        return self._sleep(gate)


class WakesNobodyAfterFinding(Parking):
    """A searcher that finds work leaves the rest asleep."""

    def found_work(self):
        with self._lock:
            self._searching = False


class LooksThenAnnouncesAfterFinding(Parking):
    """A searcher that finds work looks for more, then raises IDLE: a push between the two is missed."""

    def found_work(self):
        gate = None
        with self._lock:
            self._searching = False
            if self._idle:
                if self._has_work():
                    gate = self._pick_searcher()
                else:
                    self._raise(IDLE)
        if gate is not None:
            gate.release()


class ForgetsEarlyReleases(Parking):
    """The gate is closed again before the sleeper waits."""

    def _sleep(self, gate):
        gate.acquire(blocking=False)
        return super()._sleep(gate)


BROKEN = (
    NeverLooksAgain,
    LooksThenAnnounces,
    WakesNobodyAfterFinding,
    LooksThenAnnouncesAfterFinding,
    ForgetsEarlyReleases,
)


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_protocol_is_found(cooperative, step_through, work, use_parking, broken):
    use_parking(broken)

    def run():
        for seed in range(5 * MEETINGS):
            platform = cooperative(seed)
            meetings = Meetings(platform, 4, ROUNDS, seed)
            step_through(platform, 4, work(meetings.follow, meetings.visit), [meetings.expected[0]])

    with pytest.raises(AssertionError, match="lost wake-up"):
        run()
