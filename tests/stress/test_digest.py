"""Hashes of content."""

import array
import threading

import pytest

from taskrunner.stress.digest import digest, digest_object


class Thing:
    def __init__(self, value):
        self.value = value
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({1, 2, 9}, {9, 2, 1}), (2**80, 2**80), (float("nan"), float("nan"))],
)
def test_equal_values_have_equal_hashes(one, other):
    assert digest(one) == digest(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [([1], [2]), (1j, 2j), (2**80, 2**81), (array.array("d", [1]), array.array("d", [2])), (None, 0)]
)
def test_other_values_have_other_hashes(one, other):
    assert digest(one) != digest(other)
    assert "" not in (digest(one), digest(other))


def test_an_object_has_a_content_but_no_value():
    assert digest(Thing(1)) == ""
    assert digest_object(Thing(1)) == digest_object(Thing(1)) != digest_object(Thing(2))


def test_what_cannot_be_hashed_raises_nothing():
    circle = []
    circle.append(circle)
    assert (digest(circle), digest_object(circle)) == ("", "")
