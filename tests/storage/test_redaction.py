import json

import msgspec
import pytest

import taskrunner
from taskrunner.graph.graph import Graph
from taskrunner.safe.secrets import MASK
from taskrunner.storage.redaction import mask_of, redact, restore_secrets

PARAMS = {"n": 1, "api_token": "t0ken-default", "host": "h"}
NODES = [
    {"id": "a", "call": "m:f", "args": [{"$param": "api_token"}]},
    {
        "id": "b",
        "run": ["x", {"$param": "n"}],
        "env": {"DB_PASSWORD": "pa55word", "HOST": "plain", "KEY_TOKEN": {"$param": "host"}, "A_SECRET": {"$ref": "a"}},
    },
    {"id": "c", "run": "y", "env": {"API_KEY": {"$literal": {"deep": "l1teral"}}, "MY_SECRET": None}},
]


def text_of(nodes=NODES, params=PARAMS):
    return json.dumps({"taskrunner": 1, "params": params, "nodes": nodes}).encode()


def dag_of(text, **values):
    return Graph.decode(text, "json").link(values)


def test_without_secrets_all_is_kept_as_it_is():
    text = text_of([{"id": "a", "run": "x", "env": {"HOST": "plain"}}], {"n": 1})
    kept = redact(text, {"n": 2}, dag_of(text, n=2))
    assert (kept.graph, kept.params, kept.secret_hashes) == (text, {"n": 2}, None)


def test_secrets_are_masked_and_nothing_else_is():
    text = text_of()
    kept = redact(text, {"api_token": "t0ken-given", "n": 2}, dag_of(text, api_token="t0ken-given", n=2))  # noqa: S106
    graph = json.loads(kept.graph)
    assert kept.params == {"api_token": MASK, "n": 2}
    assert graph["params"] == {"n": 1, "api_token": MASK, "host": MASK}
    assert graph["nodes"][0] == NODES[0]
    assert graph["nodes"][1] == NODES[1] | {"env": NODES[1]["env"] | {"DB_PASSWORD": MASK}}
    assert graph["nodes"][2]["env"] == {"API_KEY": MASK, "MY_SECRET": None}


def test_nothing_that_is_kept_holds_a_secret():
    text = text_of()
    kept = redact(text, {"api_token": "t0ken-given"}, dag_of(text, api_token="t0ken-given"))  # noqa: S106
    whole = msgspec.json.encode(kept.params) + kept.graph + msgspec.json.encode(kept.secret_hashes)
    for secret in (b"t0ken-default", b"t0ken-given", b"pa55word", b"l1teral"):
        assert secret not in whole


def test_the_same_secret_has_another_hash_in_another_run():
    text = text_of()
    first, second = (redact(text, {}, dag_of(text)).secret_hashes for _ in range(2))
    assert first.params["api_token"] != second.params["api_token"]
    assert first.of("x") != second.of("x")
    assert first.of("x") != first.of("y")


def revealed(old, new, **values):
    """Return the earlier graph's nodes as they are linked with the secrets of the new one."""
    kept = restore_secrets(
        redact(old, values.get("before", {}), dag_of(old, **values.get("before", {}))), new, values["now"]
    )
    return Graph.decode(kept.graph, "json").link(kept.params).vertices


def variables_of(vertex):
    env = vertex.templates.env
    return dict(zip(env.keys, env.parts, strict=True))


def test_what_is_the_same_is_put_back():
    text = text_of()
    found = revealed(text, text, now=PARAMS)
    assert found[0].args == ("t0ken-default",)
    assert list(variables_of(found[1]).values())[:2] == ["pa55word", "plain"]


@pytest.mark.parametrize("value", ["t0ken-other", MASK, "", None, 3])
def test_what_is_not_the_same_equals_nothing(value):
    text = text_of()
    found = revealed(text, text, now=PARAMS | {"api_token": value})
    assert found[0].args[0] not in ("t0ken-default", MASK, value)


@pytest.mark.parametrize("value", ["other", MASK, None])
def test_a_variable_that_is_not_the_same_equals_nothing(value):
    nodes = json.loads(json.dumps(NODES))
    nodes[1]["env"]["DB_PASSWORD"] = value
    found = revealed(text_of(), text_of(nodes), now=PARAMS)
    assert variables_of(found[1])["DB_PASSWORD"] not in ("pa55word", value, MASK)


@pytest.mark.parametrize("default", [12345678, 1.5, ["a"], {"part": {"of": "it"}}, True])
def test_a_secret_of_any_type_is_compared(default):
    nodes = [{"id": "a", "call": "m:f", "args": [{"$param": "token"}]}]
    if isinstance(default, dict):
        nodes[0]["args"][0]["path"] = ["part", "of"]
    text = text_of(nodes, {"token": default})
    same, other = revealed(text, text, now={"token": default}), revealed(text, text, now={"token": "x"})
    now = dag_of(text).vertices
    assert type(same[0].args[0]) is type(now[0].args[0])
    assert type(other[0].args[0]) is not type(now[0].args[0])


def test_a_parameter_without_a_default_is_compared_as_well():
    text = text_of(NODES[:1], {"api_token": None})
    assert revealed(text, text, before={"api_token": "x1"}, now={"api_token": "x1"})[0].args == ("x1",)
    assert revealed(text, text, before={"api_token": "x1"}, now={"api_token": "x2"})[0].args != ("x1",)


def test_texts_lose_the_secrets_that_are_known_before_a_run():
    text = text_of()
    mask = mask_of(dag_of(text, api_token="t0ken-given"), {"api_token": "t0ken-given"})  # noqa: S106
    assert mask("t0ken-given pa55word l1teral plain 1") == "*** *** *** plain 1"


def test_a_graph_that_was_made_in_python_is_masked_as_well(tmp_path):
    graph = Graph("g", params={"token": "hunter2"})
    graph.call(len, graph.param("token"), id="n")
    graph.run(["true"], env={"MY_PASSWORD": "pa55word", "OTHER": object}, id="c", when=False)
    run = taskrunner.run(graph, run_dir=tmp_path).summary.run
    whole = b"".join(path.read_bytes() for path in (tmp_path / run).glob("*.json*"))
    assert b"hunter2" not in whole
    assert b"pa55word" not in whole
    assert taskrunner.run(graph, run_dir=tmp_path, resume="last").summary.kept == 1
