"""Random graphs end on every engine as on threads: outputs, states, and why nodes were skipped."""

import functools

import nodes
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline import InlineEngine
from told import counts, failures, states

import taskrunner

KINDS = ["call", "call", "call", "async", "map", "map-async"]


@st.composite
def plans(draw):
    """Draw nodes: each a kind, what it uses, what it needs beside that, and its fields."""
    found = []
    for number in range(draw(st.integers(1, 10))):
        earlier = st.integers(0, number - 1) if number else st.nothing()
        some = st.lists(earlier, max_size=2, unique=True) if number else st.just([])
        one = st.none() | earlier
        kind = draw(st.sampled_from(KINDS))
        found.append(
            {
                "kind": kind,
                "uses": draw(some),
                "needs": draw(some),
                "width": draw(st.integers(0, 3)),
                "width_from": draw(one),
                "when": draw(st.sampled_from([None, None, None, True, False])),
                "when_ref": draw(one) if draw(st.integers(0, 3)) == 0 else None,
                "always": draw(st.integers(0, 4)) == 0,
                "fails": not kind.startswith("map") and draw(st.integers(0, 5)) == 0,
                "allow_failure": draw(st.integers(0, 3)) == 0,
                "retries": draw(st.sampled_from([0, 0, 0, 1])),
                "priority": draw(st.integers(-1, 1)),
                "pool": draw(st.sampled_from([None, None, "one", "two"])),
                "is_output": draw(st.booleans()),
            }
        )
    return found


def build(plan):
    graph = taskrunner.Graph(pools={"one": 1, "two": 2})
    handles = []
    for number, node in enumerate(plan):
        is_async = node["kind"].endswith("async")
        function = functools.partial(nodes.compute_async if is_async else nodes.compute, number, node["fails"])
        options = {"id": f"n{number}", "needs": [handles[other] for other in node["needs"]]}
        options |= {name: node[name] for name in ("always", "priority", "allow_failure", "retries")}
        if node["pool"]:
            options["pool"] = node["pool"]
        if node["when_ref"] is not None:
            options["when"] = handles[node["when_ref"]]
        elif node["when"] is not None:
            options["when"] = node["when"]
        item = None
        if node["kind"].startswith("map"):
            item, source = graph.item, node["width_from"]
            late = source is not None
            options["map"] = (
                graph.call(nodes.width, handles[source], id=f"w{number}") if late else list(range(node["width"]))
            )
        handles.append(graph.call(function, item, *[handles[other] for other in node["uses"]], **options))
    graph.output(*[handle for handle, node in zip(handles, plan, strict=True) if node["is_output"]])
    return graph


def told(plan, **options):
    result = taskrunner.run(build(plan), stop_after=0, **options)
    skipped = {node: why.reason for node, why in result.skipped.items()}  # of several that failed any may be named
    kinds = {key: told[:2] for key, told in failures(result).items()}
    return result.outputs, states(result), kinds, skipped, counts(result)


def check(plan, engine):
    assert told(plan, engine=engine) == told(plan, workers=2)


given_plans = functools.partial(settings, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@given_plans(max_examples=30)
@given(plans(), st.integers(0, 3), st.booleans())
def test_a_random_graph_ends_as_on_threads(plan, threads, fuses):
    check(plan, InlineEngine(threads, fuses=fuses))


@given_plans(max_examples=8)
@given(plans(), st.booleans())
def test_a_random_graph_ends_on_dask_as_on_threads(cluster, plan, fuses):
    check(plan, cluster.engine(fuses=fuses))


@pytest.mark.stress
@pytest.mark.timeout(900)
@given_plans(max_examples=25)
@given(plans(), st.booleans())
def test_many_random_graphs_end_on_dask_as_on_threads(cluster, plan, fuses):
    check(plan, cluster.engine(fuses=fuses))


@pytest.mark.stress
@pytest.mark.timeout(900)
@given_plans(max_examples=80)
@given(plans(), st.integers(0, 4), st.booleans())
def test_many_random_graphs_end_as_on_threads(plan, threads, fuses):
    check(plan, InlineEngine(threads, fuses=fuses))
