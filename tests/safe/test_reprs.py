import json

import msgspec
import pytest

from taskrunner.events.types import NodeSkipped
from taskrunner.safe.reprs import safe_repr, to_json


class Hostile:
    def __repr__(self):
        raise SystemExit(3)


class Inner(msgspec.Struct):
    text: str
    more: str | msgspec.UnsetType = msgspec.UNSET


def endless():
    found = []
    found.append(found)
    return found


def deep(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": [1, 2.5, None, True, "ä"]}, {"a": [1, 2.5, None, True, "ä"]}),
        (2**70, 2**70),
        (complex(1, 2), "(1+2j)"),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ("a\udcff", "a\\udcff"),
        ({"a\udcff": {1}}, {"a\\udcff": [1]}),
        (["\udcff", Inner("x")], ["\\udcff", {"text": "x"}]),
        (
            NodeSkipped("\udcff", "when", ""),
            {"event": "node.skipped", "level": "info", "node": "\\udcff", "reason": "when", "because": ""},
        ),
        (Hostile(), "<Hostile: its repr raised SystemExit>"),
    ],
)
def test_any_object_becomes_json(value, found):
    assert json.loads(to_json(value)) == found


@pytest.mark.parametrize("value", [endless(), deep(100_000)], ids=["endless", "deep"])
def test_what_has_no_end_is_cut(value):
    assert len(to_json(value)) < 1000


def test_an_object_without_a_repr_says_so():
    assert safe_repr(Hostile()) == "<Hostile: its repr raised SystemExit>"
