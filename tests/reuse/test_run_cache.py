"""What a run takes from the cache and what it does not, as a user of Python meets it."""

import asyncio
import decimal
import functools
import gc
import importlib
import logging
import os
import pickle
import re
import sys
import threading
import types
import weakref
from contextvars import Context
from pathlib import Path

import msgspec
import pytest

import taskrunner
from taskrunner.events.types import NodeDone, RunDone, RunWarning
from taskrunner.reuse.cache import Cache
from taskrunner.storage.timings import durations

RAN = []
# A list that a cached function changes would be part of its data; a logger counts by its name.
RECORD = logging.getLogger("recorded calls").info
REUSE = importlib.import_module("taskrunner.reuse.run_cache")  # taskrunner.run is a function's name as well


class Point(msgspec.Struct):
    x: int
    names: set[str] = msgspec.field(default_factory=set)


class Thing:
    """Cannot be stored."""


def note(*args, **kwargs):
    RECORD("call", {"args": (args, kwargs)})
    return args, kwargs


def named(first=0, second=0):
    RECORD("call", {"args": (first, second)})
    return first, second


async def note_async(*args):
    await asyncio.sleep(0)
    RECORD("call", {"args": args})
    return args


def make_thing(*_):
    RECORD("call", {"args": ()})
    return Thing()


def grow(rows):
    RECORD("call", {"args": list(rows)})
    rows.append(0)
    return rows


def fail_once(path):
    RECORD("call", {"args": path})
    if not Path(path).exists():
        Path(path).touch()
        raise ValueError("the first time")
    return path


def append_to(path):
    RECORD("call", {"args": path})
    with Path(path).open("a") as file:
        file.write("x")


def read(path):
    RECORD("call", {"args": path})
    return Path(path).read_text()


class Ear:
    def __init__(self):
        self.events = []

    def on_events(self, events):
        self.events += events

    def close(self):
        pass

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Return what runs a graph with a cache, and says what ran: the graph is made by a function, anew each time."""
    monkeypatch.chdir(tmp_path)
    handler = logging.Handler()
    handler.emit = lambda record: RAN.append(record.args["args"])
    logger = logging.getLogger("recorded calls")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    logger.setLevel(logging.INFO)

    def call(build, **options):
        RAN.clear()
        graph = taskrunner.Graph("test")
        build(graph)
        result = taskrunner.run(graph, **{"workers": 2, "cache_dir": "cache", **options})
        call.last = result
        return len(RAN)

    return call


def calling(function, *args, **options):
    return lambda graph: graph.call(function, *args, cache=True, **options)


POINT = Point(1, {f"name {number}" for number in range(20)})


@pytest.mark.parametrize(
    "value", [1, 1.5, "a", b"a", None, [1, (2,)], {"a": {1: 2}}, {1, 2}, 2**70, POINT], ids=lambda v: type(v).__name__
)
def test_a_result_is_taken_from_the_cache_equal_and_of_the_same_type(runs, value):
    build = calling(note, value, id="a")
    assert (runs(build), runs(build)) == (1, 0)
    (args, _) = runs.last["a"]
    assert (type(args[0]), args) == (type(value), (value,))
    assert (runs.last.summary.done, runs.last.summary.cached) == (1, 1)


def test_an_async_function_is_cached_as_well(runs):
    build = calling(note_async, 1, id="a")
    assert (runs(build), runs(build)) == (1, 0)
    assert (runs.last["a"], runs.last.summary.cached) == ((1,), 1)


@pytest.mark.parametrize(
    "other",
    [
        [1.0, {"a": 2}],
        [True, {"a": 2}],
        ["1", {"a": 2}],
        [1, {"a": 2.0}],
        [1, {"b": 2}],
        [1, {"a": 2}, None],
        [1],
        [{"a": 2}, 1],
        [1, {"a": 2, "b": 3}],
    ],
)
def test_another_argument_or_one_of_another_type_is_another_call(runs, other):
    first = calling(note, 1, {"a": 2})
    assert (runs(first), runs(first)) == (1, 0)
    assert (runs(calling(note, *other)), runs(calling(note, *other)), runs(first)) == (1, 0, 0)


def test_a_list_and_a_tuple_are_not_the_same(runs):
    assert [runs(calling(note, value)) for value in ([1], (1,), [1], (1,))] == [1, 1, 0, 0]


def test_the_order_of_an_argument_s_keys_can_be_seen_and_counts(runs):
    assert [runs(calling(note, value)) for value in ({"a": 1, "b": 2}, {"b": 2, "a": 1})] == [1, 1]


def test_the_order_of_keyword_arguments_counts_only_where_it_can_be_seen(runs):
    assert [runs(calling(named, **given)) for given in ({"first": 1, "second": 2}, {"second": 2, "first": 1})] == [1, 0]
    assert [runs(calling(note, **given)) for given in ({"x": 1, "y": 2}, {"y": 2, "x": 1})] == [1, 1]
    assert runs(calling(named, first=1, second=3)) == 1


def test_equal_sets_are_the_same_in_whatever_order_they_were_made(runs):
    words = [f"word {number}" for number in range(1000)]
    assert runs(calling(note, set(words))) == 1
    words.reverse()
    assert runs(calling(note, set(words))) == 0


def test_the_results_of_other_nodes_are_arguments(runs):
    def build(graph, value):
        graph.call(note, graph.call(lambda: value, id="a"), {"x": 1}, cache=True)

    assert [runs(functools.partial(build, value=value)) for value in (1, 1, 2, 1.0, 1)] == [1, 0, 1, 1, 0]


def test_each_child_of_a_mapped_node_is_cached_by_itself(runs):
    def build(items):
        return lambda graph: graph.map(note, items, 7, id="m", cache=True)

    assert [runs(build(items)) for items in ([1, 2, 3], [3, 1], [1, 4, 2])] == [3, 0, 1]
    assert runs.last["m"] == [((1, 7), {}), ((4, 7), {}), ((2, 7), {})]
    assert (runs.last.summary.cached, runs.last.summary.done) == (2, 4)


def test_what_follows_gets_the_result_from_the_cache(runs):
    def build(graph):
        graph.call(lambda pair: pair[0][0] + 1, graph.call(note, 5, id="a", cache=True), id="b")

    runs(build)
    assert (runs(build), runs.last["b"]) == (0, 6)


def test_what_is_cached_is_the_result_as_it_was_returned_and_the_key_is_of_the_arguments_as_they_were_given(runs):
    def build(graph):
        rows = graph.call(grow, [1], id="a", cache=True)
        graph.call(grow, rows, id="b")
        graph.output(rows)

    assert (runs(build), runs(build)) == (2, 1)
    assert RAN == [[1, 0]]


def test_a_failure_is_not_cached(runs):
    build = calling(fail_once, "made", id="a")
    assert (runs(build), runs.last.ok) == (1, False)
    assert (runs(build), runs.last.ok, runs.last["a"]) == (1, True, "made")
    assert (runs(build), runs.last["a"]) == (0, "made")


def test_a_failure_is_told_with_the_user_s_own_frames(runs):
    runs(calling(fail_once, "made"))
    (_, frame, *_) = runs.last.failures[0].traceback.splitlines()
    assert frame.endswith("in fail_once")


def test_without_a_folder_there_is_no_cache(runs, tmp_path):
    build = calling(note, 1)
    assert (runs(build, cache_dir=None), runs(build, cache_dir=None)) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_asks_for_no_cache_makes_none(runs, tmp_path):
    assert runs(lambda graph: graph.call(note, 1)) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_forced_is_run_and_cached_anew(runs):
    build = calling(note, 1)
    assert [runs(build, force=force) for force in (True, True, False)] == [1, 1, 0]
    entry = Cache(Path("cache")).entries()[0]
    before = entry.path.stat().st_ino
    os.utime(entry.path, (0, 0))
    assert runs(build, force=True) == 1
    assert (entry.path.stat().st_ino, entry.path.stat().st_mtime) != (before, 0)


def test_a_hit_counts_as_used_now(runs):
    build = calling(note, 1)
    runs(build)
    (entry,) = Cache(Path("cache")).entries()
    os.utime(entry.path, (1000, 1000))
    assert runs(build) == 0
    assert entry.path.stat().st_mtime > 1000


def test_a_damaged_entry_is_computed_anew(runs):
    build = calling(note, 1, id="a")
    runs(build)
    (entry,) = Cache(Path("cache")).entries()
    whole = entry.path.read_bytes()
    entry.path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert (runs(build), runs.last["a"], runs(build)) == (1, ((1,), {}), 0)


def test_an_entry_whose_type_is_no_more_is_computed_anew(runs, monkeypatch):
    made = types.ModuleType("made_for_this_test")
    made.Kind = msgspec.defstruct("Kind", [("x", int)], module="made_for_this_test")
    monkeypatch.setitem(sys.modules, made.__name__, made)

    def give(_):
        RECORD("call", {"args": ()})
        return pickle.loads(b"cmade_for_this_test\nKind\n(I1\ntR.")  # noqa: S301  its code does not name the type

    build = calling(give, 1, id="a")
    assert (runs(build), runs(build)) == (1, 0)
    made.Kind = msgspec.defstruct("Kind", [("y", int)], module="made_for_this_test")
    assert (runs(build), runs.last["a"].y, runs(build)) == (1, 1, 0)


def warnings_of(runs, build, **options):
    ear = Ear()
    runs(build, observers=[ear], **options)
    return [event.message for event in ear.all(RunWarning)]


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (calling(sum, [1], id="a"), "it has no Python code"),
        (calling(functools.partial(note, threading.Lock()), id="a"), "it holds an object of type lock"),
        (calling(make_thing, 1, id="a"), "its result cannot be stored: "),
        (calling(note, threading.Lock(), id="a"), "an argument holds an object of type lock"),
        (lambda graph: graph.map(make_thing, [1, 2, 3], id="a", cache=True), "its result cannot be stored: "),
        (lambda graph: [graph.call(sum, [n], id=node, cache=True) for n, node in enumerate("abc")], "it has no Python"),
    ],
)  # fmt: skip
def test_what_cannot_be_cached_runs_and_is_told_once(runs, build, why):
    for _ in range(2):
        (told,) = warnings_of(runs, build)
        assert re.fullmatch(rf'node "a" \([\w.:]+\) is not cached: {why}.*', told)
        assert runs.last.ok
        assert runs.last.summary.cached == 0
    assert Cache(Path("cache")).entries() == []


RATES = {"vat": 20}


def tax():
    RECORD("call", {"args": ()})
    return RATES["vat"]


def test_data_that_another_node_changed_is_neither_stored_nor_taken_from_the_cache(runs, monkeypatch):  # case 6
    def change(graph):
        graph.call(tax, id="a", cache=True, needs=[graph.call(lambda: RATES.update(vat=25), id="change")])

    monkeypatch.setitem(RATES, "vat", 20)
    reason = f'node "a" ({__name__}:tax) is not cached: {__name__}.RATES has changed since the run began'
    assert (warnings_of(runs, change), runs.last["a"]) == ([reason], 25)
    monkeypatch.setitem(RATES, "vat", 20)
    assert (runs(calling(tax, id="a")), runs(calling(tax, id="a")), runs.last["a"]) == (1, 0, 20)
    assert (warnings_of(runs, change), runs.last["a"]) == ([reason], 25)


def test_data_that_the_call_changed_is_not_stored(runs):  # case 6
    def count():
        RATES["calls"] = RATES.get("calls", 0) + 1
        return RATES["calls"]

    for calls in (1, 2):
        (told,) = warnings_of(runs, calling(count, id="a"))
        assert told.endswith(f"{__name__}.RATES has changed since the run began")
        assert runs.last["a"] == calls


def test_class_of_an_argument_counts_with_its_code(runs):  # case 7
    def norm(point):
        RECORD("call", {"args": ()})
        return point.norm()

    def build(number):
        made = types.ModuleType("made_for_this_test")
        exec(f"class Point:\n    def norm(self): return {number}", vars(made))  # noqa: S102
        return lambda graph: graph.call(norm, made.Point(), cache=True, id="a")

    assert [(runs(build(number)), runs.last["a"]) for number in (1, 1, 2)] == [(1, 1), (0, 1), (1, 2)]


def test_a_cache_that_cannot_be_written_fails_no_node(runs):
    Path("cache").touch()
    (told,) = warnings_of(runs, calling(note, 1, id="a"))
    assert told.startswith(f'node "a" ({note.__module__}:note) is not cached: ')
    assert "Not a directory" in told or "File exists" in told
    assert (runs.last.ok, len(RAN)) == (True, 1)


def test_events_and_the_summary_say_what_was_cached(runs):
    def build(graph):
        graph.call(note, 1, id="a", cache=True)
        graph.call(note, 2, id="b")

    for cached in (False, True):
        ear = Ear()
        runs(build, observers=[ear], run_dir="runs")
        assert {event.node: event.cached for event in ear.all(NodeDone)} == {"a": cached, "b": False}
        (done,) = ear.all(RunDone)
        assert done.cached == runs.last.summary.cached == int(cached)


def test_times_of_a_run_that_took_some_from_the_cache_say_nothing_of_the_next(runs):
    def build(graph):
        graph.call(threading.Event().wait, 0.01, id="a")
        graph.call(note, 1, id="b", cache=True)

    runs(build, run_dir="runs")
    assert durations(Path("runs"), "test").keys() == {"a", "b"}
    (first,) = Path("runs").iterdir()
    runs(build, run_dir="runs")
    (first / "summary.json").unlink()
    assert durations(Path("runs"), "test") == {}


@pytest.mark.parametrize("function", [note, note_async, make_thing])
def test_what_belongs_to_a_run_is_freed_with_it_without_the_collector(runs, monkeypatch, function):
    made = []

    class Watched(REUSE.RunCache):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            made.append(weakref.ref(self))

    monkeypatch.setattr(REUSE, "RunCache", Watched)
    gc.disable()
    try:
        for _ in range(2):
            runs(calling(function, 1), observers=[Ear()])
            del runs.last
        assert [reference() for reference in made] == [None, None]
    finally:
        gc.enable()


# -- files ---------------------------------------------------------------------------------------------


def test_the_content_of_a_file_counts(runs):
    build = calling(read, "in.txt", files=["in.txt"], id="a")
    found = []
    for text in ("one", "one", "two", "one"):
        Path("in.txt").write_text(text)
        found.append((runs(build), runs.last["a"]))
    assert found == [(1, "one"), (0, "one"), (1, "two"), (0, "one")]


def test_a_file_that_comes_or_goes_counts(runs):
    build = calling(note, 1, files=["one", "*.txt"])
    found = []
    for change in (lambda: None, Path("a.txt").touch, Path("one").touch, Path("a.txt").unlink, Path("b.txt").touch):
        change()
        found += [runs(build), runs(build)]
    assert found == [1, 0] * 5


def test_a_file_of_another_name_is_another_file(runs):
    for name in ("a", "b"):
        Path(name).write_text("same")
    assert [runs(calling(note, 1, files=[name])) for name in ("a", "b", "a")] == [1, 1, 0]


@pytest.mark.usefixtures("runs")
def test_files_take_references_and_items():
    def build(graph):
        several = graph.call(lambda: ["b", Path("c")], id="several")
        one = graph.call(lambda: {"path": "a"}, id="one")
        graph.call(note, 1, cache=True, files=[one["path"], several, graph.param("p")])
        graph.call(note, graph.item, map=["e", "f"], cache=True, files=[graph.item], id="m")

    def run():
        RAN.clear()
        graph = taskrunner.Graph(params={"p": "d"})
        build(graph)
        assert taskrunner.run(graph, cache_dir="cache").ok
        return len(RAN)

    for name in "abcdef":
        Path(name).write_text("")
    assert (run(), run()) == (3, 0)
    for name in "abcdef":
        Path(name).write_text("other")
        assert (name, run(), run()) == (name, 1, 0)


def test_files_that_are_no_paths_fail_the_node(runs):
    def build(graph):
        graph.call(note, 1, cache=True, files=[graph.call(lambda: 5, id="five")], id="a")

    assert runs(build) == 0
    assert [failure.message for failure in runs.last.failures] == ["TypeError: a path must be a string, not int"]


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_what_was_read(runs):
    Path("log").touch()
    build = calling(append_to, "log", files=["log"], id="a")
    (told,) = warnings_of(runs, build)
    assert told.endswith(" is not cached: an input file changed while the node ran")
    assert (runs(build), Path("log").read_text()) == (1, "xx")


# -- commands ------------------------------------------------------------------------------------------


def making(command="echo made; cat in.txt > out.txt", **options):
    return lambda graph: graph.run(command, **{"files": "in.txt", "creates": [Path("out.txt")], "id": "c", **options})


def is_run(runs, build, **options):
    """Run a command that writes a file: say whether it ran; its result is the same."""
    runs(build, **options)
    assert runs.last.ok, runs.last.failures
    return runs.last.summary.cached == 0


def test_a_command_is_skipped_while_what_it_makes_is_up_to_date(runs):
    Path("in.txt").write_text("one")
    assert [is_run(runs, making()) for _ in range(3)] == [True, False, False]
    assert (runs.last["c"], Path("out.txt").read_text()) == ("made\n", "one")


def test_a_command_runs_again_when_a_file_is_touched_or_missing_or_the_command_is_another(runs):
    Path("in.txt").write_text("one")
    assert is_run(runs, making())
    os.utime("in.txt", (2**33, 2**33))
    assert is_run(runs, making())
    os.utime("in.txt", (1000, 1000))
    assert not is_run(runs, making())
    Path("out.txt").unlink()
    assert (is_run(runs, making()), is_run(runs, making())) == (True, False)
    other = making("echo other; cat in.txt > out.txt")
    assert (is_run(runs, other), is_run(runs, other), runs.last["c"]) == (True, False, "other\n")
    assert (is_run(runs, making()), is_run(runs, making())) == (True, False)
    assert (is_run(runs, making(env={"A": "1"})), is_run(runs, making(stdin="x"))) == (True, True)


def test_a_command_is_run_when_it_is_forced_and_without_a_cache(runs):
    Path("in.txt").touch()
    assert [is_run(runs, making(), **o) for o in ({}, {"force": True}, {"cache_dir": None}, {})] == [
        True, True, True, False,
    ]  # fmt: skip


def test_a_command_without_creates_is_always_run(runs):
    build = making(files=(), creates=())
    Path("in.txt").touch()
    assert [is_run(runs, build), is_run(runs, build)] == [True, True]
    assert not Path("cache").exists()


def test_a_command_that_failed_is_not_up_to_date_though_its_output_is_there(runs):
    Path("in.txt").touch()
    assert is_run(runs, making())
    command = "cat in.txt > out.txt; test -e go"
    assert (runs(making(command)), runs.last.ok) == (0, False)
    assert (runs(making(command)), runs.last.ok) == (0, False)
    assert is_run(runs, making())
    Path("go").touch()
    assert (is_run(runs, making(command)), is_run(runs, making(command))) == (True, False)


def test_a_command_that_does_not_make_what_it_says_is_told(runs):
    Path("in.txt").touch()
    build = making("true")
    assert warnings_of(runs, build) == ['node "c" is not cached: it did not create out.txt']
    assert is_run(runs, build)


def test_commands_of_a_mapped_node_are_skipped_each_by_itself(runs):
    def build(graph):
        items = [{"from": name, "to": f"{name}.out"} for name in ("a", "b")]
        graph.run(
            ["cp", graph.item["from"], graph.item["to"]], map=items, id="m",
            files=[graph.item["from"]], creates=[graph.item["to"]],
        )  # fmt: skip

    for name in ("a", "b"):
        Path(name).write_text(name)
    cached = []
    for _ in range(3):
        runs(build)
        cached.append(runs.last.summary.cached)
        os.utime("a", (2**33, 2**33)) if len(cached) == 2 else None
    runs(build)
    assert [*cached, runs.last.summary.cached] == [0, 2, 1, 1]


def test_a_command_with_bytes_that_are_not_unicode_is_up_to_date(runs):
    build = making("printf '\\377' > out.txt", files=(), env={"A": "\udcff"})
    cached = []
    for _ in range(2):
        assert warnings_of(runs, build) == []
        cached.append(runs.last.summary.cached)
    assert (cached, Path("out.txt").read_bytes()) == ([0, 1], b"\xff")


def third(number):
    RECORD("call", {"args": (number,)})
    return str(decimal.Decimal(number) / 3)


def test_the_settings_of_decimal_are_part_of_the_key(runs):  # case 13: a node computes with those of the caller
    """Its flags, which any use of it sets, are not."""
    build = calling(third, 1, id="a")

    def run_with(**settings):
        with decimal.localcontext(**settings):
            decimal.Decimal(1) / 7
            return runs(build), runs.last["a"]

    assert run_with(prec=3) == (1, "0.333")
    assert run_with(prec=5) == (1, "0.33333")
    assert run_with(prec=3) == (0, "0.333")
    assert Context().run(runs, build) == 1
    assert Context().run(runs, build) == 0
