import msgspec
import pytest

from taskrunner.analysis.labels import function_of, label
from taskrunner.graph.link import link
from taskrunner.graph.spec import GraphFile


def vertex(**fields):
    file = {"taskrunner": 1, "nodes": [{"id": "a", "run": "true"}, {"id": "b", **fields}]}
    return link(msgspec.convert(file, GraphFile)).vertices[1]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"call": "m:f"}, ("m:f", "m:f")),
        ({"call": "m:f", "map": [1], "when": True, "always": True}, ("m:f [map, when, always]", "m:f")),
        ({"run": ["gcc", "-c", {"$ref": "a"}]}, ('$ gcc -c {"$ref":"a"}', "$ gcc")),
        ({"run": "make  all | tee log"}, ("$ make  all | tee log", "$ make")),
        ({"run": ["/opt/my tool"]}, ("$ /opt/my tool", "$ /opt/my tool")),
        ({"run": [{"$ref": "a"}]}, ('$ {"$ref":"a"}', "$ …")),
        ({"run": " "}, ("$  ", "$ …")),
    ],
)
def test_what_a_node_does_and_what_it_has_in_common_with_others(fields, expected):
    found = vertex(**fields)
    assert (label(found), function_of(found)) == expected
