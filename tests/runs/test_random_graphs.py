"""Random graphs: every node once, never before what it needs, and the results of a serial evaluation."""

import dataclasses
import itertools
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import taskrunner

SKIPPED = object()


@dataclasses.dataclass(frozen=True)
class Plan:
    """One node of a random graph. ``needs`` and ``uses`` are numbers of earlier nodes."""

    kind: str  # "call", "async", "map" or "map-async"
    uses: tuple[int, ...] = ()
    needs: tuple[int, ...] = ()
    width: int = 0
    width_from: int | None = None  # the width of a map that only another node can give
    when: int | bool | None = None
    always: bool = False
    fails: bool = False
    priority: int = 0
    pool: str | None = None

    @property
    def before(self):
        named = [number for number in (self.width_from, self.when) if type(number) is int]
        return {*self.uses, *self.needs, *named}


@st.composite
def plans(draw, *, failing=False):
    found = []
    for number in range(draw(st.integers(1, 12))):
        earlier = st.integers(0, number - 1) if number else st.nothing()
        some = st.lists(earlier, max_size=3, unique=True).map(tuple) if number else st.just(())
        one = st.none() | earlier
        kind = draw(st.sampled_from(["call", "call", "async", "map", "map-async"]))
        is_map = kind.startswith("map")
        found.append(
            Plan(
                kind=kind,
                uses=draw(some),
                needs=draw(some),
                width=draw(st.integers(0, 5)) if is_map else 0,
                width_from=draw(one) if is_map else None,
                when=draw(one | st.booleans()),
                always=draw(st.integers(0, 4)) == 0,
                fails=failing and not is_map and draw(st.integers(0, 4)) == 0,
                priority=draw(st.integers(-1, 1)),
                pool=draw(st.sampled_from([None, None, "one", "two"])),
            )
        )
    return found


class Log:
    """Gives each start and each end of a call a number, one after the other."""

    def __init__(self):
        self._next = itertools.count().__next__
        self._lock = threading.Lock()
        self.entries = []

    def note(self, what, name):
        with self._lock:
            self.entries.append((self._next(), what, name))

    def numbers(self, what):
        return {name: number for number, kind, name in self.entries if kind == what}


def value_of(number, item, parts):
    """Return what node ``number`` computes: small, and of every part of its input."""
    numbers = [sum(part) if type(part) is list else -1 if part is None else part for part in parts]
    return (sum((place + 2) * part for place, part in enumerate(numbers)) + number + 3 * (item or 0)) % 101


def width_of(result):
    return list(range((sum(result) if type(result) is list else result or 0) % 6))


def serial(plan):
    """Evaluate the nodes one after the other; SKIPPED stands for what has no result."""
    results = []
    for number, node in enumerate(plan):
        missing = any(results[other] is SKIPPED for other in node.before)
        seen = [None if result is SKIPPED else result for result in results]
        guard = seen[node.when] if type(node.when) is int else node.when
        parts = [seen[other] for other in node.uses]
        is_guarded = node.when is not None and not guard
        if (missing and not node.always) or is_guarded or node.fails:
            results.append(SKIPPED)
        elif node.kind.startswith("map"):
            items = range(node.width) if node.width_from is None else width_of(seen[node.width_from])
            results.append([value_of(number, item, parts) for item in items])
        else:
            results.append(value_of(number, None, parts))
    return results


def build(plan, log):
    """Return the graph, and the handle of each node's result."""
    graph = taskrunner.Graph(pools={"one": 1, "two": 2})
    handles = []
    for number, node in enumerate(plan):
        items = {}
        if node.kind.startswith("map"):
            widths = list(range(node.width))
            if node.width_from is not None:
                # Not a part of the plan: always, so that it stands in nobody's way.
                widths = graph.call(width_of, handles[node.width_from], id=f"widths-{number}", always=True)
            items = {"map": widths}
        options = {
            "needs": [handles[other].id for other in node.before],
            "always": node.always,
            "priority": node.priority,
            **({} if node.pool is None else {"pool": node.pool}),
            **({} if node.when is None else {"when": handles[node.when] if type(node.when) is int else node.when}),
        }
        function = body(number, node, log)
        item = graph.item if items else None
        parts = [handles[other] for other in node.uses]
        handles.append(graph.call(function, item, *parts, id=str(number), **items, **options))
    graph.output(*handles)
    return graph, handles


def body(number, node, log):
    def compute(item, *parts):
        name = str(number) if item is None else f"{number}[{item}]"
        log.note("start", name)
        if node.fails:
            log.note("end", name)
            raise ValueError(name)
        value = value_of(number, item, parts)
        log.note("end", name)
        return value

    async def compute_async(item, *parts):
        return compute(item, *parts)

    return compute_async if node.kind.endswith("async") else compute


def calls_of(number, node, result):
    """Return the names under which a node that has this result calls its function."""
    if node.kind.startswith("map"):
        return [f"{number}[{item}]" for item in range(len(result))]
    return [str(number)]


def check(plan, workers, *, stop_after=0):
    log = Log()
    graph, handles = build(plan, log)
    result = taskrunner.run(graph, workers=workers, stop_after=stop_after)
    expected = serial(plan)
    assert result.outputs == {
        handle.id: value for handle, value in zip(handles, expected, strict=True) if value is not SKIPPED
    }
    failing = {failure.node for failure in result.failures}
    calls = {
        number: [str(number)] if str(number) in failing else calls_of(number, node, expected[number])
        for number, node in enumerate(plan)
        if expected[number] is not SKIPPED or str(number) in failing
    }
    starts, ends = log.numbers("start"), log.numbers("end")
    everything = sorted(name for names in calls.values() for name in names)
    assert sorted(name for _, what, name in log.entries if what == "start") == everything
    assert sorted(name for _, what, name in log.entries if what == "end") == everything
    for number, names in calls.items():
        before = [name for other in plan[number].before for name in calls.get(other, [])]
        latest = max((ends[name] for name in before), default=-1)
        assert all(starts[name] > latest for name in names)
    return result


@settings(max_examples=40, deadline=None)
@given(plans(), st.integers(1, 4))
def test_a_random_graph_gives_what_a_serial_evaluation_gives(plan, workers):
    assert check(plan, workers).ok


@settings(max_examples=40, deadline=None)
@given(plans(failing=True), st.integers(1, 4))
def test_a_random_graph_with_failures_runs_all_that_does_not_need_them(plan, workers):
    result = check(plan, workers)
    assert result.ok is not bool(result.failures)


@settings(max_examples=40, deadline=None)
@given(plans(failing=True), st.integers(1, 4))
def test_a_run_accounts_for_every_node_however_it_ends(plan, workers):
    graph, handles = build(plan, Log())
    result = taskrunner.run(graph, workers=workers)
    told = [entry.node for entry in result.timing]
    assert len(told) == len(set(told))
    assert {handle.id for handle in handles} <= set(told)
    states = {entry.node: entry.state for entry in result.timing}
    for number, node in enumerate(plan):
        gone = [other for other in node.before if states[str(other)] != "done"]
        assert node.always or not gone or states[str(number)] == "skipped"


@pytest.mark.stress
@settings(max_examples=600, deadline=None)
@given(plans(failing=True), st.integers(1, 8))
def test_many_random_graphs(plan, workers):
    check(plan, workers)
