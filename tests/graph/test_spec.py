import json
from pathlib import Path

import fastjsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workloads
from taskrunner.errors import GraphError
from taskrunner.graph.codec import decode
from taskrunner.graph.spec import Defaults, GraphFile, Node, Retry, json_schema

WORKLOADS = sorted(Path(workloads.__file__).parent.glob("*.json"))
SCHEMA = json_schema()
VALIDATE = fastjsonschema.compile(SCHEMA, use_default=False)


def file_of(**node):
    return {"taskrunner": 1, "nodes": [{"id": "a", **node}]}


def fits_schema(value):
    try:
        VALIDATE(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def decodes(value):
    try:
        decode(json.dumps(value).encode(), "json")
    except GraphError:
        return False
    return True


def test_there_are_workloads():
    assert "tour.json" in [path.name for path in WORKLOADS]


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_workload_fits_the_schema_and_decodes(path):
    VALIDATE(json.loads(path.read_bytes()))
    assert decode(path.read_bytes(), "json", str(path)).nodes


@pytest.mark.parametrize(
    "value",
    [
        {"taskrunner": 1, "nodes": []},
        {"$schema": "x", "taskrunner": 1, "nodes": [], "outputs": [], "params": {"a": None}, "pools": {"p": 1}},
        {"taskrunner": 1, "nodes": [], "defaults": {"retries": 2, "timeout": 0.1, "pool": ["p"]}},
        file_of(call="m:f", args=[None, {"$ref": "b"}], kwargs={"k": [1]}),
        file_of(run="ls", stdin=None, env={"A": 1}, cwd="/", capture="bytes"),
        file_of(run=["ls", 1, {"$item": True}], map=[1], when=False),
        file_of(retries={"max": 0, "backoff": 0, "factor": 0.5, "jitter": 1, "on": ["OSError", 3]}),
        file_of(call="m:f", cache=True, files=["a", {"$ref": "b"}]),
        file_of(run="ls", files=[], creates=["b"]),
        file_of(needs=["b"], always=True, allow_failure=True, priority=-5, pool="p", timeout=1),
    ],
)
def test_good_file_is_taken_by_both(value):
    assert (fits_schema(value), decodes(value)) == (True, True)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"taskrunner": 1},
        {"nodes": []},
        {"taskrunner": 2, "nodes": []},
        {"taskrunner": "1", "nodes": []},
        {"taskrunner": 1, "nodes": {}},
        {"taskrunner": 1, "nodes": [1]},
        {"taskrunner": 1, "nodes": [], "extra": 1},
        {"taskrunner": 1, "nodes": [], "name": None},
        {"taskrunner": 1, "nodes": [], "pools": {"p": 0}},
        {"taskrunner": 1, "nodes": [], "pools": {"p": 1.5}},
        {"taskrunner": 1, "nodes": [], "params": []},
        {"taskrunner": 1, "nodes": [], "outputs": [1]},
        {"taskrunner": 1, "nodes": [], "defaults": {"priority": 1}},
        {"taskrunner": 1, "nodes": [], "defaults": {"timeout": 0}},
        {"taskrunner": 1, "nodes": [{"call": "m:f"}]},
        file_of(id=""),
        file_of(id=None),
        file_of(extra=1),
        file_of(call=1),
        file_of(call=None),
        file_of(args={}),
        file_of(kwargs=[]),
        file_of(run=1),
        file_of(capture="all"),
        file_of(needs="b"),
        file_of(cache=1),
        file_of(files="a"),
        file_of(creates={}),
        file_of(needs=[1]),
        file_of(always="yes"),
        file_of(retries=-1),
        file_of(retries=1.5),
        file_of(retries={"backoff": 1}),
        file_of(retries={"max": 1, "factor": 0}),
        file_of(retries={"max": 1, "jitter": -1}),
        file_of(retries={"max": 1, "on": [None]}),
        file_of(timeout=0),
        file_of(timeout="1s"),
        file_of(pool=[1]),
        file_of(priority=0.5),
    ],
)
def test_broken_file_is_refused_by_both(value):
    assert (fits_schema(value), decodes(value)) == (False, False)


FIELDS = st.sampled_from([*Node.__struct_encode_fields__, "extra"])
VALUES = st.sampled_from(
    [None, True, 0, 1, -1, 0.5, 1.5, "", "a", "json", [], ["a"], [1], [None], {}, {"max": 1}, {"max": -1}, {"a": 1}]
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(FIELDS, VALUES, max_size=3))
def test_schema_and_decoder_agree_on_any_node(fields):
    value = {"taskrunner": 1, "nodes": [fields]}
    assert fits_schema(value) == decodes(value)


def test_schema_names_its_dialect_and_itself():
    assert (SCHEMA["$schema"], SCHEMA["title"]) == (
        "https://json-schema.org/draft/2020-12/schema",
        "taskrunner graph file",
    )
    assert json.dumps(SCHEMA).startswith('{"$schema": ')


@pytest.mark.parametrize("struct", [GraphFile, Node, Defaults, Retry])
def test_schema_has_every_field_and_no_other(struct):
    found = SCHEMA["$defs"][struct.__name__]
    assert tuple(found["properties"]) == struct.__struct_encode_fields__
    assert found["additionalProperties"] is False


@pytest.mark.parametrize("field", msgspec.structs.fields(Node), ids=lambda field: field.name)
def test_every_field_of_a_node_is_described(field):
    assert SCHEMA["$defs"]["Node"]["properties"][field.encode_name]["description"].endswith(".")


@pytest.mark.parametrize(("pool", "pools"), [(msgspec.UNSET, ()), ("a", ("a",)), (("a", "b"), ("a", "b")), ((), ())])
def test_pool_is_none_one_or_several(pool, pools):
    assert Node(id="x", pool=pool).pools == pools


def test_structs_are_frozen():
    with pytest.raises(AttributeError, match="immutable"):
        Node(id="a").id = "b"
