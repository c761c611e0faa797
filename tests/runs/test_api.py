"""``taskrunner.run`` as a user of Python meets it."""

import asyncio
import contextlib
import functools
import itertools
import logging
import os
import signal
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

import taskrunner
from taskrunner.events.types import NodeDone, NodeFailed, NodeSkipped, RunDone, RunStart

BOUND = 30.0


class Thing:
    """Something that a weak reference can watch."""


class Watched:
    """Makes things, and says how many of them are still alive."""

    def __init__(self):
        self.references = []

    def make(self):
        thing = Thing()
        self.references.append(weakref.ref(thing))
        return thing

    def make_many(self, count):
        return [self.make() for _ in range(count)]

    def alive(self):
        return sum(reference() is not None for reference in self.references)


class Gauge:
    """Counts how many threads are inside at once, and how many there ever were at most."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def __enter__(self):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_):
        with self.lock:
            self.inside -= 1


class Ear:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.events = []
        self.closed = 0

    def on_events(self, events):
        assert not self.closed
        self.events += events

    def close(self):
        self.closed += 1


def give(value=None):
    return value


def nothing(*_):
    return None


def fail(*_):
    message = "no luck"
    raise ValueError(message)


async def give_async(value=None):
    await asyncio.sleep(0)
    return value


@pytest.fixture
def graph():
    return taskrunner.Graph("test")


# -- results -----------------------------------------------------------------------------------------


def test_results_are_handed_on_by_reference(graph):
    thing = Thing()
    made = graph.call(lambda: {"things": [thing]})
    graph.output(made, graph.call(give, made["things"][0], id="same"), graph.call(give_async, made, id="async"))
    result = taskrunner.run(graph, workers=2)
    assert result["same"] is thing
    assert result["async"] is result[made]
    assert result[made]["things"][0] is thing


def test_arguments_that_are_no_containers_are_handed_over_by_reference(graph):
    thing = Thing()
    same = graph.call(give, thing)
    assert taskrunner.run(graph)[same] is thing


@pytest.mark.parametrize("value", [(1, [2]), [(1, 2)], {"a": (1,)}, (), range(3), {1, 2}, b"x", None], ids=repr)
def test_values_keep_their_types(graph, value):
    same = graph.call(give, value)
    found = taskrunner.run(graph)[same]
    assert found == value
    assert type(found) is type(value)


def test_a_handle_inside_a_tuple_is_a_reference(graph):
    pair = graph.call(give, (graph.call(give, 1), [graph.call(give, 2)], {"a": graph.call(give, 3)}))
    assert taskrunner.run(graph)[pair] == (1, [2], {"a": 3})


def test_keywords_reach_the_function(graph):
    one = graph.call(dict, a=graph.call(give, 1), kwargs={"timeout": 2})
    assert taskrunner.run(graph)[one] == {"a": 1, "timeout": 2}


def test_dollar_keys_of_a_value_are_no_references(graph):
    same = graph.call(give, {"$ref": "nowhere"})
    assert taskrunner.run(graph)[same] == {"$ref": "nowhere"}


def test_mutable_literals_are_fresh_for_each_call(graph):
    def change(values, table):
        values.append(len(values))
        table["new"] = 1
        return values, sorted(table)

    changed = graph.call(change, [], {"old": 0})
    mapped = graph.call(lambda _, values: values.append(1) or values, graph.item, [], map=[0, 1], id="mapped")
    for _ in range(2):
        result = taskrunner.run(graph)
        assert result[changed] == ([0], ["new", "old"])
        assert result[mapped] == [[1], [1]]


def test_a_handle_s_path_leads_into_the_result(graph):
    made = graph.call(lambda: {"rows": [complex(1, 2)]})
    part = graph.call(give, made["rows"][0]["real"])
    graph.output(made, part)
    result = taskrunner.run(graph)
    assert result[part] == 1.0
    assert result[made["rows"][0]] == complex(1, 2)
    assert result[made["rows"][0]["real"]] == 1.0
    assert result["give"] == 1.0


def test_only_outputs_are_kept(graph):
    first = graph.call(give, 1)
    last = graph.call(give, first)
    result = taskrunner.run(graph)
    assert result.outputs == {"give-2": 1}
    with pytest.raises(
        taskrunner.RunFailedError, match='the result of "give" is not available: the node is not an out'
    ):
        result[first]
    with pytest.raises(taskrunner.RunFailedError, match='no node "other" in this run'):
        result["other"]
    graph.output(first, last)
    assert taskrunner.run(graph).outputs == {"give": 1, "give-2": 1}


def test_a_missing_result_says_why(graph):
    bad = graph.call(fail)
    after = graph.call(give, bad)
    graph.output(bad, after)
    result = taskrunner.run(graph, stop_after=0)
    with pytest.raises(taskrunner.RunFailedError, match='node "fail" failed: ValueError: no luck'):
        result[bad]
    with pytest.raises(taskrunner.RunFailedError, match='node "give" was skipped because of "fail"'):
        result[after]


def test_targets_are_the_outputs(graph):
    first = graph.call(give, 1, id="first")
    graph.call(fail, first)
    result = taskrunner.run(graph, targets=[first])
    assert (result.ok, result.outputs) == (True, {"first": 1})
    assert taskrunner.run(graph, targets=["first"]).outputs == {"first": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ["giv"]}, 'no node "giv" in the graph; did you mean "give"?'),
        ({"workers": 0}, "a run needs at least 1 worker, not 0"),
        ({"params": {"n": 1}}, 'unknown parameter "n"; the graph has: none'),
    ],
)
def test_wrong_options_are_refused(graph, options, message):
    graph.call(give)
    with pytest.raises(taskrunner.UsageError) as caught:
        taskrunner.run(graph, **options)
    assert str(caught.value) == message


def test_an_empty_graph_runs(graph):
    result = taskrunner.run(graph)
    assert (result.ok, result.outputs, result.timing) == (True, {}, [])


# -- results die -------------------------------------------------------------------------------------

# One worker: on a free-threaded build an object that another thread made may die a little later.


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_result_dies_after_its_last_consumer(graph, count):
    watched = Watched()
    made = graph.call(watched.make)
    users = [graph.call(nothing, made) for _ in range(count)]
    alive = graph.call(watched.alive, needs=users)
    assert taskrunner.run(graph, workers=1)[alive] == 0


def test_a_result_lives_until_its_last_consumer(graph):
    watched = Watched()
    made = graph.call(watched.make)
    first = graph.call(nothing, made)
    alive = graph.call(watched.alive, needs=[first])
    graph.call(nothing, made, needs=[alive])
    graph.output(alive)
    assert taskrunner.run(graph, workers=1)[alive] == 1


def test_a_result_that_nobody_takes_dies_at_once(graph):
    watched = Watched()
    made = graph.call(watched.make)
    alive = graph.call(watched.alive, needs=made)
    assert taskrunner.run(graph, workers=1)[alive] == 0


def test_a_function_s_result_is_not_held_by_its_consumer_s_consumer(graph):
    watched = Watched()
    thing = graph.call(watched.make)
    for _ in range(3):
        thing = graph.call(lambda _: watched.make(), thing)
    alive = graph.call(lambda _: watched.alive(), thing, id="alive")
    assert taskrunner.run(graph, workers=1)[alive] == 1


def test_an_item_dies_after_its_child(graph):
    watched = Watched()
    alive = graph.map(lambda _: watched.alive(), graph.call(watched.make_many, 4), id="alive")
    assert taskrunner.run(graph, workers=1)[alive] == [4, 3, 2, 1]


def test_what_the_children_share_dies_with_the_last_of_them(graph):
    watched = Watched()
    shared = graph.call(watched.make)
    during = graph.map(lambda *_: watched.alive(), [0, 1], shared, id="during")
    after = graph.call(watched.alive, needs=[during], id="after")
    graph.output(during, after)
    assert taskrunner.run(graph, workers=1).outputs == {"during": [1, 1], "after": 0}


def test_the_children_s_results_die_after_the_last_consumer(graph):
    watched = Watched()
    made = graph.map(lambda _: watched.make(), [0, 1, 2])
    after = graph.call(watched.alive, needs=[graph.call(nothing, made)], id="after")
    assert taskrunner.run(graph, workers=1)[after] == 0


def alive_at_last(graph, watched, needs):
    """Run on after failures, and return how many things were alive when ``needs`` were over."""
    graph.call(watched.alive, needs=needs, always=True, id="alive", priority=-1)
    return taskrunner.run(graph, workers=1, stop_after=0, targets=["alive"])["alive"]


def test_a_result_dies_when_a_consumer_is_skipped(graph):
    watched = Watched()
    made = graph.call(watched.make)
    skipped = graph.call(nothing, made, needs=[graph.call(fail)])
    guarded = graph.call(nothing, made, when=False)
    assert alive_at_last(graph, watched, [graph.call(nothing, made), skipped, guarded]) == 0


def test_a_result_dies_when_a_consumer_fails(graph):
    watched = Watched()
    assert alive_at_last(graph, watched, [graph.call(fail, graph.call(watched.make))]) == 0


@pytest.mark.parametrize("field", ["args", "when", "map"])
def test_a_result_dies_when_a_consumer_s_reference_leads_nowhere(graph, field):
    watched = Watched()
    nowhere = graph.call(watched.make_many, 1)["nowhere"]
    user = graph.call(nothing, nowhere) if field == "args" else graph.call(nothing, **{field: nowhere})
    assert alive_at_last(graph, watched, [user]) == 0


def test_a_result_dies_when_a_map_cannot_be_expanded(graph):
    watched = Watched()
    assert alive_at_last(graph, watched, [graph.map(nothing, graph.call(watched.make))]) == 0


def test_the_children_s_results_die_when_one_of_them_fails(graph):
    watched = Watched()
    made = graph.map(lambda number: watched.make() if number else fail(), [1, 0, 1])
    after = graph.call(nothing, made)
    assert alive_at_last(graph, watched, [after]) == 0


def test_a_graph_holds_no_result_after_its_run(graph):
    watched = Watched()
    made = graph.call(watched.make)
    result = taskrunner.run(graph, workers=1)
    assert (result[made] is None, watched.alive()) == (False, 1)
    del result
    assert watched.alive() == 0


# -- what becomes of nodes ---------------------------------------------------------------------------


def test_always_is_given_none_for_what_failed_or_was_skipped(graph):
    bad = graph.call(fail)
    off = graph.call(give, 1, when=False)
    good = graph.call(give, 2)
    seen = graph.call(lambda *args: args, bad, bad["part"], off, good, always=True, id="seen")
    result = taskrunner.run(graph, stop_after=0)
    assert result["seen"] == (None, None, None, 2)
    assert seen.id in result.outputs


def test_always_runs_after_the_run_was_stopped(graph):
    tidy = graph.call(give, "tidy", needs=[graph.call(fail)], always=True)
    result = taskrunner.run(graph)
    assert (result.ok, result[tidy]) == (False, "tidy")


@pytest.mark.parametrize("value", [False, None, 0, "", [], {}], ids=repr)
def test_when_false_skips_the_node_and_what_needs_it(graph, value):
    first = graph.call(give, 1, when=graph.call(give, value), id="first")
    graph.call(give, first, id="second")
    graph.call(give, 3, needs=["second"], id="third")
    result = taskrunner.run(graph)
    assert result.ok
    assert result.outputs == {}
    reasons = {node: (skip.reason, skip.because) for node, skip in result.skipped.items()}
    assert reasons == {"first": ("when", ""), "second": ("needs", "first"), "third": ("needs", "first")}


@pytest.mark.parametrize("value", [True, 1, "x", [0]], ids=repr)
def test_when_true_runs_the_node(graph, value):
    first = graph.call(give, 1, when=graph.call(give, value), id="first")
    assert taskrunner.run(graph)[first] == 1


def test_a_failure_stops_the_run(graph):
    bad = graph.call(fail, graph.call(give, 1, id="first"), id="bad", priority=1)
    graph.call(give, 2, needs=[bad], id="after")
    graph.call(give, 3, needs=["first"], id="other")
    result = taskrunner.run(graph, workers=1)
    assert not result.ok
    assert {node: skip.reason for node, skip in result.skipped.items()} == {"after": "needs", "other": "stopped"}
    (failure,) = result.failures
    assert (failure.node, failure.message, failure.path) == ("bad", "ValueError: no luck", ("first", "bad"))
    assert isinstance(failure.error, ValueError)


@pytest.mark.parametrize("kind", ["plain", "async", "child"])
def test_a_traceback_starts_at_the_user_s_frame(graph, kind):
    async def fail_later():
        await asyncio.sleep(0)
        fail()

    if kind == "child":
        graph.map(fail, [1])
    else:
        graph.call(fail if kind == "plain" else fail_later)
    (failure,) = taskrunner.run(graph).failures
    lines = failure.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith(f'  File "{__file__}", line ')
    assert str(Path(taskrunner.__file__).parent) not in failure.traceback


def test_keep_going_runs_what_does_not_need_the_failed(graph):
    bad = [graph.call(fail) for _ in range(3)]
    graph.call(give, 1, needs=[bad[0]], id="after")
    other = graph.call(give, 2, id="other")
    result = taskrunner.run(graph, stop_after=0)
    assert not result.ok
    assert result[other] == 2
    assert sorted(failure.node for failure in result.failures) == ["fail", "fail-2", "fail-3"]
    assert list(result.skipped) == ["after"]


@pytest.mark.parametrize(("limit", "failed"), [(1, 1), (2, 2), (4, 4), (9, 5), (0, 5)])
def test_keep_going_stops_after_so_many_failures(graph, limit, failed):
    for _ in range(5):
        graph.call(fail)
    assert len(taskrunner.run(graph, workers=1, stop_after=limit).failures) == failed


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


class InterruptingError(UnspeakableError):
    def __str__(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(1),
        asyncio.CancelledError(),
        UnspeakableError(),
        InterruptingError(),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_whatever_a_node_raises_fails_the_node_alone(graph, error, is_async):
    def throw():
        raise error

    async def throw_async():
        raise error

    graph.call(throw_async if is_async else throw, id="bad")
    other = graph.call(give, 1)
    result = taskrunner.run(graph, stop_after=0, workers=1)
    (failure,) = result.failures
    assert failure.node == "bad"
    assert failure.message
    if not (is_async and isinstance(error, StopIteration)):  # a coroutine turns that one into a RuntimeError
        assert failure.error is error
    assert result[other] == 1


def test_a_group_of_errors_is_one_failure(graph):
    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail_soon())
            tasks.create_task(fail_soon())

    async def fail_soon():
        fail()

    graph.call(group)
    (failure,) = taskrunner.run(graph).failures
    assert isinstance(failure.error, ExceptionGroup)
    assert failure.traceback.count("ValueError: no luck") == 2


def test_a_path_that_leads_nowhere_fails_its_consumer(graph):
    graph.call(give, graph.call(give, {"rows": []}, id="table")["rows"][3], id="row")
    (failure,) = taskrunner.run(graph).failures
    assert failure.node == "row"
    assert "the result of \"table\" has no part ['rows'][3]: list raised IndexError" in failure.message


# -- map ---------------------------------------------------------------------------------------------


def test_map_keeps_the_order_of_its_items(graph):
    doubled = graph.map(lambda number: 2 * number, range(50))
    assert taskrunner.run(graph, workers=4)[doubled] == [2 * number for number in range(50)]


@pytest.mark.parametrize("kind", ["plain", "async", "command"])
def test_a_map_of_nothing_is_an_empty_list(graph, kind):
    if kind == "command":
        mapped = graph.run(["echo", graph.item], map=[], id="mapped")
    else:
        mapped = graph.map(give if kind == "plain" else give_async, [], id="mapped")
    length = graph.call(len, mapped)
    graph.output(mapped, length)
    assert taskrunner.run(graph).outputs == {"mapped": [], "len": 0}


@pytest.mark.parametrize(
    "items", [(3, 4), {3: 0, 4: 0}.keys(), range(3, 5), {3}, iter([3, 4])], ids=lambda v: type(v).__name__
)
def test_map_over_the_result_of_another_node(graph, items):
    mapped = graph.map(lambda item, other: item + other, graph.call(lambda: items), graph.call(give, 10))
    expected = [13] if isinstance(items, set) else [13, 14]
    assert taskrunner.run(graph, workers=2)[mapped] == expected


@pytest.mark.parametrize("items", ["text", b"bytes", {"a": 1}, 3, None], ids=repr)
def test_map_over_what_is_no_list_fails(graph, items):
    graph.map(give, graph.call(give, items), id="mapped")
    (failure,) = taskrunner.run(graph).failures
    assert (failure.node, failure.message) == ("mapped", f"TypeError: map needs a list, not {type(items).__name__}")


def test_map_with_async_children(graph):
    mapped = graph.map(give_async, graph.call(give, [1, 2, 3]))
    total = graph.call(sum, mapped)
    assert taskrunner.run(graph, workers=1)[total] == 6


def test_map_with_command_children(graph):
    mapped = graph.run(["printf", "%s-%s", graph.item, 7], map=["a", "b"])
    assert taskrunner.run(graph, workers=2)[mapped] == ["a-7", "b-7"]


def test_parts_of_items_and_parameters():
    graph = taskrunner.Graph(params={"n": {"a": [7]}})
    mapped = graph.call(give, graph.item["name"], map=[{"name": "a"}, {"name": "b"}], id="mapped")
    part = graph.call(give, graph.param("n")["a"][0])
    graph.output(mapped, part)
    assert taskrunner.run(graph).outputs == {"mapped": ["a", "b"], part.id: 7}


def test_map_over_a_map(graph):
    rows = graph.map(lambda number: list(range(number)), [1, 2, 3])
    sums = graph.map(sum, rows)
    assert taskrunner.run(graph, workers=3)[sums] == [0, 1, 3]


def test_each_child_is_a_node_of_its_own(graph):
    graph.map(give, [5, 6], id="m")
    timing = taskrunner.run(graph, workers=1).timing
    assert sorted(entry.node for entry in timing if entry.state == "done") == ["m", "m[0]", "m[1]"]


def test_a_child_that_fails_is_named_and_its_map_is_skipped(graph):
    graph.map(lambda number: 1 // number, [1, 0], id="m")
    result = taskrunner.run(graph, stop_after=0)
    assert [failure.node for failure in result.failures] == ["m[1]"]
    assert result.skipped["m"].because == "m[1]"


# -- pools, priorities, async ------------------------------------------------------------------------


def test_a_pool_limits_concurrency_to_its_size_and_reaches_it():
    graph, gauge, pair = taskrunner.Graph(pools={"disk": 2}), Gauge(), threading.Barrier(2)

    def hold():
        with gauge:
            pair.wait(BOUND)

    for _ in range(4):
        graph.call(hold, pool="disk")
    graph.map(lambda _: hold(), range(4), pool="disk")
    assert taskrunner.run(graph, workers=4).ok
    assert gauge.most == 2


def test_async_nodes_and_commands_hold_places_in_pools(tmp_path):
    graph, gauge = taskrunner.Graph(pools={"one": 1}), Gauge()

    async def hold():
        with gauge:
            for _ in range(5):
                await asyncio.sleep(0)

    for _ in range(5):
        graph.call(hold, pool="one")
        graph.run(["sh", "-c", "mkdir held && rmdir held"], cwd=str(tmp_path), pool="one")
    assert taskrunner.run(graph, workers=3).ok
    assert gauge.most == 1


def test_a_node_in_two_pools_holds_a_place_in_both():
    graph, gauge = taskrunner.Graph(pools={"a": 1, "b": 2}), Gauge()

    def hold():
        with gauge:
            os.sched_yield()

    for _ in range(20):
        graph.call(hold, pool=["a", "b"])
        graph.call(hold, pool=["b", "a"])
    assert taskrunner.run(graph, workers=4).ok
    assert gauge.most == 1


def test_a_pool_named_twice_is_no_way_around_its_limit():
    graph, gauge, first_two = taskrunner.Graph(pools={"a": 1}), Gauge(), threading.Barrier(2)

    def hold():
        with gauge, contextlib.suppress(threading.BrokenBarrierError):  # the other one must not come
            first_two.wait(0.2)

    for _ in range(2):
        graph.call(hold, pool=["a", "a"])
    with contextlib.suppress(taskrunner.GraphError):  # refused is as good
        taskrunner.run(graph, workers=2)
    assert gauge.most <= 1


def test_the_defaults_pool_holds_for_every_node():
    graph = taskrunner.Graph(pools={"one": 1}, defaults=taskrunner.Defaults(pool="one"))
    gauge = Gauge()

    def hold():
        with gauge:
            os.sched_yield()

    for _ in range(20):
        graph.call(hold)
    assert taskrunner.run(graph, workers=4).ok
    assert gauge.most == 1


def test_many_waiters_for_a_pool_cost_no_more_than_many_nodes():
    def seconds(count):
        graph = taskrunner.Graph(pools={"one": 1})
        graph.map(give, range(count), pool="one")
        start = time.perf_counter()
        assert taskrunner.run(graph, workers=1).ok
        return time.perf_counter() - start

    few, many = (min(seconds(count) for _ in range(3)) for count in (400, 1600))
    assert many < 8 * few  # linear: 4 times as long; quadratic: 16 times


def test_a_failure_frees_its_place_in_a_pool():
    graph = taskrunner.Graph(pools={"one": 1})
    for _ in range(3):
        graph.call(fail, pool="one")
    other = graph.call(give, 1, pool="one")
    assert taskrunner.run(graph, stop_after=0)[other] == 1


@pytest.mark.parametrize("kind", ["call", "command", "pool"])
def test_higher_priority_first_with_one_worker(tmp_path, kind):
    graph, order = taskrunner.Graph(pools={"one": 1}), tmp_path / "order"

    def note(priority):
        with order.open("a") as file:
            file.write(f"{priority}\n")

    if kind == "pool":
        graph.call(nothing, pool="one")  # has the one place while the others come to wait for it
    for priority in (1, 3, -1, 2, 0):
        if kind == "command":
            graph.run(f"echo {priority} >> order", cwd=str(tmp_path), priority=priority)
        else:
            graph.call(note, priority, priority=priority, **({"pool": "one"} if kind == "pool" else {}))
    assert taskrunner.run(graph, workers=1).ok
    assert order.read_text().split() == ["3", "2", "1", "0", "-1"]


def test_equal_priority_runs_in_the_graph_s_order_with_one_worker(graph):
    order = []
    for number in range(10):
        graph.call(order.append, number)
    taskrunner.run(graph, workers=1)
    assert order == list(range(10))


def test_async_nodes_hold_no_worker(graph):
    met = []

    async def meet():
        if not met:
            met.append(asyncio.Barrier(20))
        async with asyncio.timeout(BOUND):
            await met[0].wait()

    for _ in range(20):
        graph.call(meet)
    assert taskrunner.run(graph, workers=1).ok


def test_more_sleepers_than_workers_end_in_about_one_sleep(graph):
    graph.map(asyncio.sleep, [0.2] * 50)
    result = taskrunner.run(graph, workers=1)
    assert result.ok
    assert 0.2 <= result.summary.wall_s < 2.0


def test_workers_run_in_parallel(graph):
    meeting = threading.Barrier(4)
    for _ in range(4):
        graph.call(meeting.wait, BOUND)
    assert taskrunner.run(graph, workers=4).ok


def test_every_kind_of_callable(graph):
    class Callable:
        def __call__(self, value):
            return value + 1

    class AsyncCallable:
        async def __call__(self, value):
            return value + 2

    nodes = [
        graph.call(Callable(), 1),
        graph.call(AsyncCallable(), 1),
        graph.call(functools.partial(give_async), 4),
        graph.call(functools.partial(give, 5)),
        graph.call("text".upper),
        graph.call(int, "7"),
        graph.call(lambda: 8),
    ]
    result = taskrunner.run(graph)
    assert [result[node] for node in nodes] == [2, 3, 4, 5, "TEXT", 7, 8]


def test_arguments_that_do_not_fit_are_told_before_the_run(graph):
    ran = []
    graph.call(ran.append, 1)
    graph.call(fail, nobody=1, id="bad")
    with pytest.raises(taskrunner.GraphError, match="does not accept its arguments") as caught:
        taskrunner.run(graph)
    assert [problem.where for problem in caught.value.problems] == ["nodes[1].args"]
    assert ran == []


# -- commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ("text", '[1,\n"\u00e9"]\n'),
        ("lines", ["[1,", '"\u00e9"]']),
        ("json", [1, "\u00e9"]),
        ("bytes", b'[1,\n"\xc3\xa9"]\n'),
        ("none", None),
    ],
)
def test_capture(graph, capture, expected):
    said = graph.run(["printf", '[1,\\n"\u00e9"]\\n'], capture=capture)
    assert taskrunner.run(graph)[said] == expected


def test_lines_are_those_of_a_file(graph):
    said = graph.run(["printf", "a\\fb\\nc\\036d\\n"], capture="lines")
    assert taskrunner.run(graph)[said] == ["a\fb", "c\x1ed"]


def test_text_that_is_not_unicode_is_no_failure(graph):
    said = graph.run(["printf", "a\\377b"])
    assert taskrunner.run(graph)[said] == "a\N{REPLACEMENT CHARACTER}b"


def test_output_that_is_not_json_fails(graph):
    graph.run(["echo", "no json"], capture="json", id="say")
    (failure,) = taskrunner.run(graph).failures
    assert "the output is not JSON" in failure.message
    assert "no json" in failure.message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text \u00e9", "text \u00e9".encode()),
        (b"\xff\0", b"\xff\0"),
        ({"a": [1]}, b'{"a":[1]}'),
        (3, b"3"),
        (True, b"true"),
        ("", b""),
        (None, b""),
    ],
    ids=repr,
)
@pytest.mark.parametrize("how", ["literal", "reference"])
def test_stdin(graph, value, expected, how):
    said = graph.run(["cat"], stdin=value if how == "literal" else graph.call(give, value), capture="bytes")
    assert taskrunner.run(graph)[said] == expected


def test_env_is_added_to_that_of_the_run(graph, monkeypatch):
    monkeypatch.setenv("FROM_OUTSIDE", "outside")
    env = {"TEXT": "a b", "NUMBER": 3, "RESULT": graph.call(give, "result")}
    said = graph.run('echo "$FROM_OUTSIDE,$TEXT,$NUMBER,$RESULT"', env=env, capture="lines")
    assert taskrunner.run(graph)[said] == ["outside,a b,3,result"]


def test_cwd(graph, tmp_path):
    said = graph.run(["pwd", "-P"], cwd=str(tmp_path), capture="lines")
    assert taskrunner.run(graph)[said] == [str(tmp_path.resolve())]


def test_arguments_are_no_shell_text(graph):
    said = graph.run(["printf", "%s|", "a b", "$HOME", 1, 2.5, graph.call(give, "x;y"), graph.call(give, [1])])
    assert taskrunner.run(graph)[said] == "a b|$HOME|1|2.5|x;y|[1]|"


def test_a_path_is_an_argument_like_a_text(graph, tmp_path):
    said = graph.run(["printf", "%s", graph.call(give, tmp_path)], env={"A": graph.call(give, tmp_path)})
    assert taskrunner.run(graph)[said] == str(tmp_path)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo why >&2; exit 3", "exit code 3: echo why >&2; exit 3\nwhy"),
        ("echo out; exit 4", "exit code 4: echo out; exit 4\nout"),
        (["sh", "-c", "kill -KILL $$"], "killed by SIGKILL: sh -c kill -KILL $$"),
        (["false"], "exit code 1: false"),
    ],
)
def test_a_command_that_fails_says_how(graph, command, message):
    graph.run(command)
    (failure,) = taskrunner.run(graph).failures
    assert (failure.message, failure.traceback) == (message, message)


def test_a_missing_program_fails_its_node(graph):
    graph.run(["nosuchprogram"], id="say")
    (failure,) = taskrunner.run(graph).failures
    assert failure.node == "say"
    assert failure.message.startswith("cannot start nosuchprogram: ")
    assert isinstance(failure.error.__cause__, FileNotFoundError)


def test_as_many_commands_at_once_as_there_are_workers(graph, tmp_path):
    script = "echo $$ >> started; until [ $(wc -l < started) -ge 3 ]; do sleep 0.01; done"
    for _ in range(3):
        graph.run(["timeout", "30", "sh", "-c", script], cwd=str(tmp_path))
    assert taskrunner.run(graph, workers=3).ok


def test_no_more_commands_at_once_than_workers(graph, tmp_path):
    for _ in range(6):
        graph.run("mkdir held && rmdir held", cwd=str(tmp_path))
    assert taskrunner.run(graph, workers=1).ok


# -- runs --------------------------------------------------------------------------------------------


def test_a_graph_can_be_run_twice_and_changed_between(graph):
    one = graph.call(give, 1)
    assert taskrunner.run(graph)[one] == 1
    two = graph.call(give, one)
    assert taskrunner.run(graph)[two] == 1


def test_params_are_those_of_each_run():
    graph = taskrunner.Graph(params={"n": 1})
    one = graph.call(give, graph.param("n"))
    assert [taskrunner.run(graph, params=params)[one] for params in (None, {"n": 2}, {})] == [1, 2, 1]


def test_one_graph_runs_on_two_threads_at_once(graph):
    meeting = threading.Barrier(2)
    graph.call(meeting.wait, BOUND, id="meet")
    numbers = graph.map(lambda number: [number], graph.call(range, 100), needs=["meet"])
    total = graph.call(lambda rows: sum(row[0] for row in rows), numbers)
    results = []
    threads = [threading.Thread(target=lambda: results.append(taskrunner.run(graph, workers=2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert [result[total] for result in results] == [4950, 4950]
    assert len({result.summary.run for result in results}) == 2


def test_overlapping_runs_leave_sys_path_as_it_was(tmp_path):
    """The first run ends while the second, begun later, still goes on."""
    before = list(sys.path)
    started, go = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    threads = []
    for number in range(2):
        graph = taskrunner.Graph()
        graph.source = str(tmp_path / f"folder-{number}" / "graph.json")
        graph.call(started[number].set, id="start")
        graph.call(go[number].wait, BOUND, needs=["start"])
        threads.append(threading.Thread(target=taskrunner.run, args=(graph,), kwargs={"workers": 1}))
        threads[-1].start()
        assert started[number].wait(BOUND)
    for number in range(2):
        go[number].set()
        threads[number].join(BOUND)
    found = list(sys.path)
    sys.path[:] = before
    assert found == before


def test_a_node_may_run_a_graph(graph):
    def run_another():
        other = taskrunner.Graph()
        three = other.call(give_async, 3)
        return taskrunner.run(other, workers=1)[three]

    node = graph.call(run_another)
    assert taskrunner.run(graph, workers=1)[node] == 3


def test_no_thread_outlives_a_run(graph):
    graph.map(give_async, range(5))
    graph.map(give, range(5))
    before = threading.active_count()
    taskrunner.run(graph, workers=3, observers=[Ear()])
    assert threading.active_count() == before


def test_signal_handlers_are_put_back(graph):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    inside = []
    graph.call(lambda: inside.append(signal.getsignal(signal.SIGTERM)))
    taskrunner.run(graph)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert inside[0] is not before[1]


def test_sigint_stops_the_run_and_is_raised(graph):
    graph.call(os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        taskrunner.run(graph)


def test_on_interrupt_is_called_instead(graph):
    called = []
    go = threading.Event()

    def on_interrupt():
        called.append(1)
        go.set()

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        return go.wait(BOUND)

    later = graph.call(give, needs=[graph.call(interrupt)])
    result = taskrunner.run(graph, workers=1, on_interrupt=on_interrupt)
    assert (result.ok, result.summary.signal, called) == (False, signal.SIGINT, [1])
    assert result.skipped[later.id].reason == "stopped"


def test_nothing_is_left_without_a_run_dir(graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graph.run("echo hello")
    taskrunner.run(graph)
    assert list(tmp_path.iterdir()) == []


def test_a_run_dir_takes_a_folder_of_the_run(graph, tmp_path):
    graph.call(give, 1)
    result = taskrunner.run(graph, run_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [result.summary.run]


@pytest.mark.parametrize(
    "argument", [object(), {(1, 2): 3}, 2**70, "\udcff", {1, 2}], ids=["object", "tuple", "big", "surrogate", "set"]
)
def test_a_run_dir_makes_no_difference_to_what_can_run(graph, tmp_path, argument):
    same = graph.call(give, argument)
    assert taskrunner.run(graph, run_dir=tmp_path)[same] == argument


def test_timing_tells_of_every_node(graph):
    graph.call(give, graph.call(give, id="first"), id="second")
    graph.call(give, when=False, id="off")
    timing = {entry.node: entry for entry in taskrunner.run(graph, workers=1).timing}
    assert {node: entry.state for node, entry in timing.items()} == {
        "first": "done",
        "second": "done",
        "off": "skipped",
    }
    first, second = timing["first"], timing["second"]
    assert 0 <= first.started_at <= first.started_at + first.ran_s <= second.started_at
    assert min(first.queued_s, second.queued_s, first.ran_s, second.ran_s) >= 0
    assert (first.worker, first.stolen) == (0, False)


# -- observers ---------------------------------------------------------------------------------------


def test_observers_get_every_event_in_order(graph):
    ears = [Ear(), Ear()]
    first = graph.call(give, 1, id="first")
    graph.call(fail, first, id="bad")
    graph.call(give, needs=["bad"], id="after")
    graph.map(give_async, [1, 2], id="m")
    taskrunner.run(graph, workers=2, stop_after=0, observers=ears)
    assert ears[0].events == ears[1].events
    assert [ear.closed for ear in ears] == [1, 1]
    events = ears[0].events
    assert type(events[0]) is RunStart
    assert type(events[-1]) is RunDone
    middle = [(type(event), event.node) for event in events[1:-1]]
    done = [(NodeDone, node) for node in ("first", "m", "m[0]", "m[1]")]
    assert sorted(middle, key=str) == sorted([*done, (NodeFailed, "bad"), (NodeSkipped, "after")], key=str)
    nodes = [node for _, node in middle]
    assert nodes.index("first") < nodes.index("bad") < nodes.index("after")
    assert nodes.index("m") > max(nodes.index("m[0]"), nodes.index("m[1]"))


def test_an_observer_may_have_a_level_that_is_no_name_of_ours(graph):
    class Handler(Ear):
        level = logging.INFO  # as a logging.Handler has

    ear = Handler()
    same = graph.call(give, 1)
    assert taskrunner.run(graph, observers=[ear])[same] == 1
    assert [type(event) for event in ear.events] == [RunStart, NodeDone, RunDone]


def test_an_observer_that_wants_little_takes_nothing_from_the_others_and_not_from_the_result(graph, tmp_path):
    class Quiet(Ear):
        level = "error"

    ear = Ear()
    graph.call(give, graph.call(give, 1, id="first"), id="second")
    for observers in ([Quiet()], [Quiet(), ear]):
        result = taskrunner.run(graph, workers=2, observers=observers)
        assert (result.ok, len(result.timing), result.summary.done) == (True, 2, 2)
    assert [type(event) for event in ear.events] == [RunStart, NodeDone, NodeDone, RunDone]
    folder = tmp_path / taskrunner.run(graph, run_dir=tmp_path, observers=[Quiet()]).summary.run
    assert (folder / "events.jsonl").read_text().count("node.done") == 2


def test_every_node_of_a_wide_run_is_told_once(graph):
    ear = Ear()
    graph.map(give, range(3000), id="m")
    taskrunner.run(graph, workers=4, observers=[ear])
    told = [event.node for event in ear.events if isinstance(event, NodeDone)]
    assert sorted(told) == sorted(["m", *(f"m[{number}]" for number in range(3000))])


def test_observers_are_told_while_the_run_goes_on(graph):
    heard = threading.Event()

    class Waiting(Ear):
        def on_events(self, events):
            super().on_events(events)
            if any(isinstance(event, NodeDone) and event.node == "first" for event in events):
                heard.set()

    later = graph.call(heard.wait, BOUND, needs=[graph.call(give, id="first")])
    assert taskrunner.run(graph, workers=1, observers=[Waiting()])[later] is True


@pytest.mark.parametrize("method", ["on_events", "close"])
@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)], ids=["RuntimeError", "SystemExit"])
def test_an_observer_that_raises_ends_nothing(graph, method, error):
    class Broken(Ear):
        pass

    def throw(*_):
        raise error

    setattr(Broken, method, throw)
    ear = Ear()
    same = graph.call(give, 1)
    assert taskrunner.run(graph, observers=[Broken(), ear])[same] == 1
    assert (type(ear.events[-1]), ear.closed) == (RunDone, 1)


def test_an_observer_that_raised_is_closed_too(graph):
    class Broken(Ear):
        def on_events(self, _):
            raise RuntimeError

    broken = Broken()
    graph.call(give)
    taskrunner.run(graph, observers=[broken])
    assert broken.closed == 1


# -- races -------------------------------------------------------------------------------------------


@pytest.mark.stress
def test_a_wide_and_deep_graph_again_and_again():
    for _, workers in zip(range(200), itertools.cycle([1, 2, 3, 4]), strict=False):
        graph = taskrunner.Graph()
        layer = [graph.call(give, 1) for _ in range(8)]
        for _ in range(8):
            layer = [graph.call(lambda *parts: sum(parts) % 1009, *layer) for _ in range(8)]
        total = graph.call(lambda *parts: sum(parts), *layer, id="total")
        assert taskrunner.run(graph, workers=workers)[total] == 8 * (8**8 % 1009)


def test_children_run_again_where_their_list_is_made_again(tmp_path):
    class Item:  # it cannot be stored, so the list is made again, here in another order
        def __init__(self, name):
            self.name = name

    names = ["x", "y"]
    broken = ["y"]

    def listed():
        return [Item(name) for name in names]

    def name_of(item):
        if item.name in broken:
            raise ValueError(item.name)
        return item.name

    graph = taskrunner.Graph("listed")
    handle = graph.map(name_of, graph.call(listed))
    assert not taskrunner.run(graph, workers=1, run_dir=tmp_path).ok
    names.reverse()
    broken.clear()
    result = taskrunner.run(graph, workers=1, run_dir=tmp_path, resume="last")
    assert result[handle] == ["y", "x"]
