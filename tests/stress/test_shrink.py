"""The fewest reorderings."""

import random

import msgspec
import pytest

from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.stress.happens_before import HappensBefore
from taskrunner.stress.shrink import shrink

NODES = [f"n{number}" for number in range(12)]


@pytest.fixture
def needs():
    nodes = [{"id": node, "call": "m:f"} for node in NODES]
    return HappensBefore(link(msgspec.convert({"taskrunner": 1, "nodes": nodes}, GraphFile)), NODES)


def test_one_reordering_is_found_among_many(needs):
    for seed in range(50):
        failing = random.Random(seed).sample(NODES, len(NODES))  # noqa: S311  an order, no secret
        if failing.index("n9") < failing.index("n2"):
            assert shrink(needs, failing, lambda order: order.index("n9") < order.index("n2")) == [("n9", "n2")]


def test_two_that_are_needed_together_are_both_found(needs):
    def shows(order):
        return order.index("n9") < order.index("n2") and order.index("n7") < order.index("n5")

    assert sorted(shrink(needs, NODES[::-1], shows)) == [("n7", "n5"), ("n9", "n2")]


def test_tries_are_few(needs):
    tried = []

    def shows(order):
        tried.append(order)
        return order.index("n11") < order.index("n0")

    shrink(needs, NODES[::-1], shows)
    assert len(tried) <= 8  # 66 swaps: 7 halvings and the check


def test_an_order_of_other_calls_is_left_as_it_is(needs):
    assert shrink(needs, NODES[1:], lambda _: True) == []
    assert shrink(needs, NODES, lambda _: True) == []
