"""The simulated pool, on graphs whose schedule is known by hand, and its bounds on any graph."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskrunner.analysis.attempts import ASYNC, COMMAND
from taskrunner.analysis.simulation import simulator as machine
from taskrunner.analysis.simulation.bounds import bound
from taskrunner.analysis.simulation.overhead import Overhead
from taskrunner.analysis.simulation.simulator import replay
from taskrunner.analysis.simulation.workload import Job, Workload
from taskrunner.pool import worker


def starts(workload, workers):
    return [round(start, 9) for start in replay(workload, workers).started]


def test_a_thief_takes_as_many_as_in_the_real_pool():
    assert machine.MAX_STOLEN == worker.MAX_STOLEN


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_chain_takes_the_sum_on_any_number_of_workers(hand, workers):
    chain = hand.workload((1,), (2, 0), (3, 1))
    assert starts(chain, workers) == [0, 1, 3]
    assert replay(chain, workers).makespan_s == 6


def test_a_fan_out_is_shared_by_stealing(hand):
    fan = hand.workload((1,), (2, 0), (2, 0), (2, 0), (1, 1, 2, 3))
    assert starts(fan, 1) == [0, 1, 5, 3, 7]  # the first successor at once, then the newest of the deque
    assert starts(fan, 2) == [0, 1, 1, 3, 5]  # the thief takes the oldest
    assert replay(fan, 3).makespan_s == 4


def test_a_thief_takes_half(hand):
    fan = hand.workload((1,), *[(length, 0) for length in (10, 1, 1, 1, 1, 1, 1)])
    # the owner goes on with the first and has 6 more; the thief takes 3 of them, runs the oldest and then its newest
    assert starts(fan, 2)[2:] == [1, 3, 2, 4, 5, 6]
    assert replay(fan, 2).makespan_s == 11


def test_a_diamond(hand):
    diamond = hand.workload((1,), (5, 0), (2, 0), (1, 1, 2))
    assert [replay(diamond, workers).makespan_s for workers in (1, 2, 3)] == [9, 7, 7]
    assert starts(diamond, 2) == [0, 1, 1, 6]


def test_roots_are_dealt_out_in_turn_and_start_in_their_order(hand):
    roots = hand.workload((5,), (1,), (1,), (1,), (1,))
    assert starts(roots, 1) == [0, 5, 6, 7, 8]
    assert starts(roots, 2) == [0, 0, 3, 1, 2]  # the second worker has b and d, and steals then what is oldest: e


def test_what_is_lost_between_nodes_and_in_waking_up(hand):
    fan = hand.workload((1,), (2, 0), (2, 0), node_s=0.25, wake_s=0.5)
    assert starts(fan, 1) == [0, 1.25, 3.5]
    assert starts(fan, 2) == [0, 1.25, 1.5]


def test_priority_goes_first_wherever_it_was_made_ready(hand):
    urgent = {"seconds": 1, "priority": 1}
    assert starts(hand.workload((1,), (1, 0), (1, 0), (urgent, 0)), 1) == [0, 2, 3, 1]
    late = {"seconds": 1, "priority": -1}
    assert starts(hand.workload((late,), (1,), (1, 1)), 1) == [2, 0, 1]


def test_the_critical_path_goes_first_where_ranks_are_known(hand):
    shape = [(1,), (1,), (1,), (5, 2)]
    assert replay(hand.workload(*shape), 2).makespan_s == 7
    assert replay(hand.workload(*shape, ranked=True), 2).makespan_s == 6


def test_a_priority_goes_before_any_rank(hand):
    urgent = {"seconds": 1, "priority": 1}
    assert starts(hand.workload((9,), (urgent,), ranked=True), 1) == [1, 0]


def test_as_many_of_a_pool_at_once_as_it_has_places(hand):
    one = {"seconds": 2, "limits": ("db",)}
    jobs = [(one,)] * 3
    assert starts(hand.workload(*jobs, pools={"db": 1}), 8) == [0, 2, 4]
    assert starts(hand.workload(*jobs, pools={"db": 2}), 8) == [0, 0, 2]


def test_all_places_at_once_or_none(hand):
    late, first = {"seconds": 1, "limits": ("x",)}, {"seconds": 1, "limits": ("x",), "priority": 1}
    assert starts(hand.workload((late,), (first,), pools={"x": 1}), 4) == [1, 0]
    both, one = {"seconds": 1, "limits": ("x", "y")}, {"seconds": 1, "limits": ("x",)}
    assert starts(hand.workload((one,), (both,), (one,), pools={"x": 1, "y": 1}), 4) == [0, 1, 2]


def test_commands_hold_no_worker_but_one_of_as_many_places(hand):
    command = {"seconds": 3, "kind": COMMAND}
    assert starts(hand.workload((command,), (command,), (2,), (2,)), 1) == [0, 3, 0, 2]
    assert replay(hand.workload((command,), (command,)), 2).makespan_s == 3


def test_async_nodes_hold_nothing(hand):
    waiting = {"seconds": 3, "kind": ASYNC}
    held = hand.workload((waiting,), (waiting,), (waiting,), (1, 0, 1, 2), wake_s=0.5)
    assert starts(held, 1) == [0.5, 0.5, 0.5, 4]


def test_a_node_that_is_tried_again_gives_its_worker_and_its_place_away_meanwhile(hand):
    again = {"seconds": (1.0, 2.0), "retry_delays": (4.0,), "limits": ("db",)}
    found = replay(hand.workload((again,), ({"seconds": 2, "limits": ("db",)},), pools={"db": 1}), 1)
    assert (found.started, found.ended) == ([0, 1], [7, 3])


def test_a_node_that_is_tried_again_goes_before_what_lies_on_a_deque(hand):
    again = {"seconds": (1.0, 1.0), "retry_delays": (0.5,)}
    assert replay(hand.workload((again,), (1,), (1,), (1,)), 1).ended == [3, 2, 4, 5]


def mapped(seconds, *, priority=0):
    """Make an expanding of 1 second, three children and a gathering."""
    children = [Job(f"m[{i}]", 0, 0, (seconds,), successors=(4,), pending=1, priority=priority) for i in range(3)]
    expanding = Job("m", 0, 0, (1.0,), successors=(1, 2, 3), expands=True, priority=priority)
    return Workload((expanding, *children, Job("m", 0, 0, pending=3, priority=priority)))


@pytest.mark.parametrize("priority", [0, 1])
def test_children_start_in_their_order_once_their_node_is_expanded(priority):
    assert starts(mapped(2.0, priority=priority), 1) == [0, 1, 3, 5, 7]
    assert replay(mapped(2.0, priority=priority), 3).makespan_s == 3


def test_what_was_skipped_costs_no_time_and_is_handed_on(hand):
    assert replay(hand.workload((1,), ({"seconds": ()}, 0), (1, 1)), 1).makespan_s == 2


def test_the_chain_that_holds_a_schedule_goes_over_edges_workers_and_places(hand):
    assert replay(hand.workload((3,), (1,), (2, 1)), 1).blocking_chain() == [0, 1, 2]
    assert replay(hand.workload((1,), (2, 0), (9, 0), (1, 1, 2)), 2).blocking_chain() == [0, 2, 3]
    one = {"seconds": 2, "limits": ("db",)}
    assert replay(hand.workload((one,), (one,), pools={"db": 1}), 4).blocking_chain() == [0, 1]
    assert replay(Workload(()), 2).blocking_chain() == []


@st.composite
def workloads(draw, **overhead):
    """Draw a graph of plain nodes, in whole seconds."""
    count = draw(st.integers(1, 30))
    needs = [draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(count)]
    lengths = draw(st.lists(st.integers(0, 20), min_size=count, max_size=count))
    after = [tuple(j for j in range(count) if i in needs[j]) for i in range(count)]
    jobs = [Job(str(i), i, i, (float(lengths[i]),), successors=after[i], pending=len(needs[i])) for i in range(count)]
    return Workload(tuple(jobs), {}, Overhead(**overhead), draw(st.booleans()))


@given(workloads(), st.integers(1, 9))
def test_no_schedule_beats_its_bounds_and_none_is_worse_than_a_list_schedule_can_be(workload, workers):
    work, path = sum(job.busy_s for job in workload.jobs), max(workload.tails())
    found = replay(workload, workers).makespan_s
    assert bound(workload, workers).seconds == max(path, work / workers)
    assert found >= bound(workload, workers).seconds - 1e-9
    assert found <= work / workers + (1 - 1 / workers) * path + 1e-9  # Graham 1966


@given(workloads(node_s=0.5, wake_s=0.25))
def test_one_worker_takes_the_work_and_what_is_lost_between(workload):
    work = sum(job.busy_s for job in workload.jobs)
    assert replay(workload, 1).makespan_s == work + 0.5 * (len(workload.jobs) - 1)


@given(workloads(node_s=0.5, wake_s=0.25), st.integers(1, 9))
@settings(max_examples=50)
def test_a_schedule_is_one(workload, workers):
    found = replay(workload, workers)
    for index, job in enumerate(workload.jobs):
        assert found.ended[index] == found.started[index] + job.busy_s
        assert all(found.started[i] >= found.ended[index] for i in job.successors)
    moments = sorted(found.started)
    at_once = [sum(s <= t < e for s, e in zip(found.started, found.ended, strict=True)) for t in moments]
    assert max(at_once) <= workers
    assert replay(workload, workers) == found
