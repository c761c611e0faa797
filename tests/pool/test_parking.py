"""The cold half of the pool, one call at a time, with gates that say what happens while one sleeps."""

from collections import deque

import pytest

from taskrunner.pool.parking import BACKSTOP_S, EXIT, GLOBAL, IDLE, RETRY, SEARCH, Parking
from taskrunner.pool.platform import Platform
from taskrunner.pool.policy import Policy, SeededPolicy


class Gate:
    """A gate; each of ``while_asleep`` is called at one wait, which then ends, woken or timed out."""

    def __init__(self, *while_asleep):
        self.while_asleep = list(while_asleep)
        self.is_open = False
        self.waits = []

    def acquire(self, blocking=True, timeout=-1):  # noqa: FBT002
        assert blocking
        self.waits.append(timeout)
        if self.while_asleep:
            self.while_asleep.pop(0)()
        woken, self.is_open = self.is_open, False
        return woken

    def release(self):
        assert not self.is_open, "released twice"
        self.is_open = True


class Observed(deque):
    """A deque that notes a flag whenever its length is read: what a pusher would find up there."""

    def __init__(self, flags):
        super().__init__()
        self.flags = flags
        self.seen = []

    def __len__(self):
        self.seen.append(self.flags[IDLE])
        return super().__len__()


class Pool:
    """A parking, and the deque, flags and gate of each worker."""

    def __init__(self, workers, policy=None):
        self.lost = []
        self.parking = Parking(workers, Platform(), lambda: self.lost.append(1), policy)
        self.flags = [[0, 0] for _ in range(workers)]
        self.deques = [Observed(flags) for flags in self.flags]
        for mine, flags in zip(self.deques, self.flags, strict=True):
            self.parking.register(mine, flags)

    def idle(self):
        return [flags[IDLE] for flags in self.flags]

    def inbox(self):
        return [flags[GLOBAL] for flags in self.flags]

    def sleep(self):
        """Have a worker announce itself and go to sleep, without a thread; return its gate."""
        gate = Gate()
        self.parking._idle.append(gate)
        self.parking._raise(IDLE)
        return gate

    def take_all(self):
        return list(iter(lambda: self.parking.take_global(urgent=False), None))


@pytest.fixture
def pool():
    return Pool(2)


def test_the_last_one_to_park_sends_all_home(pool):
    sleeper = pool.sleep()
    assert not pool.parking.wait_until_stopped(0)
    assert pool.parking.park(Gate(), searching=False) == EXIT
    assert sleeper.is_open
    assert pool.parking.wait_until_stopped(0)
    assert pool.parking.wait_until_stopped(0)


def test_a_worker_that_parks_after_the_end_goes_home(pool):
    pool.parking.abandon()
    pool.deques[0].append(1)
    assert pool.parking.park(Gate(), searching=False) == EXIT


def test_one_that_parks_beside_work_searches(pool):
    pool.deques[1].append(1)
    assert pool.parking.park(Gate(), searching=False) == SEARCH
    assert pool.idle() == [0, 0]
    assert not pool.parking.wait_until_stopped(0)


def test_one_that_parks_beside_an_item_in_the_inbox_searches(pool):
    pool.parking.inject(1, -1)
    assert pool.parking.park(Gate(), searching=False) == SEARCH


def test_one_that_parks_beside_work_looks_again_while_another_searches():
    pool = Pool(3)
    pool.sleep()
    pool.parking.wake_one()
    pool.deques[1].append(1)
    assert pool.parking.park(Gate(), searching=False) == RETRY


def test_one_that_searches_again_wakes_the_next_beside_more():
    pool = Pool(3)
    asleep = pool.sleep()
    pool.deques[1].extend([1, 2])
    assert pool.parking.park(Gate(), searching=False) == SEARCH
    pool.deques[1].popleft()
    pool.parking.found_work()
    assert asleep.is_open


def test_parking_announces_before_it_looks(pool):
    gate = Gate(pool.parking.abandon)
    pool.parking.park(gate, searching=False)
    assert pool.deques[0].seen == [1]
    assert pool.deques[1].seen == [1]


def test_a_searcher_that_found_work_announces_before_it_looks_for_more(pool):
    pool.sleep()
    pool.parking._lower(IDLE)
    pool.parking.found_work()
    assert pool.deques[0].seen == [1]
    assert pool.deques[1].seen == [1]


def test_a_searcher_that_looks_again_still_wakes_the_next():
    pool = Pool(3)
    woken, asleep = pool.sleep(), pool.sleep()
    pool.parking.wake_one()
    woken, asleep = (woken, asleep) if woken.is_open else (asleep, woken)
    woken.acquire()
    pool.deques[2].extend([1, 2])  # their pusher found IDLE down: somebody is searching
    assert pool.parking.park(woken, searching=True) == SEARCH
    pool.deques[2].popleft()
    pool.parking.found_work()
    assert asleep.is_open


def test_a_woken_sleeper_is_the_searcher(pool):
    gate = Gate(lambda: pool.parking.inject(1, 0))
    assert pool.parking.park(gate, searching=False) == SEARCH
    assert gate.waits == [BACKSTOP_S]
    assert pool.lost == []


def test_a_sleeper_woken_by_the_end_goes_home(pool):
    assert pool.parking.park(Gate(pool.parking.abandon), searching=False) == EXIT


def test_a_sleeper_that_times_out_beside_nothing_sleeps_on(pool):
    gate = Gate(lambda: None, lambda: None, pool.parking.abandon)
    assert pool.parking.park(gate, searching=False) == EXIT
    assert gate.waits == [BACKSTOP_S] * 3
    assert pool.lost == []


def test_a_sleeper_that_times_out_beside_work_reports_a_lost_wakeup(pool):
    gate = Gate(lambda: pool.deques[1].append(1))
    assert pool.parking.park(gate, searching=False) == SEARCH
    assert pool.lost == [1]
    pool.parking.found_work()
    assert pool.idle() == [0, 0]


def test_wake_one_wakes_one_while_it_searches():
    pool = Pool(3)
    gates = [pool.sleep(), pool.sleep()]
    pool.parking.wake_one()
    assert pool.idle() == [0, 0, 0]
    pool.parking.wake_one()
    assert [gate.is_open for gate in gates].count(True) == 1


def test_wake_one_with_nobody_asleep_lowers_the_flag(pool):
    pool.parking._raise(IDLE)
    pool.parking.wake_one()
    assert pool.idle() == [0, 0]


def test_found_work_wakes_the_next_beside_more():
    pool = Pool(3)
    gates = [pool.sleep(), pool.sleep()]
    pool.parking.wake_one()
    pool.deques[0].append(1)
    pool.parking.found_work()
    assert [gate.is_open for gate in gates] == [True, True]


def test_found_work_beside_no_more_raises_the_flag():
    pool = Pool(3)
    gates = [pool.sleep(), pool.sleep()]
    pool.parking.wake_one()
    pool.parking.found_work()
    assert [gate.is_open for gate in gates].count(True) == 1
    assert pool.idle() == [1, 1, 1]


def test_found_work_with_nobody_asleep_raises_nothing(pool):
    pool.sleep()
    pool.parking.wake_one()
    pool.deques[0].append(1)
    pool.parking.found_work()
    assert pool.idle() == [0, 0]


def test_the_inbox_is_ordered_by_priority_then_first_come(pool):
    for item, priority in (("a", 0), ("b", -1), ("c", 5), ("d", 0), ("e", 5), ("f", -1)):
        pool.parking.inject(item, priority)
    assert pool.take_all() == ["c", "e", "a", "d", "b", "f"]


def test_items_of_one_priority_are_never_compared(pool):
    items = [object(), object(), object()]
    for item in items:
        pool.parking.inject(item, 0)
    assert pool.take_all() == items


def test_an_urgent_take_leaves_negative_priorities(pool):
    pool.parking.inject("late", -1)
    assert pool.parking.take_global(urgent=True) is None
    pool.parking.inject("now", 0)
    assert pool.parking.take_global(urgent=True) == "now"
    assert pool.parking.take_global(urgent=True) is None
    assert pool.parking.take_global(urgent=False) == "late"
    assert pool.parking.take_global(urgent=False) is None


def test_the_inbox_flag_is_up_while_an_urgent_item_is_there(pool):
    seen = [pool.inbox()]
    for item, priority in (("late", -1), ("now", 0), ("sooner", 1)):
        pool.parking.inject(item, priority)
        seen.append(pool.inbox())
    for _ in range(3):
        pool.parking.take_global(urgent=False)
        seen.append(pool.inbox())
    assert seen == [[0, 0], [0, 0], [1, 1], [1, 1], [1, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(("priority", "flag"), [(-1, 0), (0, 1), (1, 1)])
def test_one_who_enters_learns_of_the_inbox(priority, flag):
    parking = Parking(1, Platform(), lambda: None)
    parking.inject(1, priority)
    flags = [0, 0]
    parking.register(deque(), flags)
    assert flags == [0, flag]


def test_a_put_wakes_one_sleeper(pool):
    gates = [pool.sleep(), pool.sleep()]
    pool.parking.inject(1, 0)
    pool.parking.inject(2, 0)
    assert [gate.is_open for gate in gates].count(True) == 1


def test_who_fell_asleep_last_is_woken_first():
    assert woken(Policy(), range(5)) == [4, 3, 2, 1, 0]


def test_a_seed_says_who_is_woken_in_whatever_order_they_fell_asleep():
    orders = [
        woken(SeededPolicy(seed), asleep) for seed, asleep in ((1, range(5)), (1, (3, 1, 4, 0, 2)), (2, range(5)))
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == [0, 1, 2, 3, 4]


def woken(policy, asleep):
    """Put workers to sleep in an order, wake them all, and return the order in which they woke."""
    pool = Pool(6, policy)
    gates = {}
    for worker in asleep:
        gates[worker] = pool.parking.create_wake_lock(worker)
        pool.parking._idle.append(gates[worker])
    found = []
    while len(found) < len(gates):
        pool.parking.wake_one()
        pool.parking.found_work()
        found += [worker for worker in gates if worker not in found and gates[worker].acquire(blocking=False)]
    return found


def test_a_hold_keeps_all_from_going_home(pool):
    pool.parking.hold()
    pool.parking.hold()
    pool.sleep()
    gate = Gate(pool.parking.release, lambda: None, pool.parking.release)
    assert pool.parking.park(gate, searching=False) == EXIT
    assert gate.waits == [BACKSTOP_S] * 3
    assert pool.parking.wait_until_stopped(0)


def test_the_last_release_waits_for_who_is_awake(pool):
    pool.parking.hold()
    sleeper = pool.sleep()
    pool.parking.release()
    assert not pool.parking.wait_until_stopped(0)
    assert not sleeper.is_open


def test_a_release_after_a_put_lets_the_item_run(pool):
    pool.parking.hold()
    gates = [pool.sleep(), pool.sleep()]
    pool.parking.inject(1, 0)
    pool.parking.release()
    assert not pool.parking.wait_until_stopped(0)
    assert [gate.is_open for gate in gates].count(True) == 1


def test_abandon_waits_for_no_hold(pool):
    pool.parking.hold()
    sleeper = pool.sleep()
    pool.parking.abandon()
    pool.parking.abandon()
    assert sleeper.is_open
    assert pool.parking.wait_until_stopped(0)


def test_a_release_after_the_end_is_none(pool):
    pool.parking.hold()
    pool.parking.abandon()
    pool.parking.release()
    assert pool.parking.wait_until_stopped(0)
