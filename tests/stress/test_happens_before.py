"""What must come before what among calls."""

import msgspec
import pytest

from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile
from taskrunner.stress.happens_before import HappensBefore, find_inversions


@pytest.fixture
def needs():
    nodes = [
        {"id": "a", "call": "m:f"},
        {"id": "m", "call": "m:f", "map": [1, 2], "needs": ["a"]},
        {"id": "c", "run": "true", "needs": ["m"]},
        {"id": "z", "call": "m:f", "needs": ["c"]},
        {"id": "b", "call": "m:f", "pool": "one"},
        {"id": "d", "call": "m:f", "pool": "one"},
    ]
    file = msgspec.convert({"taskrunner": 1, "pools": {"one": 1}, "nodes": nodes}, GraphFile)
    return HappensBefore(link(file), ["a", "m[0]", "m[1]", "z", "b", "d"])


def test_needs_lead_through_commands_and_children(needs):
    assert not needs.are_unordered("a", "z")
    assert not needs.are_unordered("z", "m[1]")
    assert needs.are_unordered("m[0]", "m[1]")
    assert needs.are_unordered("b", "z")
    assert not needs.are_unordered("b", "b")


def test_a_pool_of_one_keeps_nodes_apart(needs):
    assert needs.are_unordered("b", "d")
    assert not needs.may_overlap("b", "d")
    assert needs.may_overlap("a", "b")


def test_the_nearest_order_keeps_to_needs_and_to_what_is_asked_for(needs):
    assert needs.find_order([]) == needs.starts
    assert needs.find_order([("b", "m[0]")]) == ["a", "m[1]", "b", "m[0]", "z", "d"]
    assert needs.find_order([("z", "b"), ("d", "a")]) == ["d", "a", "m[0]", "m[1]", "z", "b"]


def test_inversions_are_the_pairs_that_stand_the_other_way_round():
    assert find_inversions("abc", "cab") == [("c", "a"), ("c", "b")]
    assert find_inversions("abc", "abc") == []
