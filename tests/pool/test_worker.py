"""The hot loop, alone: what it takes, in which order, and whom it tells."""

from collections import deque

import pytest

import taskrunner.pool.worker as hot_loop
from taskrunner.pool.parking import EXIT, GLOBAL, IDLE, RETRY, SEARCH
from taskrunner.pool.platform import Platform
from taskrunner.pool.policy import Policy, SeededPolicy
from taskrunner.pool.worker import MAX_STOLEN, Victim, steal


class Parking:
    """Notes what the worker calls; ``verdicts`` are returned by park in turn, then HOME."""

    def __init__(self, calls, urgent=(), late=(), verdicts=(), policy=None):
        self.calls = calls
        self.policy = policy or Policy()
        self.asked = []
        self.urgent = list(urgent)
        self.late = list(late)
        self.verdicts = list(verdicts)

    def register(self, mine, flags):
        self.mine, self.flags = mine, flags
        flags[GLOBAL] = int(bool(self.urgent))

    def post(self, item):
        self.urgent.append(item)
        self.flags[GLOBAL] = 1

    def take_global(self, *, urgent):
        items = self.urgent if urgent else self.late
        item = items.pop(0) if items else None
        self.flags[GLOBAL] = int(bool(self.urgent))
        return item

    def create_wake_lock(self, worker):
        self.asked.append(worker)
        gate = Platform().lock()
        gate.acquire()
        return gate

    def park(self, gate, *, searching):
        assert not gate.acquire(blocking=False)
        self.calls.append("park searching" if searching else "park")
        return self.verdicts.pop(0) if self.verdicts else EXIT

    def found_work(self):
        self.calls.append("found_work")

    def wake_one(self):
        self.flags[IDLE] = 0
        self.calls.append("wake_one")


@pytest.fixture
def calls():
    return []


@pytest.fixture
def run(calls, work):
    """Run the loop on roots to its end, beside other deques; return what it called and executed."""

    def act(
        roots=(),
        *,
        others=(),
        parking=None,
        worker=0,
        follow=lambda _: (),
        visit=lambda _: None,
        on_steal=lambda _: None,
        policy=None,
    ):
        parking = parking or Parking(calls, policy=policy)
        done = work(follow, lambda item: (calls.append(item), visit(item)))

        def meet(number, mine):
            deques = list(others)
            deques.insert(number, mine)
            return deques

        hot_loop.run_worker(worker, roots, done.bind, parking, Platform(), meet, on_steal)
        assert parking.asked == [worker]
        return calls

    return act


def take_from(*victims, on_steal=lambda _: None):
    mine = []
    return steal([Victim(victim) for victim in victims], mine.append, on_steal), mine


@pytest.mark.parametrize(
    ("size", "taken"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (8, 4), (31, 15), (32, 16), (33, 16), (1000, 16)]
)
def test_a_thief_takes_half_but_at_most_sixteen_oldest_first(size, taken):
    theirs = deque(range(size))
    assert take_from(theirs) == (0, list(range(1, taken)))
    assert list(theirs) == list(range(taken, size))
    assert MAX_STOLEN == 16


def test_a_thief_takes_from_the_first_that_holds_something():
    second, third = deque([1]), deque([2])
    assert take_from(deque(), second, third) == (1, [])
    assert list(third) == [2]


def test_a_thief_finds_nothing():
    assert take_from(deque(), deque()) == (None, [])
    assert take_from() == (None, [])


class Overstated(deque):
    """A deque whose length was read before others took from it."""

    def __len__(self):
        return 8


def test_a_thief_that_comes_too_late_goes_to_the_next():
    assert take_from(Overstated(), deque([1])) == (1, [])


def test_a_thief_keeps_what_it_has_when_the_rest_is_gone():
    assert take_from(Overstated([1, 2]), deque([3])) == (1, [2])


@pytest.mark.parametrize(("size", "taken"), [(0, 0), (1, 1), (3, 1), (4, 2), (8, 4), (1000, 16)])
def test_each_item_that_a_thief_takes_is_told_and_no_other(size, taken):
    told = []
    take_from(deque(range(size)), on_steal=told.append)
    assert told == list(range(taken))


def test_what_others_were_faster_to_take_is_not_told():
    told = []
    take_from(Overstated([1, 2]), deque([3]), on_steal=told.append)
    take_from(Overstated(), on_steal=told.append)
    assert told == [1, 2]


def test_an_item_is_told_as_stolen_before_anybody_can_take_it_again():
    steps = []

    class Noting(deque):
        def popleft(self):
            item = super().popleft()
            steps.append(("take", item))
            return item

    steal([Victim(Noting([1, 2, 3, 4, 5, 6]))], lambda item: steps.append(("push", item)), steps.append)
    assert steps == [("take", 1), 1, ("take", 2), 2, ("push", 2), ("take", 3), 3, ("push", 3)]


def test_what_was_stolen_is_told_before_it_runs_and_what_was_not_is_not_told(run, calls):
    parking = Parking(calls, urgent=["urgent"], late=["late"])
    run(["own"], others=[deque([1, 2, 3, 4])], parking=parking, on_steal=lambda item: calls.append(f"stole {item}"))
    assert calls == ["urgent", "own", "stole 1", "stole 2", 1, 2, "stole 3", 3, "stole 4", 4, "late", "park"]


def test_its_own_items_run_newest_first(run):
    assert run([1, 2, 3]) == [3, 2, 1, "park"]


def test_the_returned_item_runs_next(run):
    assert run([0, 1], follow=lambda item: [10, 11, 12] if item == 1 else []) == [1, 10, 12, 11, 0, "park"]


def test_a_false_item_runs(run):
    assert run([False, 0, ""]) == ["", 0, False, "park"]


def test_its_own_items_come_before_others(run):
    assert run([1], others=[deque([2])]) == [1, 2, "park"]


def test_a_thief_goes_round_from_its_neighbour(run):
    assert run(others=[deque("a"), deque("b"), deque("c")], worker=2) == ["c", "a", "b", "park"]


def test_a_seed_says_in_which_order_a_thief_looks_and_no_victim_is_left_out(run, calls):
    def robbed(seed):
        calls.clear()
        return run(others=[deque(name) for name in "abcde"], worker=2, policy=SeededPolicy(seed))[:-1]

    orders = [tuple(robbed(seed)) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    assert {tuple(sorted(order)) for order in orders} == {tuple("abcde")}


def test_a_seeded_thief_looks_in_a_new_order_each_time_and_no_other_in_the_same():
    assert len({tuple(SeededPolicy(1).order_victims(worker, "abcde")) for worker in range(4)}) == 4
    looks = SeededPolicy(1).order_victims(0, "abcde")
    orders = [tuple(looks) for _ in range(4)]
    assert len(set(orders)) > 1
    assert {tuple(sorted(order)) for order in orders} == {tuple("abcde")}


def test_stolen_items_come_before_the_late_inbox(run, calls):
    parking = Parking(calls, late=["late"])
    assert run([1], others=[deque([2])], parking=parking) == [1, 2, "late", "park"]


def test_the_urgent_inbox_comes_first(run, calls):
    assert run([1], parking=Parking(calls, urgent=["a", "b"])) == ["a", "b", 1, "park"]


def test_an_urgent_item_goes_before_the_returned_one(run, calls):
    parking = Parking(calls)

    def visit(item):
        if item == 1:
            parking.post("now")

    assert run([0, 1], parking=parking, follow=lambda item: [2, 3] if item == 1 else [], visit=visit) == [
        1, "now", 2, 3, 0, "park",
    ]  # fmt: skip


class Later(list):
    """Items that are there from the second look on."""

    def __init__(self, items):
        super().__init__(items)
        self.looks = 0

    def __bool__(self):
        self.looks += 1
        return self.looks > 1 and len(self) > 0


def test_a_searcher_tells_that_it_found_work_before_it_runs_it(run, calls):
    parking = Parking(calls, verdicts=[SEARCH])
    parking.late = Later(["late"])
    assert run(parking=parking) == ["park", "found_work", "late", "park"]


def test_a_searcher_that_finds_nothing_parks_as_one(run, calls):
    assert run(parking=Parking(calls, verdicts=[SEARCH])) == ["park", "park searching"]


def test_one_that_looks_again_is_no_searcher(run, calls):
    assert run(parking=Parking(calls, verdicts=[RETRY])) == ["park", "park"]


def test_a_push_wakes_one_if_somebody_sleeps(run, calls):
    parking = Parking(calls)

    def visit(item):
        if item == 0:
            parking.flags[IDLE] = 1

    assert run([0], parking=parking, follow=lambda item: [1, 2] if item == 0 else [], visit=visit) == [
        0, "wake_one", 1, 2, "park",
    ]  # fmt: skip


def test_a_returned_item_wakes_nobody(run, calls):
    parking = Parking(calls)

    def visit(_):
        parking.flags[IDLE] = 1

    assert run([0], parking=parking, follow=lambda item: [1] if item == 0 else [], visit=visit) == [0, 1, "park"]


def test_a_thief_that_keeps_items_wakes_one_before_it_runs_the_first(run, calls):
    """Who looked between the taking and the keeping has seen neither."""
    parking = Parking(calls)

    class Seen(deque):
        def popleft(self):
            parking.flags[IDLE] = 1
            return super().popleft()

    assert run(others=[Seen([1, 2, 3, 4])], parking=parking)[:2] == ["wake_one", 1]
