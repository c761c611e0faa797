"""The conformance cases on an engine without a cluster: one in one file, which works travel to as bytes in part."""

import msgspec
import pytest
from cases import CASES, ITEM, call, ref
from inline import InlineEngine
from told import Ear, decoded

import taskrunner
from taskrunner.errors import GraphError, UsageError
from taskrunner.run.events import NodeDone, RunStart, SiteJoined

# These need several nodes at once, which the submitting thread alone cannot run.
TOGETHER = {"asyncs", "stopped"}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("threads", "fuses"), [(2, True), (4, False)])
def test_a_graph_ends_as_on_threads(name, threads, fuses, check_case):
    check_case(CASES[name], InlineEngine(threads, fuses=fuses))


@pytest.mark.parametrize("name", sorted(CASES.keys() - TOGETHER))
def test_a_graph_ends_as_on_threads_where_works_end_before_they_are_sent(name, check_case):
    check_case(CASES[name], InlineEngine(0))


def go(engine, *nodes, ear=None, **options):
    graph = decoded({"nodes": list(nodes)})
    return taskrunner.run(graph, engine=engine, observers=[] if ear is None else [ear], **options)


def steps_of(engine):
    return [[step.node for step in work.steps] for work in engine.works]


CHAIN = [call("a", "give", 1), call("b", "add", ref("a"), 1), call("c", "add", ref("b"), 1)]


@pytest.mark.parametrize(("fuses", "works"), [(True, [["a", "b", "c"]]), (False, [["a"], ["b"], ["c"]])])
def test_calls_in_a_row_travel_as_one_work(fuses, works):
    engine, ear = InlineEngine(fuses=fuses), Ear()
    assert go(engine, *CHAIN, ear=ear).outputs == {"c": 3}
    assert steps_of(engine) == works
    assert [event.node for event in ear.of(NodeDone)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "fields",
    [
        {"retries": 1}, {"timeout": 9.0}, {"pool": "p"}, {"when": True}, {"always": True}, {"allow_failure": True},
        {"needs": ["x"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_asks_for_more_than_a_call_is_no_part_of_a_chain(fields):
    engine = InlineEngine()
    nodes = [CHAIN[0], {**CHAIN[1], **fields}, CHAIN[2], call("x", "give", 1)]
    graph = decoded({"nodes": nodes, "pools": {"p": 1}, "outputs": ["c"]})
    assert taskrunner.run(graph, engine=engine).outputs == {"c": 3}
    assert ["a"] in steps_of(engine)


def test_an_output_ends_a_chain():
    engine = InlineEngine()
    graph = decoded({"nodes": CHAIN, "outputs": ["b", "c"]})
    assert taskrunner.run(graph, engine=engine).outputs == {"b": 2, "c": 3}
    assert steps_of(engine) == [["a", "b"], ["c"]]


def test_a_run_says_where_it_runs():
    ear = Ear()
    go(InlineEngine(3), *CHAIN, ear=ear)
    (start,), (joined,) = ear.of(RunStart), ear.of(SiteJoined)
    assert (start.engine, start.workers, joined.address, joined.threads) == ("inline", 3, "here", 3)


def test_children_are_not_given_the_list_that_their_items_come_from():
    engine = InlineEngine(2)
    go(engine, call("list", "texts", 3, 100_000), call("m", "size_of", ITEM, map=ref("list")))
    taken = [
        step.given for work in engine.works for step in work.steps if step.node.startswith("m[") and step.kind == 0
    ]
    assert len(taken) == 3
    assert all(not hasattr(value, "number") for given in taken for value in given.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 2}, "how many workers"),
        ({"shuffle": 1}, "only the threads"),
        ({"replay": "last"}, "only the threads"),
    ],
)
def test_options_of_threads_are_refused(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        go(InlineEngine(), *CHAIN, run_dir=tmp_path, **options)


def test_what_a_site_cannot_import_is_a_problem_of_the_graph():
    class Ignorant(InlineEngine):
        def look(self, address):
            problems = {"nodes:add": 'no module named "nodes"'}
            return msgspec.structs.replace(super().look(address), problems=problems)

    with pytest.raises(GraphError, match="cannot import it"):
        go(Ignorant(), *CHAIN)
