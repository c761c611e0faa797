"""Named pools: who gets a place, who waits, who is next."""

import random
import threading

import pytest

from taskrunner.execution.resources import ResourcePools


def test_a_pool_admits_as_many_as_it_has_places():
    limits = ResourcePools({"db": 2})
    assert [limits.acquire(task, ("db",), 0) for task in "abc"] == [True, True, False]


def test_a_place_given_back_goes_to_the_first_that_waits():
    limits = ResourcePools({"db": 1})
    for task in "abc":
        limits.acquire(task, ("db",), 0)
    assert limits.release(("db",)) == ["b"]
    assert limits.release(("db",)) == ["c"]
    assert limits.release(("db",)) == []
    assert limits.acquire("d", ("db",), 0)


def test_a_higher_priority_waits_in_front():
    limits = ResourcePools({"db": 1})
    for task, priority in (("a", 0), ("b", 0), ("c", 5), ("d", -1), ("e", 5)):
        limits.acquire(task, ("db",), priority)
    assert [limits.release(("db",)) for _ in range(5)] == [["c"], ["e"], ["b"], ["d"], []]


def test_all_places_are_taken_at_once_or_none():
    limits = ResourcePools({"db": 1, "disk": 1})
    assert limits.acquire("a", ("db",), 0)
    assert not limits.acquire("both", ("db", "disk"), 0)
    assert limits.acquire("b", ("disk",), 0)
    assert limits.release(("db",)) == []
    assert limits.release(("disk",)) == ["both"]
    assert not limits.acquire("c", ("db",), 0)
    assert not limits.acquire("d", ("disk",), 0)


def test_one_that_fits_passes_one_that_does_not():
    limits = ResourcePools({"db": 1, "disk": 1})
    limits.acquire("a", ("db", "disk"), 0)
    limits.acquire("b", ("disk",), 0)
    limits.acquire("both", ("db", "disk"), 5)
    limits.acquire("c", ("db",), 0)
    assert limits.release(("db",)) == ["c"]
    assert limits.release(("disk",)) == ["b"]


def test_one_release_may_admit_several():
    limits = ResourcePools({"db": 1, "disk": 1})
    limits.acquire("a", ("db", "disk"), 0)
    limits.acquire("b", ("db",), 0)
    limits.acquire("c", ("disk",), 0)
    assert limits.release(("db", "disk")) == ["b", "c"]


def test_those_that_still_wait_keep_their_order():
    limits = ResourcePools({"db": 1})
    for task in range(20):
        limits.acquire(task, ("db",), task % 3)
    expected = [*range(2, 20, 3), *range(1, 20, 3), *range(3, 20, 3)]
    assert [task for _ in expected for task in limits.release(("db",))] == expected


def test_tasks_are_never_compared():
    limits = ResourcePools({"db": 1})
    tasks = [object(), object(), object()]
    for task in tasks:
        limits.acquire(task, ("db",), 0)
    assert [limits.release(("db",)) for _ in range(2)] == [[tasks[1]], [tasks[2]]]


def test_no_names_always_fit():
    assert ResourcePools({}).acquire("a", (), 0)


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match="disk"):
        ResourcePools({"db": 1}).acquire("a", ("disk",), 0)


SIZES = {"a": 1, "b": 2, "c": 3}


def test_threads_never_exceed_a_pool_and_leave_nobody_waiting():
    """Each thread runs what it was admitted to, and whatever its releases admit."""
    limits = ResourcePools(SIZES)
    inside = {name: [] for name in SIZES}  # list.append and list.pop are atomic
    most = {name: [] for name in SIZES}
    done = []
    together = threading.Barrier(4)

    def run(task):
        for name in task[1]:
            inside[name].append(task)
            most[name].append(len(inside[name]))
        for name in task[1]:
            inside[name].pop()
        done.append(task)

    def act(number):
        chance = random.Random(number)  # noqa: S311
        together.wait()
        for count in range(300):
            names = tuple(chance.sample(sorted(SIZES), chance.randint(1, 3)))
            task = ((number, count), names)
            mine = [task] if limits.acquire(task, names, chance.randrange(3)) else []
            while mine:
                admitted = mine.pop()
                run(admitted)
                mine += limits.release(admitted[1])

    threads = [threading.Thread(target=act, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for key, _ in done) == [(number, count) for number in range(4) for count in range(300)]
    assert all(max(most[name]) <= size for name, size in SIZES.items())
