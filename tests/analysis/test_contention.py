"""Which functions have grown: judged on runs that are written by hand, and on one that must contend by construction."""

import threading
import time

import msgspec
import pytest

import taskrunner
from taskrunner.analysis.contention import (
    Contention,
    SlowedFunction,
    find_contention,
    has_slowed,
    read_contention,
)
from taskrunner.storage.baseline import baseline

ME = __name__


def nodes(count, call="m:f", prefix="n"):
    return [{"id": f"{prefix}{number}", "call": call} for number in range(count)]


@pytest.fixture
def ran(recording):
    """Return what makes a run whose nodes took so long; a number: each of them, a pair: with so much CPU time."""

    def make(times, *, workers=1, calls=None, fields=None, **start):
        calls = calls or {}
        made = recording(*[{"id": node, "call": calls.get(node, "m:f")} for node in times], workers=workers, **start)
        for node, spent in times.items():
            ran, more = (spent, {}) if isinstance(spent, float) else (spent[0], {"cpu_s": spent[1]})
            made.done(node, 0.0, ran, **more, **(fields or {}))
        return made.end(1.0).run()

    return make


def each(count, *spent, prefix="n"):
    return {f"{prefix}{number}": spent[number % len(spent)] for number in range(count)}


def test_a_function_whose_nodes_took_longer_has_grown(ran):
    found = find_contention(ran(each(64, 0.015), workers=2), ran(each(64, 0.010)))
    (grown,) = found.functions
    assert (grown.call, grown.nodes, grown.grown, grown.waiting) == ("m:f", 64, 64, None)
    assert (grown.base_s, grown.ran_s, grown.ratio) == pytest.approx((0.64, 0.96, 1.5))
    assert (found.run, found.workers, found.gil, found.judged) == ("r1", 2, False, 1)


@pytest.mark.parametrize("now", [(0.010,), (0.0119,), (0.010, 0.010, 0.013), (0.009, 0.011)], ids=str)
def test_one_whose_nodes_took_as_long_or_little_longer_has_not(ran, now):
    assert find_contention(ran(each(64, *now), workers=2), ran(each(64, 0.010))).functions == ()


def test_a_few_nodes_that_were_interrupted_are_no_contention(ran):
    now = each(64, 0.010) | {"n1": 5.0, "n2": 2.0}
    assert find_contention(ran(now, workers=2), ran(each(64, 0.010))).functions == ()


@pytest.mark.parametrize(("grown", "is_told"), [(3, False), (4, False), (8, True), (16, True)])
def test_a_lock_that_is_not_fair_makes_some_nodes_much_longer_and_the_others_not(ran, grown, is_told):
    now = each(64, 0.010) | each(grown, 0.2)
    found = find_contention(ran(now, workers=2), ran(each(64, 0.010)))
    assert [each.grown for each in found.functions] == ([grown] if is_told else [])


@pytest.mark.parametrize(("count", "grown", "is_told"), [(5, 5, True), (6, 5, True), (6, 4, False), (12, 6, False)])
def test_so_many_nodes_must_have_grown_that_chance_is_unlikely(ran, count, grown, is_told):
    now = each(count, 0.1) | each(grown, 0.2)
    found = find_contention(ran(now, workers=2), ran(each(count, 0.1)))
    assert bool(found.functions) == is_told


def test_of_too_few_nodes_nothing_is_said(ran):
    assert find_contention(ran(each(4, 0.2), workers=2), ran(each(4, 0.1))) is None


@pytest.mark.parametrize(("count", "is_told"), [(6, False), (7, True)])
def test_of_many_functions_each_needs_more_nodes(ran, count, is_told):
    """Any of 4 may be told by chance: each in one run of 32, so that it is one in 8 for all."""
    times = {f"{name}{number}": 0.1 for name in "abcd" for number in range(count)}
    calls = {node: f"m:{node[0]}" for node in times}
    now = {node: 0.3 if node[0] == "a" else 0.1 for node in times}
    found = find_contention(ran(now, workers=2, calls=calls), ran(times, calls=calls))
    assert (found.judged, [each.call for each in found.functions]) == (4, ["m:a"] if is_told else [])


def test_those_that_lost_most_come_first(ran):
    times = {f"{name}{number}": 0.1 for name in "abc" for number in range(10)}
    calls = {node: f"m:{node[0]}" for node in times}
    now = {node: {"a": 0.15, "b": 0.3, "c": 0.1}[node[0]] for node in times}
    found = find_contention(ran(now, workers=2, calls=calls), ran(times, calls=calls))
    assert [each.call for each in found.functions] == ["m:b", "m:a"]
    assert found.judged == 3


def test_what_was_lost_must_matter(ran):
    """Less than 10 ms, or than a hundredth of the workers' time, which is 2 s here."""
    assert find_contention(ran(each(64, 0.0002), workers=2), ran(each(64, 0.0001))).functions == ()
    assert find_contention(ran(each(64, 0.0004), workers=2), ran(each(64, 0.0001))).functions == ()
    assert find_contention(ran(each(64, 0.0005), workers=2), ran(each(64, 0.0001))).functions != ()


@pytest.mark.parametrize(
    ("base", "now", "waiting"),
    [
        ((0.1, 0.1), (0.2, 0.1), 1.0),
        ((0.1, 0.1), (0.2, 0.2), 0.0),
        ((0.1, 0.1), (0.2, 0.125), 0.75),
        ((0.1, 0.0), (0.2, 0.15), 0.0),  # it waited less
        ((0.1, 0.1), (0.2, 0.05), 1.0),
        (0.1, (0.2, 0.1), None),
        ((0.1, 0.1), 0.2, None),
    ],
)
def test_cpu_time_tells_waiting_from_work(ran, base, now, waiting):
    (grown,) = find_contention(ran(each(8, now), workers=2), ran(each(8, base))).functions
    assert grown.waiting == (waiting if waiting is None else pytest.approx(waiting))


@pytest.mark.parametrize(
    "odd",
    [
        {"workers": 1},
        {"workers": 3},  # two processors
        {"python": "CPython 3.14.0"},
        {"platform": "another machine"},
        {"gil": True},
    ],
    ids=str,
)
def test_runs_that_differ_in_more_than_workers_are_not_compared(ran, odd):
    assert find_contention(ran(each(8, 0.2), **{"workers": 2} | odd), ran(each(8, 0.1))) is None


def test_the_base_must_have_one_worker(ran):
    assert find_contention(ran(each(8, 0.2), workers=2), ran(each(8, 0.1), workers=2)) is None


def test_with_the_gil_it_is_told(ran):
    assert find_contention(ran(each(8, 0.2), workers=2, gil=True), ran(each(8, 0.1), gil=True)).gil


@pytest.mark.parametrize("fields", [{"worker": -1}, {"attempt": 2}, {"cached": True}], ids=str)
def test_only_calls_that_were_done_at_the_first_try_count(ran, fields):
    assert find_contention(ran(each(8, 0.2), workers=2, fields=fields), ran(each(8, 0.1))) is None


def test_children_count_and_the_gathering_of_their_results_does_not(recording):
    def run(seconds, workers):
        made = recording({"id": "m", "call": "m:f", "map": [1] * 8}, workers=workers)
        for number in range(8):
            made.done(f"m[{number}]", 0.0, seconds)
        return made.done("m", 1.0, 10 * seconds).end(2.0).run()

    (grown,) = find_contention(run(0.2, 2), run(0.1, 1)).functions
    assert (grown.nodes, grown.ran_s) == (8, pytest.approx(1.6))


def test_a_function_that_took_no_time_cannot_grow(ran):
    base, now = ran(each(8, 0.0)), ran(each(8, 0.2), workers=2)
    pairs = list(zip(base.last.values(), now.last.values(), strict=True))
    assert not has_slowed(pairs, 1.0, 0.0)


# -- real runs ---------------------------------------------------------------------------------------


class Turns:
    """Lets one thread after the other in, in the order in which they came."""

    def __init__(self):
        self._lock = threading.Condition()
        self._given = self._served = 0

    def __enter__(self):
        with self._lock:
            ticket, self._given = self._given, self._given + 1
            self._lock.wait_for(lambda: self._served == ticket)

    def __exit__(self, *_):
        with self._lock:
            self._served += 1
            self._lock.notify_all()


TURNS = Turns()


def hold(_):
    """Nobody else goes on while this one sleeps: with two workers each node waits for the other's as well."""
    with TURNS:
        time.sleep(0.02)


def rest(_):
    time.sleep(0.05)


@pytest.fixture
def file():
    items = list(range(12))
    calls = [{"id": name, "call": f"{ME}:{name}", "map": items, "args": [{"$item": True}]} for name in ("hold", "rest")]
    calls[1]["needs"] = ["hold"]
    return msgspec.json.encode({"taskrunner": 1, "name": "turns", "nodes": calls})


def graph_of(file):
    return taskrunner.graph.graph.Graph.decode(file, "json")


def test_who_holds_a_lock_is_found_and_who_does_not_is_not(tmp_path, file, monkeypatch):
    monkeypatch.setattr("os.process_cpu_count", lambda: 2)
    one, two = [
        taskrunner.run(graph_of(file), workers=workers, run_dir=tmp_path, cpu_time=True).summary.run
        for workers in (1, 2)
    ]
    assert baseline(tmp_path, two) == one
    found = read_contention(tmp_path, two, one)
    assert (found.run, found.workers, found.judged) == (one, 2, 2)
    (grown,) = found.functions
    assert (grown.call, grown.nodes) == (f"{ME}:hold", 12)
    assert grown.ratio > 1.3
    assert grown.waiting > 0.5


def test_what_cannot_be_read_is_not_compared(tmp_path, file):
    run = taskrunner.run(graph_of(file), workers=2, run_dir=tmp_path, log_level="error").summary.run
    assert read_contention(tmp_path, run, run) is None
    assert read_contention(tmp_path, run, "none") is None


def test_a_comparison_is_json():
    found = Contention("r", 2, False, 3, (SlowedFunction("m:f", 64, 60, 0.5, 1.0, None),))  # noqa: FBT003
    assert msgspec.json.decode(msgspec.json.encode(found), type=Contention) == found
