"""How results come to the tasks that take them, what is left of them then, and that a run changes no graph."""

import asyncio
import json
import weakref

import pytest

import taskrunner

WORKERS = [1, 3]


class Thing:
    """Something that a weak reference can watch."""


class Watched:
    """Makes things, and says how many of them are still alive."""

    def __init__(self):
        self.references = []

    def make(self, *_):
        thing = Thing()
        self.references.append(weakref.ref(thing))
        return thing

    def alive(self, *_):
        return sum(reference() is not None for reference in self.references)


def give(value):
    return value


def together(*args, **kwargs):
    return (args, kwargs) if kwargs else args


async def together_async(*args):
    await asyncio.sleep(0)
    return args


def fail(*_):
    raise ValueError("no luck")


@pytest.fixture
def graph():
    return taskrunner.Graph(pools={"one": 1})


def kept(graph, *handles, **options):
    """Run a graph and return the results of the given nodes."""
    graph.output(*handles)
    result = taskrunner.run(graph, **options)
    assert result.ok, result.failures
    return [result[handle] for handle in handles]


# -- what arrives --------------------------------------------------------------------------------------

KINDS = {
    "flat": (together, {}),
    "in a pool": (together, {"pool": "one"}),
    "urgent": (together, {"priority": 1}),
    "late": (together, {"priority": -1}),
    "guarded": (together, {"when": True}),
    "always": (together, {"always": True}),
    "async": (together_async, {}),
}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_constants_keep_their_places(graph, kind, workers):
    function, options = KINDS[kind]
    a, b, c = (graph.call(give, letter, id=letter) for letter in "abc")
    user = graph.call(function, 1, b, None, c, "x", a, 2.5, id="user", **options)
    assert kept(graph, user, workers=workers) == [(1, "b", None, "c", "x", "a", 2.5)]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_result_that_is_taken_twice_arrives_twice(graph, kind, workers):
    function, options = KINDS[kind]
    a, b = graph.call(Thing, id="a"), graph.call(give, [1], id="b")
    user = graph.call(function, a, b, a, 0, b, id="user", **options)
    ((first, second, third, zero, fifth),) = kept(graph, user, workers=workers)
    assert first is third
    assert (second, zero) == ([1], 0)
    assert second is fifth


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_only_needed_brings_nothing(graph, kind, workers):
    function, options = KINDS[kind]
    a, b = graph.call(give, "a", id="a"), graph.call(give, "b", id="b")
    nothing = graph.call(function, needs=[a, b], id="nothing", **options)
    constants = graph.call(function, 1, 2, needs=[a, b], id="constants", **options)
    some = graph.call(function, b, 2, needs=[a, b], id="some", **options)
    assert kept(graph, nothing, constants, some, workers=workers) == [(), (1, 2), ("b", 2)]


def test_keywords_and_parts_and_wholes_arrive_beside_each_other(graph):
    table = graph.call(give, {"rows": [7, 8]}, id="table")
    other = graph.call(give, 9, id="other")
    user = graph.call(together, table["rows"][1], other, [table], (other, 1), kwargs={"k": other, "l": table["rows"]})
    table = {"rows": [7, 8]}
    assert kept(graph, user) == [((8, 9, [table], (9, 1)), {"k": 9, "l": [7, 8]})]


def test_the_children_of_a_map_share_what_arrived(graph):
    shared = graph.call(Thing, id="shared")
    items = graph.call(give, [1, 2], id="items")
    mapped = graph.call(together, graph.item, shared, 0, map=items, id="m")
    ((one, two), thing) = kept(graph, mapped, shared)
    assert (one, two) == ((1, thing, 0), (2, thing, 0))


def test_a_command_is_given_what_arrived(graph):
    word, text = graph.call(give, "word", id="word"), graph.call(give, "text", id="text")
    said = graph.run(["sh", "-c", 'echo "$0" "$E"; cat', word], env={"E": word}, stdin=text, capture="lines")
    assert kept(graph, said) == [["word word", "text"]]


def test_only_the_wanted_nodes_are_given_results(graph):
    a = graph.call(give, "a", id="a")
    graph.call(fail, 1, 2, a, id="bad")
    x, y = graph.call(together, 1, a, id="x"), graph.call(together, a, 2, id="y")
    graph.call(fail, a, x, id="worse")
    result = taskrunner.run(graph, targets=[y, x])
    assert result.outputs == {"y": ("a", 2), "x": (1, "a")}


@pytest.mark.parametrize("workers", [1, 4])
def test_a_wide_and_deep_graph_gives_each_its_own(graph, workers):
    """Each node is given, in an order of its own, all results of the layer before it and constants among them."""
    width = 12
    layer = [graph.call(give, (0, place), id=f"0-{place}") for place in range(width)]
    for depth in range(1, 6):
        order = [(7 * place + depth) % width for place in range(width)]
        parts = [[layer[(other + place) % width] for other in order] for place in range(width)]
        layer = [
            graph.call(
                lambda *args, depth=depth, place=place: _checked(args, depth, place, width),
                *(value for part in parts[place] for value in (place, part)),
                id=f"{depth}-{place}",
            )
            for place in range(width)
        ]
    assert kept(graph, *layer, workers=workers) == [(5, place) for place in range(width)]


def _checked(args, depth, place, width):
    order = [((7 * other + depth) % width + place) % width for other in range(width)]
    assert args == tuple(value for other in order for value in (place, (depth - 1, other)))
    return depth, place


# -- what is left ----------------------------------------------------------------------------------------


def alive_at_last(graph, watched, needs):
    """Run on after failures, and return how many things were alive when ``needs`` were over."""
    graph.call(watched.alive, needs=needs, always=True, id="alive", priority=-1)
    return taskrunner.run(graph, workers=1, stop_after=0, targets=["alive"])["alive"]


USERS = {
    **KINDS,
    "fails": (fail, {}),
    "fails and is special": (fail, {"always": True}),
    "is off": (give, {"when": False}),
}


@pytest.mark.parametrize("kind", USERS)
@pytest.mark.parametrize("before", [(), (1, None)], ids=["alone", "constants"])
@pytest.mark.parametrize("twice", [False, True])
def test_a_result_dies_with_each_kind_of_consumer(graph, kind, before, twice):
    function, options = USERS[kind]
    watched = Watched()
    thing = graph.call(watched.make, id="thing")
    args = [*before, *[thing] * (1 + twice)] if kind != "is off" else [thing]
    user = graph.call(function, *args, id="user", **options)
    last = graph.call(lambda *_: None, needs=[user], id="last")
    assert alive_at_last(graph, watched, [last]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_results_die_with_a_consumer_that_something_else_before_it_keeps_from_running(graph, kind):
    function, options = KINDS[kind]
    watched = Watched()
    things = [graph.call(watched.make, id=f"thing-{number}") for number in range(3)]
    options = {name: value for name, value in options.items() if name != "always"}
    user = graph.call(function, things[0], graph.call(fail, things[2]), things[1], id="user", **options)
    assert alive_at_last(graph, watched, [user]) == 0


def test_results_die_with_a_command(graph):
    watched = Watched()
    text = graph.call(lambda: type("Text", (str,), {})("x"), id="text")
    noted = graph.call(lambda text: watched.references.append(weakref.ref(text)), text, id="noted")
    user = graph.run(["true"], stdin=text, needs=[noted], id="user")
    assert alive_at_last(graph, watched, [user]) == 0


def test_the_results_of_children_that_nobody_takes_die_at_once(graph):
    watched = Watched()
    alive = []
    mapped = graph.map(lambda _: alive.append(watched.alive()) or watched.make(), [0, 1, 2, 3])
    after = graph.call(give, 1, needs=[mapped], id="after")
    kept(graph, after, workers=1)
    assert alive == [0, 0, 0, 0]


# -- a run changes no graph ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("is_loaded", [False, True])
def test_constants_are_those_of_the_graph_in_each_run(graph, workers, is_loaded):
    value = graph.call(together, 5, id="value")
    alone = graph.call(together, 1, None, "x", id="alone")
    among = graph.call(together, 1, value, "x", id="among")
    behind = graph.call(together, 1, needs=[value], id="behind")
    deep = graph.call(together, [1, {"k": []}], value, id="deep")
    mapped = graph.call(together, graph.item, [2], map=[[3]], id="mapped")
    handles = [alone, among, behind, deep, mapped]
    graph.output(*handles)
    if is_loaded:
        graph = taskrunner.Graph.decode(_written(graph), "json")
    expected = [(1, None, "x"), (1, (5,), "x"), (1,), ([1, {"k": []}], (5,)), [([3], [2])]]
    for _ in range(3):
        result = taskrunner.run(graph, workers=workers)
        assert [result[handle] for handle in handles] == expected
        result["deep"][0][1]["k"].append("changed")
        result["mapped"][0][0].append("changed")
        result["mapped"][0][1].append("changed")


def _written(graph):
    nodes = []
    for node in graph.file.nodes:
        fields = {"id": node.id, "call": f"{__name__}:together", "args": list(node.args), "needs": list(node.needs)}
        nodes.append(fields if not isinstance(node.map, list) else {**fields, "map": node.map})
    return json.dumps({"taskrunner": 1, "nodes": nodes, "outputs": list(graph.file.outputs)}).encode()


@pytest.mark.parametrize("workers", WORKERS)
def test_constants_are_those_of_the_graph_after_a_failure(graph, workers):
    seen = []

    def note_and_fail(*args):
        seen.append(args)
        raise ValueError

    value = graph.call(give, 5, id="value")
    graph.call(note_and_fail, 1, "x", id="alone")
    graph.call(note_and_fail, 1, value, "x", id="among")
    graph.call(note_and_fail, [1], value, id="deep")
    graph.call(note_and_fail, 1, needs=[value], id="behind")
    graph.call(together, 7, graph.call(fail), id="skipped")
    for _ in range(3):
        result = taskrunner.run(graph, workers=workers, stop_after=0)
        assert len(result.failures) == 5
        assert sorted(seen, key=repr) == [(1, "x"), (1, 5, "x"), (1,), ([1], 5)]
        seen.clear()


def test_a_graph_that_was_stopped_runs_whole_the_next_time(graph):
    should_fail = [True]

    def fail_once():
        if should_fail:
            should_fail.pop()
            raise ValueError

    first = graph.call(fail_once, id="first", priority=1)
    value = graph.call(give, 5, id="value")
    users = [graph.call(together, number, value, number, needs=[first]) for number in range(5)]
    graph.output(*users)
    stopped = taskrunner.run(graph, workers=1)
    assert (stopped.ok, stopped.outputs) == (False, {})
    assert list(taskrunner.run(graph, workers=1).outputs.values()) == [(number, 5, number) for number in range(5)]


def test_runs_of_one_graph_with_other_targets_are_apart(graph):
    a = graph.call(give, "a", id="a")
    b = graph.call(together, 1, a, id="b")
    graph.call(together, b, 2, a, id="c")
    for _ in range(2):
        assert taskrunner.run(graph, targets=["b"]).outputs == {"b": (1, "a")}
        assert taskrunner.run(graph, targets=["a"]).outputs == {"a": "a"}
        assert taskrunner.run(graph).outputs == {"c": ((1, "a"), 2, "a")}
