"""What a run lost around its nodes: between two, in waking up, at its two ends."""

import pytest

from taskrunner.analysis.simulation.overhead import Overhead, measure


def measured(hand, dag, *events):
    found = measure(hand.run(dag, *events))
    return pytest.approx((found.node_s, found.wake_s, found.fixed_s))


def calls(hand, *names, **fields):
    return hand.dag(*[hand.call(name, **fields) for name in names], pools={"x": 1})


def test_between_two_nodes_lies_the_median_gap_of_a_worker_with_something_to_do(hand):
    events = (
        hand.done("a", ran=1),
        hand.done("b", started=1.25, queued=0.25),
        hand.done("c", started=2.75, queued=2.75),
        hand.done("d", started=9, queued=5.25, ran=1),
        hand.end(10.0),
    )
    assert measured(hand, calls(hand, *"abcd"), *events) == (0.5, 0, 0)


def test_a_worker_that_had_nothing_to_do_is_woken_up(hand):
    events = (hand.done("a", ran=1), hand.done("b", started=3.5, queued=0.5), hand.end(4.5))
    assert measured(hand, calls(hand, "a", "b"), *events) == (0, 0.5, 0)
    first = (hand.done("a", ran=1), hand.done("b", 1, started=1.25, queued=0.25), hand.end(2.25))
    assert measured(hand, calls(hand, "a", "b"), *first) == (0, 0.25, 0)


def test_an_async_node_waits_for_its_loop_and_a_command_for_a_place(hand):
    dag = hand.dag(hand.call("a"), {"id": "c", "run": "true"})
    events = (hand.done("a", -1, started=0.5, queued=0.5), hand.done("c", -1, started=7, queued=7), hand.end(8.0))
    assert measured(hand, dag, *events) == (0, 0.5, 0.5)


def test_workers_and_parts_of_a_run_are_apart(hand):
    events = (hand.done("a"), hand.done("b", 1, started=2, queued=2), hand.start, hand.done("c", started=3, queued=3))
    assert measure(hand.run(calls(hand, *"abc"), *events)) == Overhead()


def test_left_out_is_what_waited_for_a_pool_and_what_is_put_together(hand):
    dag = hand.dag(hand.call("a"), hand.call("b", pool="x"), hand.call("m", map=[1]), hand.call("c"), pools={"x": 1})
    events = (
        hand.done("a"),
        hand.done("b", started=5, queued=5),
        hand.done("m", started=9, queued=9),
        hand.done("c", started=19, queued=19),
    )
    assert measure(hand.run(dag, *events)) == Overhead()


def test_the_two_ends_of_a_run_count_if_it_went_well(hand):
    dag = calls(hand, "a")
    assert measured(hand, dag, hand.done("a", started=0.25), hand.end(2.0)) == (0, 0, 1.0)
    assert measured(hand, dag, hand.done("a", started=0.25), hand.end(2.0, ok=False)) == (0, 0, 0.25)
    assert measured(hand, dag, hand.done("a", started=0.25)) == (0, 0, 0.25)


def test_times_that_differ_by_rounding_are_one_moment(hand):
    events = (hand.done("a", ran=1), hand.done("b", started=1.5, queued=0.4999999), hand.end(2.5))
    assert measured(hand, calls(hand, "a", "b"), *events) == (0.5, 0, 0)
