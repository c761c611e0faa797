"""``taskrunner schema``: what editors are told."""

import json

import fastjsonschema
import pytest


def test_it_goes_to_standard_output_and_nothing_else_does(cli):
    told = cli("schema")
    assert (told.code, told.err) == (0, "")
    assert told.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_it_goes_to_a_file(cli, inside):
    told = inside("schema", "-o", "schema.json")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert json.loads((cli.folder / "schema.json").read_bytes()) == inside("schema").json


@pytest.mark.parametrize("name", ["counter", "fib", "ingest", "offload", "stdlib", "tour"])
def test_the_workloads_fit_it(inside, workloads, name):
    validate = fastjsonschema.compile(inside("schema").json)
    graph = json.loads((workloads / f"{name}.json").read_bytes())
    assert validate(graph)["name"] == name


def test_it_refuses_an_unknown_field(inside):
    validate = fastjsonschema.compile(inside("schema").json)
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate({"taskrunner": 1, "nodes": [{"id": "a", "call": "m:f", "arg": []}]})


def test_every_field_of_a_node_is_described(inside):
    node = inside("schema").json["$defs"]["Node"]["properties"]
    assert [name for name, field in node.items() if name != "id" and "description" not in field] == []
