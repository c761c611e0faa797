"""The conformance cases on an engine without a cluster: one in one file, which works travel to as bytes in part."""

import msgspec
import pytest
from cases import CASES, ITEM, call, ref
from inline import InlineEngine
from told import Ear, decoded

import taskrunner
from taskrunner.engines.cluster import scheduler
from taskrunner.engines.engine import WorkerJoined
from taskrunner.errors import GraphError, UsageError
from taskrunner.events.types import NodeDone, NodeTimeout, RunStart, RunWarning, SiteJoined

# These need several nodes at once, which the submitting thread alone cannot run.
TOGETHER = {"asyncs", "stopped"}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("threads", "fuses"), [(2, True), (4, False)])
def test_a_graph_ends_as_on_threads(name, threads, fuses, check_case):
    check_case(CASES[name], InlineEngine(threads, fuses=fuses))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES.keys() - TOGETHER))
def test_a_graph_ends_as_on_threads_where_works_end_before_they_are_sent(name, check_case):
    check_case(CASES[name], InlineEngine(0))


def go(engine, *nodes, ear=None, **options):
    graph = decoded({"nodes": list(nodes)})
    return taskrunner.run(graph, engine=engine, observers=[] if ear is None else [ear], **options)


def steps_of(engine):
    return [[step.node for step in item.steps] for item in engine.items]


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
        step.inputs for item in engine.items for step in item.steps if step.node.startswith("m[") and step.kind == 0
    ]
    assert len(taken) == 3
    assert all(not hasattr(value, "number") for given in taken for value in given.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 2}, "the engine determines the number of workers"),
        ({"shuffle": 1}, "only threads of this process"),
        ({"replay": "last"}, "only threads of this process"),
    ],
)
def test_options_of_threads_are_refused(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        go(InlineEngine(), *CHAIN, run_dir=tmp_path, **options)


def test_what_a_site_cannot_import_is_a_problem_of_the_graph():
    class Ignorant(InlineEngine):
        def describe(self, address):
            problems = {"nodes:add": 'no module named "nodes"'}
            return msgspec.structs.replace(super().describe(address), problems=problems)

    with pytest.raises(GraphError, match="cannot import it"):
        go(Ignorant(), *CHAIN)


def test_a_chain_is_of_one_priority():
    engine = InlineEngine()
    nodes = [CHAIN[0], {**CHAIN[1], "priority": -1}, {**CHAIN[2], "priority": -1}]
    assert go(engine, *nodes).outputs == {"c": 3}
    assert steps_of(engine) == [["a"], ["b", "c"]]


def test_what_only_waits_takes_no_room_from_calls(monkeypatch, tmp_path):
    monkeypatch.setattr(scheduler, "MIN_AHEAD", 3)
    monkeypatch.setattr(scheduler, "MAX_AHEAD", 1)
    waiting = [{"id": f"w{n}", "run": f"until [ -e {tmp_path}/go ]; do sleep 0.01; done"} for n in range(9)]
    waits = [call(f"a{n}", "wait_for_async", str(tmp_path / "go")) for n in range(9)]
    result = go(InlineEngine(2), *waiting, *waits, call("opens", "touch", str(tmp_path / "go")))
    assert result.ok


def test_what_has_not_begun_is_skipped_when_the_time_is_over(monkeypatch, tmp_path):
    monkeypatch.setattr(scheduler, "GRACE_PERIOD_S", 0.2)
    go_on = tmp_path / "go"
    nodes = [
        call("long", "wait_for", str(go_on)),
        call("queued", "give", 1),
        call("cleans", "touch", str(tmp_path / "cleaned"), always=True, needs=["queued"]),
    ]

    class Opens(Ear):
        def on_events(self, events):
            super().on_events(events)
            if self.of(NodeTimeout):
                go_on.touch()  # the call that was given up

    result = go(InlineEngine(1), *nodes, ear=(ear := Opens()), timeout=0.3)
    assert [event.node for event in ear.of(NodeTimeout)] == ["long"]
    assert (set(result.skipped), [failure.node for failure in result.failures]) == ({"queued"}, ["long"])
    assert (tmp_path / "cleaned").exists()


def test_a_process_of_which_nothing_can_be_known_ends_no_run():
    class Silent(InlineEngine):
        def start(self, setup, report_callback):
            return [msgspec.structs.replace(super().start(setup, report_callback)[0], address="gone")]

        def describe(self, address):
            if hasattr(self, "is_asked"):
                raise TimeoutError("it does not answer")
            self.is_asked = True
            return super().describe(address)

    ear = Ear()
    assert go(Silent(), *CHAIN, ear=ear).ok
    assert [event.message for event in ear.of(RunWarning)] == [
        "cannot query here, which has run a node: it does not answer"
    ]


def test_a_process_that_comes_after_the_stop_is_stopped_as_well():
    halted = []

    class Growing(InlineEngine):
        def stop_steps(self, *, cancel):
            super().stop_steps(cancel=cancel)
            halted.append(cancel)
            if len(halted) == 1:
                self._report_callback(WorkerJoined("another"))

    nodes = [call("a", "fail_with", "two"), call("cleans", "give", 1, always=True, needs=["a"])]
    assert go(Growing(1), *nodes).outputs == {"cleans": 1}
    assert halted == [False, False]
