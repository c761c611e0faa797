import pytest

from taskrunner.graph.template import Compiler, DictOf, Item, ListOf, Ref, TupleOf, is_constant, references


def compiled(value, params=None, *, in_map=False):
    """Return the template of a value that has no problems."""
    compiler = Compiler(params or {})
    template = compiler.compile(value, ("x",), in_map=in_map)
    assert compiler.problems == []
    return template


def problems(value, params=None, *, in_map=False):
    compiler = Compiler(params or {})
    compiler.compile(value, ("nodes", 0, "args", 0), in_map=in_map)
    return [(p.where, p.message, p.hint) for p in compiler.problems]


def shape(template):
    """Write a template as plain tuples, which compare."""
    if type(template) is Ref:
        return ("ref", template.node, template.path)
    if type(template) is Item:
        return ("item", template.path)
    if type(template) is DictOf:
        return ("dict", template.keys, tuple(shape(part) for part in template.parts))
    if isinstance(template, ListOf):
        return ("tuple" if type(template) is TupleOf else "list", *(shape(part) for part in template.parts))
    return template


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", "$ref", b"x", (), (1, ("a", None))])
def test_constant_stands_for_itself(value):
    template = compiled(value)
    assert template == value
    assert is_constant(template)


def test_list_and_object_are_built_anew_although_they_are_constant():
    template = compiled([1, {"k": [2]}])
    assert shape(template) == ("list", 1, ("dict", ("k",), (("list", 2),)))
    assert not is_constant(template)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"$ref": "a"}, ("ref", "a", ())),
        ({"$ref": "a", "path": ["rows", 0]}, ("ref", "a", ("rows", 0))),
        ({"$ref": "a", "path": ("rows", 0)}, ("ref", "a", ("rows", 0))),
        ({"$item": True}, ("item", ())),
        ({"$item": True, "path": [1]}, ("item", (1,))),
        ({"$param": "n"}, 5),
        ({"$param": "deep", "path": ["x", 1]}, 8),
        ({"$param": "deep"}, ("dict", ("x",), (("list", 7, 8),))),
        ({"$param": "like"}, ("dict", ("$ref",), ("b",))),
        ({"$literal": {"$ref": "a"}}, ("dict", ("$ref",), ("a",))),
        ({"$literal": [{"$item": True}]}, ("list", ("dict", ("$item",), (True,)))),
        ({"$literal": 3}, 3),
        ([0, {"k": ({"$ref": "a"}, 1)}], ("list", 0, ("dict", ("k",), (("tuple", ("ref", "a", ()), 1),)))),
    ],
)
def test_reference_is_compiled_at_any_depth(value, expected):
    params = {"n": 5, "deep": {"x": [7, 8]}, "like": {"$ref": "b"}}
    assert shape(compiled(value, params, in_map=True)) == expected


@pytest.mark.parametrize("written", [{"$param": "n"}, {"$literal": 5}])
def test_constant_that_a_reference_in_a_tuple_stands_for_takes_its_place(written):
    assert compiled((written, 1), {"n": 5}) == (5, 1)


@pytest.mark.parametrize(
    ("value", "where", "message", "hint"),
    [
        ({"$reff": "a"}, "", 'not a reference: unexpected "$reff"', 'did you mean "$ref"?'),
        (
            {"$zz": 1},
            "",
            'not a reference: unexpected "$zz"',
            'wrap it in {"$literal": …} to pass it unchanged',
        ),
        (
            {"$ref": "a", "default": 1},
            "",
            'not a reference: unexpected "default"',
            'wrap it in {"$literal": …} to pass it unchanged',
        ),
        ({"$ref": "a", "$param": "n"}, "", "more than one reference in one object", ""),
        ({"$ref": 1}, ".$ref", "$ref takes a name, not 1", ""),
        ({"$param": None}, ".$param", "$param takes a name, not None", ""),
        ({"$param": "nn"}, ".$param", 'unknown parameter "nn"', 'did you mean "n"?'),
        ({"$param": "zzz"}, ".$param", 'unknown parameter "zzz"', ""),
        ({"$param": "n", "path": ["x"]}, ".path", 'parameter "n" has no such part: KeyError(\'x\')', ""),
        ({"$ref": "a", "path": "rows"}, ".path", "a path is a list of names and indexes", ""),
        ({"$ref": "a", "path": [True]}, ".path", "a path is a list of names and indexes", ""),
        ({"$ref": "a", "path": [1.0]}, ".path", "a path is a list of names and indexes", ""),
        ({"$item": "x"}, ".$item", "$item takes only true", ""),
        ({"$item": 1}, ".$item", "$item takes only true", ""),
        ([1, {"k": {"$x": 1}}], "[1].k", 'not a reference: unexpected "$x"',
         'wrap it in {"$literal": …} to pass it unchanged'),
    ],
)  # fmt: skip
def test_bad_reference_is_told_with_its_place(value, where, message, hint):
    assert problems(value, {"n": {}}, in_map=True) == [("nodes[0].args[0]" + where, message, hint)]


def test_item_outside_a_map_is_told():
    assert problems([{"$item": True}]) == [("nodes[0].args[0][0]", "$item outside a node with map", "")]


def test_key_that_is_no_text_beside_a_reference_is_told():
    ((where, message, _),) = problems({1: 2, "$ref": "a"})
    assert (where, message) == ("nodes[0].args[0]", 'not a reference: unexpected "1"')


def test_references_are_found_with_the_places_of_their_names():
    template = compiled([{"$ref": "a"}, 1, ({"$ref": "b", "path": [0]},), {"k": {"$ref": "c"}, 3: {"$ref": "a"}}])
    assert [(ref.node, place) for ref, place in references(template, ("x",))] == [
        ("a", ("x", 0, "$ref")),
        ("b", ("x", 2, 0, "$ref")),
        ("c", ("x", 3, "k", "$ref")),
        ("a", ("x", 3, 3, "$ref")),
    ]


def test_references_are_found_at_any_depth_and_not_in_literals():
    value = [{"$ref": "a"}, ({"k": [{"$ref": "b"}]}, 1), {"$literal": {"$ref": "a"}}, {"$item": True}]
    assert [ref.node for ref, _ in references(compiled(value, in_map=True))] == ["a", "b"]


def test_problems_are_all_collected():
    assert [where for where, _, _ in problems([{"$x": 1}, {"$param": "p"}, {"$item": True}, {"$ref": "a"}])] == [
        "nodes[0].args[0][0]",
        "nodes[0].args[0][1].$param",
        "nodes[0].args[0][2]",
    ]
