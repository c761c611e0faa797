import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskrunner.graph.location import line_and_column, locate, locate_all, parse_path

FUZZ = settings(max_examples=60, deadline=None, derandomize=True)

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def marked(text):
    """Return the text without its mark, and the line and the column of the mark."""
    before, _, after = text.partition("¦")
    lines = before.split("\n")
    return before + after, (len(lines), len(lines[-1]) + 1)


def paths(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from paths(part, (*path, index))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("$", ()),
        ("$.nodes[3].args[0]", ("nodes", 3, "args", 0)),
        ("nodes[3].args[0]", ("nodes", 3, "args", 0)),
        ("$[0][12]", (0, 12)),
        ("$.pools[...]", ("pools",)),
    ],
)
def test_path_is_split_into_keys_and_indexes(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("offset", "place"), [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (5, (2, 3)), (6, (3, 1)), (7, (4, 1))]
)
def test_lines_and_columns_count_from_one(offset, place):
    assert line_and_column("ab\ncd\n\n", offset) == place


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), '\n  ¦{"a": 1}'),
        (("a",), '{"a": ¦1}'),
        (("a",), '{"a"\n:\n ¦1}'),
        (("b",), '{"a": 1, "b": ¦2}'),
        (("b",), '{"a": {"b": 1}, "b": ¦2}'),
        (("b",), '{"a": [[], {}, "x", null, -1.5e3], "b": ¦[]}'),
        (("b",), r'{"a": "\"}]\\", "b": ¦2}'),
        (("b",), r'{"a": ["\"}]\\"], "b": ¦2}'),
        (("a\n",), r'{"a": 1, "a\n": ¦2}'),
        (("é",), '{"ü": "…", "é": ¦2}'),
        ((2, 0), "[1, 2,\n  [¦3]]"),
        (("a", 1, "b"), '{"a": [0,\n{"b": ¦"x"}]}'),
        (("a",), '{"a": 1, "a": ¦2}'),
    ],
)
def test_value_is_located(path, text):
    text, place = marked(text)
    assert locate(text, path) == place


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("x",), '¦{"a": 1}'),
        (("a", "x"), '{"a": ¦{"b": 1}}'),
        (("a", 2), '{"a": ¦[0, 1]}'),
        (("a", "0"), '{"a": ¦[0, 1]}'),
        (("a", 0), '{"a": ¦{"0": 1}}'),
        (("a", "b", "c"), '{"a": {"b": ¦1}}'),
        (("a",), "¦{}"),
    ],
)
def test_deepest_existing_step_is_located(path, text):
    text, place = marked(text)
    assert locate(text, path) == place


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("a",), "¦"),
        (("a",), '{"a": ¦2, "b": ['),
        (("a",), '{"a": ¦2, "b": {"c'),
        (("a", 1), '{"a": [0, ¦1, "b'),
    ],
)
def test_value_in_front_of_a_torn_end_is_located(path, text):
    text, place = marked(text)
    assert locate(text, path) == place


def test_many_places_are_found_in_one_walk():
    text = json.dumps({"a": [1, {"b": [[], "x"]}], "c": {"d": 2}, "e": 3}, indent=1)
    tree = json.loads(text)
    every = [path for path, _ in paths(tree)] + [("c", "none"), ("a", 9, "b"), ("zzz",)]
    assert locate_all(text, every) == [locate(text, path) for path in every]
    assert locate_all(text, [("c", "d"), ("c", "d"), ()]) == [locate(text, ("c", "d"))] * 2 + [(1, 1)]
    assert locate_all(text, []) == []


def test_of_a_doubled_key_the_last_is_located_with_all_that_is_in_it():
    text, place = marked('{"a": {"b": 1, "c": 2}, "a": {"b": ¦3}}')
    assert locate_all(text, [("a", "b"), ("a", "c")]) == [place, (1, text.rindex("{") + 1)]


@FUZZ
@given(TREES, st.sampled_from([None, 0, 3]), st.booleans())
def test_every_value_of_a_json_text_is_located(tree, indent, ascii_only):
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only)
    lines = text.split("\n")
    for path, value in paths(tree):
        line, column = locate(text, path)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value
