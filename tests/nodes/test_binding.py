from types import SimpleNamespace

import pytest

from taskrunner.graph.template import Compiler
from taskrunner.nodes.binding import MISSING, BindingError, BoundValue, bind, partially_bind

RESULTS = {"a": {"rows": [10, 20], "none": None}, "b": SimpleNamespace(name="x", inner=[1]), "gone": MISSING}


def template(value):
    compiler = Compiler({})
    compiled = compiler.compile(value, (), in_map=True)
    assert compiler.problems == []
    return compiled


def filled(value, item=None):
    return bind(template(value), RESULTS.__getitem__, item)


def fail(_):
    raise AssertionError("no result is wanted")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        ("text", "text"),
        ([1, (2, {"k": 3})], [1, (2, {"k": 3})]),
        ({}, {}),
        ({"$ref": "a", "path": ["rows", 1]}, 20),
        ({"$ref": "a", "path": ["rows", -1]}, 20),
        ({"$ref": "a", "path": ["none"]}, None),
        ({"$ref": "b", "path": ["name"]}, "x"),
        ({"$ref": "b", "path": ["inner", 0]}, 1),
        ([{"$ref": "a", "path": ["rows"]}, ({"$item": True}, 0)], [[10, 20], ({"id": 5}, 0)]),
        ({"k": {"$item": True, "path": ["id"]}}, {"k": 5}),
        ({"$literal": {"$ref": "a"}}, {"$ref": "a"}),
    ],
)
def test_template_is_filled_with_results_and_the_item(value, expected):
    assert filled(value, {"id": 5}) == expected


def test_result_is_passed_by_reference():
    assert filled({"$ref": "a"}) is RESULTS["a"]
    assert filled([{"$ref": "b"}])[0] is RESULTS["b"]


def test_item_is_passed_by_reference():
    item = object()
    assert filled({"$item": True}, item) is item


def test_lists_and_objects_are_new_at_each_call():
    compiled = template({"k": [1]})
    first, second = bind(compiled, fail, None), bind(compiled, fail, None)
    first["k"].append(2)
    assert second == {"k": [1]}


def test_constant_is_not_copied():
    compiled = template((1, "x"))
    assert bind(compiled, fail) is compiled == (1, "x")


@pytest.mark.parametrize("path", [[], ["rows"], ["rows", 0, "deep"]])
def test_missing_result_is_null_and_so_is_every_part_of_it(path):
    assert filled([{"$ref": "gone", "path": path}]) == [None]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (["x"], "the result of \"a\" has no part ['x']: dict raised KeyError: 'x'"),
        (
            ["rows", 2],
            "the result of \"a\" has no part ['rows'][2]: list raised IndexError: list index out of range",
        ),
        (
            ["rows", "x"],
            "the result of \"a\" has no part ['rows']['x']: list raised TypeError: list indices must be",
        ),
        (
            ["none", "x"],
            "the result of \"a\" has no part ['none']['x']: NoneType raised AttributeError: 'NoneType'",
        ),
        (
            ["rows", 0, 0],
            "the result of \"a\" has no part ['rows'][0][0]: int raised TypeError: 'int' object is not",
        ),
    ],
)
def test_path_that_leads_nowhere_is_told(path, message):
    with pytest.raises(BindingError) as caught:
        filled({"$ref": "a", "path": path})
    assert str(caught.value).startswith(message)


def test_path_of_the_item_that_leads_nowhere_is_told():
    with pytest.raises(BindingError, match=r"^the result of the item has no part \['x'\]: int raised"):
        filled({"$item": True, "path": ["x"]}, 5)


def test_items_stay_references_until_there_is_one():
    value = [{"$ref": "a", "path": ["rows"]}, {"k": {"$item": True}}, ({"$item": True, "path": [0]}, 1)]
    half = partially_bind(template(value), RESULTS.__getitem__)
    assert bind(half, fail, [7, 8]) == [[10, 20], {"k": [7, 8]}, (7, 1)]
    assert bind(half, fail, "xy") == [[10, 20], {"k": "xy"}, ("x", 1)]


def test_template_is_settled_once_for_all_children():
    half = partially_bind(template({"k": [{"$ref": "a"}, {"$item": True}]}), RESULTS.__getitem__)
    first, second = bind(half, fail, 1), bind(half, fail, 2)
    assert (first, second) == ({"k": [RESULTS["a"], 1]}, {"k": [RESULTS["a"], 2]})
    assert first["k"][0] is second["k"][0] is RESULTS["a"]


@pytest.mark.parametrize("value", [None, 3, "x", (1, 2)])
def test_constant_is_settled(value):
    compiled = template(value)
    assert partially_bind(compiled, fail) is compiled == value


def test_settling_tells_a_path_that_leads_nowhere():
    with pytest.raises(BindingError, match=r'^the result of "a" has no part'):
        partially_bind(template([{"$ref": "a", "path": ["x"]}]), RESULTS.__getitem__)


def test_missing_result_settles_as_null():
    half = partially_bind(template([{"$ref": "gone", "path": ["x"]}]), RESULTS.__getitem__)
    assert bind(half, fail, 1) == [None]


def test_result_that_looks_like_a_template_is_passed_as_it_is():
    inner = template([{"$item": True}])
    half = partially_bind(template([{"$ref": "r"}]), {"r": inner}.__getitem__)
    assert bind(half, fail, 1)[0] is inner
    assert type(half.parts[0]) is BoundValue


def test_null_is_an_item_like_any_other():
    assert filled([{"$item": True}], None) == [None]
