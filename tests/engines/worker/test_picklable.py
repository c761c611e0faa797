"""What can be moved to another process, without copying what is large to find that out."""

import threading

import pytest

from taskrunner.engines.worker.picklable import MAX_OBJECTS, is_movable


class Rude:
    def __reduce__(self):
        raise BaseException("no")  # noqa: TRY002


class Counted:
    looked_at = 0

    def __reduce__(self):
        Counted.looked_at += 1
        return int, ()


@pytest.mark.parametrize(
    "value",
    [None, 2**70, "text", b"", bytearray(3), [1, {"a": (2.5,)}], {1, 2}, ValueError("x"), threading.Lock, range(5)],
    ids=repr,
)
def test_what_can_be_pickled_moves(value):
    assert is_movable(value)


def test_a_function_without_a_name_moves_with_its_code():
    assert is_movable(lambda: 1)


@pytest.mark.parametrize("value", [threading.Lock(), (number for number in []), Rude(), [1, Rude()], {"a": Rude()}])
def test_what_cannot_stays(value):
    assert not is_movable(value)


def test_of_a_large_list_some_parts_are_looked_at():
    assert is_movable([Counted() for _ in range(3 * MAX_OBJECTS)])
    assert Counted.looked_at == MAX_OBJECTS


def test_an_array_is_not_copied():
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(10)
    assert is_movable(array)
    assert not is_movable(numpy.array([threading.Lock()], dtype=object))
