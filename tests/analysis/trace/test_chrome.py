"""The Chrome trace of a run: what stands in it, and that it keeps the rules of the format and of its readers."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import taskrunner
from taskrunner.analysis.recorded_run import RecordedRun, load_run
from taskrunner.analysis.trace import chrome as trace
from taskrunner.analysis.trace.chrome import chrome_trace
from taskrunner.events.types import (
    GilSwitchedOn,
    NodeDone,
    NodeFailed,
    NodeRetry,
    NodeSkipped,
    NodeTimeout,
    RunDone,
    RunStart,
    RunWarning,
)
from taskrunner.graph.graph import Graph
from taskrunner.storage.history import PastRun

RUNNING = (Path(__file__).parents[3] / "docs" / "observing.md").read_text()

# --- The rules. Each says where it comes from:
#   format     "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#   colours    https://github.com/catapult-project/catapult/blob/main/tracing/tracing/base/color_scheme.html
#   Perfetto   https://perfetto.dev/docs/faq (JSON traces), and its importer's own comments in
#              https://github.com/google/perfetto/blob/main/src/trace_processor/importers/common/flow_tracker.cc
#   speedscope https://github.com/jlfwong/speedscope/blob/main/src/import/trace-event.ts

# format, "Event descriptions": what an event of each phase must have, and of what type
COMMON = {"ph": str, "name": str, "ts": (int, float), "pid": int, "tid": int}
FIELDS = {
    "X": {"cat": str, "dur": (int, float), "args": dict},
    "i": {"cat": str, "s": str},
    "s": {"cat": str, "id": int},
    "t": {"cat": str, "id": int},
    "f": {"cat": str, "id": int},
    "C": {"args": dict},
    "M": {"args": dict},
}
# format, "Metadata events"
METADATA = {"process_name": ("name", str), "thread_name": ("name", str), "thread_sort_index": ("sort_index", int)}
# colours: those of the reserved names that fit the state of a task
RESERVED = {"good", "bad", "terrible", "black", "grey", "white", "yellow", "olive", "generic_work"}


def check(trace_file):
    """Assert that a decoded file keeps the rules."""
    # format, "JSON Object Format"; speedscope: an empty list is of an unknown format
    assert trace_file["displayTimeUnit"] in {"ms", "ns"}
    assert isinstance(trace_file["otherData"], dict)
    events = trace_file["traceEvents"]
    assert events
    for event in events:
        check_fields(event)
    # the format does not ask for it, but who reads a stream is glad of it
    assert [e["ts"] for e in events] == sorted(e["ts"] for e in events), "not in the order of time"
    slices = [e for e in events if e["ph"] == "X"]
    # Perfetto takes whole nanoseconds, speedscope adds floating point numbers: it must nest for both
    check_nesting(slices, lambda us: us)
    check_nesting(slices, lambda us: int(us * 1000.0))
    check_flows(events)
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in slices} <= named


def check_fields(event):
    for name, kind in (COMMON | FIELDS[event["ph"]]).items():
        assert isinstance(event[name], kind), (name, event)
        assert not isinstance(event[name], bool)
    assert event["ts"] >= 0
    assert event.get("dur", 0) >= 0
    assert event.get("cname", "good") in RESERVED
    if event["ph"] == "i":  # format, "Instant events": the scope is global, process or thread
        assert event["s"] in {"g", "p", "t"}
    if event["ph"] == "C":  # format, "Counter events": each value is a number
        assert event["args"]
        assert all(type(value) in (int, float) for value in event["args"].values())
    if event["ph"] == "M":
        key, kind = METADATA[event["name"]]
        assert isinstance(event["args"][key], kind)


def check_nesting(slices, number):
    """Format, "Duration events", and Perfetto: those of one thread nest, or lie apart."""
    for lane in {(e["pid"], e["tid"]) for e in slices}:
        spans = [(number(e["ts"]), number(e["dur"])) for e in slices if (e["pid"], e["tid"]) == lane]
        open_ends = []
        for start, length in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            assert not open_ends or start + length <= open_ends[-1], f"slices overlap at {start}"
            open_ends.append(start + length)


def check_flows(events):
    """Format, "Flow events": of one id, cat and name; they start with s, end with f, and lie within slices.

    Perfetto: a slice stands in the file before the arrows that it encloses, and the start of an arrow before its end.
    """
    seen, flows = [], {}
    for event in events:
        if event["ph"] == "X":
            seen.append(event)
        elif event["ph"] in "stf":
            assert encloses(seen, event), f"no slice encloses {event}"
            flows.setdefault((event["cat"], event["name"], event["id"]), []).append(event)
    for steps in flows.values():
        phases = "".join(e["ph"] for e in steps)
        assert phases == "s" + "t" * (len(steps) - 2) + "f", phases
        assert steps[-1]["bp"] == "e"  # else it binds to the next slice that begins


def encloses(slices, flow):
    return enclosing(slices, flow) is not None


def ns(us):
    return round(us * 1000)


def enclosing(slices, event):
    """Return the slice that an arrow starts from, or leads to: it holds its start, and not its end."""
    lane = [e for e in slices if (e["pid"], e["tid"]) == (event["pid"], event["tid"])]
    return next((e for e in lane if 0 <= ns(event["ts"]) - ns(e["ts"]) < ns(e["dur"])), None)


# --- runs

TWO = [{"id": "a", "call": "m:f"}, {"id": "b", "call": "m:f", "args": [{"$ref": "a"}]}, {"id": "c", "run": "true"}]


def start(workers=2, at=1000.0, **fields):
    known = {"run": "r", "graph": "small", "nodes": 2, "python": "CPython 3.13.1", "free_threaded": True, "gil": False}
    return RunStart(workers=workers, at=at, platform="Linux", **{**known, **fields})


def end(wall_s, *, ok=True):
    numbers = {"done": 0, "failed": 0, "skipped": 0, "steals": 0, "critical_path_s": 0.0, "parallelism": 0.0}
    return RunDone(ok=ok, wall_s=wall_s, busy=(), critical_path=(), gil=False, peak_memory_bytes=0, **numbers)


def done(node, worker, started, ran, queued=0.0, **fields):
    values = {"attempt": 1, "stolen": False} | fields
    return NodeDone(node=node, worker=worker, queued_s=queued, ran_s=ran, started_at=started, **values)


def broken(kind, node, worker, started, ran, **fields):
    values = {"attempt": 1, "stolen": False, "error": "E: no\nmore", "traceback": "", "arguments": ""} | fields
    return kind(node=node, worker=worker, queued_s=0.0, ran_s=ran, started_at=started, **values)


def recorded(events, nodes=TWO, state="ok"):
    dag = None
    if nodes is not None:
        dag = Graph.decode(json.dumps({"taskrunner": 1, "name": "small", "nodes": nodes}).encode(), "json", "g").link()
    return RecordedRun(PastRun(run="r", state=state, started=""), events, dag)


def traced(run):
    """Return the events of a run's trace, which keeps the rules."""
    whole = json.loads(b"".join(chrome_trace(run)))
    check(whole)
    return whole["traceEvents"]


def of_phase(events, phase):
    return [e for e in events if e["ph"] == phase]


def arrows(events):
    """Return the arrows, each as its category and the names of the slices at its ends."""
    slices = of_phase(events, "X")
    starts = {e["id"]: enclosing(slices, e)["name"] for e in of_phase(events, "s")}
    return sorted((e["cat"], starts[e["id"]], enclosing(slices, e)["name"]) for e in of_phase(events, "f"))


def lanes(events):
    return {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}


# --- what stands in a trace

SMALL = [
    start(),
    done("a", 0, 0.0001, 0.0002, queued=0.0001),
    RunWarning("mind"),
    done("c", -1, 0.00015, 0.0008, queued=0.00015),
    done("b", 1, 0.00035, 0.0005, queued=0.00005, stolen=True),
    end(0.001),
]
SMALL_TRACE = """\
{"traceEvents":[
{"ph":"M","name":"process_name","ts":0.0,"pid":1,"tid":100,"args":{"name":"taskrunner small"}},
{"ph":"M","name":"thread_name","ts":0.0,"pid":1,"tid":100,"args":{"name":"worker 0"}},
{"ph":"M","name":"thread_sort_index","ts":0.0,"pid":1,"tid":100,"args":{"sort_index":0}},
{"ph":"M","name":"thread_name","ts":0.0,"pid":1,"tid":101,"args":{"name":"worker 1"}},
{"ph":"M","name":"thread_sort_index","ts":0.0,"pid":1,"tid":101,"args":{"sort_index":1}},
{"ph":"M","name":"thread_name","ts":0.0,"pid":1,"tid":102,"args":{"name":"event loop 0"}},
{"ph":"M","name":"thread_sort_index","ts":0.0,"pid":1,"tid":102,"args":{"sort_index":2}},
{"ph":"i","name":"start","ts":0.0,"pid":1,"tid":100,"cat":"run","s":"p","args":{"message":""}},
{"ph":"C","name":"nodes","ts":0.0,"pid":1,"tid":100,"args":{"ready":2,"running":0}},
{"ph":"X","name":"a","ts":100.0,"pid":1,"tid":100,"cat":"node","dur":200.0,\
"args":{"node":"a","attempt":1,"state":"done","queued_us":100.0,"call":"m:f"}},
{"ph":"C","name":"nodes","ts":100.0,"pid":1,"tid":100,"args":{"ready":1,"running":1}},
{"ph":"X","name":"c","ts":150.0,"pid":1,"tid":102,"cat":"node,critical","dur":800.0,\
"args":{"node":"c","attempt":1,"state":"done","queued_us":150.0,"call":"$ true","critical":true}},
{"ph":"C","name":"nodes","ts":150.0,"pid":1,"tid":100,"args":{"ready":0,"running":2}},
{"ph":"s","name":"dependency","ts":299.999,"pid":1,"tid":100,"cat":"dependency","id":1},
{"ph":"s","name":"steal","ts":299.999,"pid":1,"tid":100,"cat":"steal","id":2},
{"ph":"i","name":"warning","ts":300.0,"pid":1,"tid":100,"cat":"warning","s":"p","args":{"message":"mind"}},
{"ph":"C","name":"nodes","ts":300.0,"pid":1,"tid":100,"args":{"ready":1,"running":1}},
{"ph":"i","name":"steal","ts":349.999,"pid":1,"tid":101,"cat":"steal","s":"t","args":{}},
{"ph":"X","name":"b","ts":350.0,"pid":1,"tid":101,"cat":"node","dur":500.0,\
"args":{"node":"b","attempt":1,"state":"done","queued_us":50.0,"call":"m:f","stolen":true}},
{"ph":"f","name":"dependency","ts":350.0,"pid":1,"tid":101,"cat":"dependency","id":1,"bp":"e"},
{"ph":"f","name":"steal","ts":350.0,"pid":1,"tid":101,"cat":"steal","id":2,"bp":"e"},
{"ph":"C","name":"nodes","ts":350.0,"pid":1,"tid":100,"args":{"ready":0,"running":2}},
{"ph":"C","name":"nodes","ts":850.0,"pid":1,"tid":100,"args":{"ready":0,"running":1}},
{"ph":"C","name":"nodes","ts":950.0,"pid":1,"tid":100,"args":{"ready":0,"running":0}},
{"ph":"i","name":"end","ts":1000.0,"pid":1,"tid":100,"cat":"run","s":"p","args":{"message":"ok"}}
],"displayTimeUnit":"ms","otherData":{"run":"r","graph":"small","state":"ok","python":"CPython 3.13.1","gil":"off",\
"platform":"Linux","workers":2,"wall_s":0.001,"critical_path_s":0.0008,"skipped":0}}
"""


def test_a_small_run_byte_by_byte():
    assert b"".join(chrome_trace(recorded(SMALL))).decode() == SMALL_TRACE
    check(json.loads(SMALL_TRACE))


@pytest.mark.parametrize(
    "change",
    [
        {"ts": 299.0},  # it begins within the slice before it, and ends after it
        {"ts": 300.0, "tid": 100},  # touches it: an error of rounding away from overlapping
        {"cname": "pink"},
        {"args": None},
        {"dur": "200"},
    ],
)
def test_the_rules_find_what_breaks_them_in_a_slice(change):
    whole = json.loads(SMALL_TRACE)
    (event,) = [e for e in whole["traceEvents"] if e["name"] == "b"]
    event |= {"tid": 100} | change
    with pytest.raises(AssertionError):
        check(whole)


@pytest.mark.parametrize(
    ("phase", "change"),
    [
        ("s", {"ts": 300.0}),
        ("s", {"ph": "f"}),
        ("s", {"id": 7}),
        ("f", {"bp": "n"}),
        ("f", {"cat": "other"}),
        ("f", {"tid": 100}),
        ("C", {"args": {"ready": "2"}}),
        ("C", {"args": {"ready": True}}),
        ("C", {"args": {}}),
        ("i", {"s": "x"}),
        ("i", {"ts": 0.001}),
        ("M", {"args": {"name": 1}}),
        ("M", {"name": "nonsense"}),
    ],
)
def test_the_rules_find_what_breaks_them_in_other_events(phase, change):
    whole = json.loads(SMALL_TRACE)
    next(e for e in whole["traceEvents"] if e["ph"] == phase).update(change)
    with pytest.raises((AssertionError, KeyError)):
        check(whole)


def test_what_waits_on_the_event_loop_gets_as_many_lanes_as_it_needs():
    nodes = [{"id": name, "run": "true"} for name in "abcd"]
    times = {"a": (0.0, 0.3), "b": (0.1, 0.1), "c": (0.2, 0.1), "d": (0.21, 0.1)}
    events = traced(recorded([start(1), *[done(n, -1, *t) for n, t in times.items()], end(1.0)], nodes))
    names = lanes(events)
    # c begins at the moment at which b ends: it needs a lane of its own; d takes that of b
    on = {e["name"]: names[e["tid"]] for e in of_phase(events, "X")}
    assert on == {"a": "event loop 0", "b": "event loop 1", "c": "event loop 2", "d": "event loop 1"}
    assert list(names.values()) == ["worker 0", "event loop 0", "event loop 1", "event loop 2"]


def test_every_worker_has_a_lane_even_one_that_ran_nothing():
    assert list(lanes(traced(recorded([start(3), end(1.0)]))).values()) == ["worker 0", "worker 1", "worker 2"]


MAPPED = [
    {"id": "items", "call": "m:f"},
    {"id": "m", "call": "m:f", "map": {"$ref": "items"}, "args": [{"$item": True}]},
    {"id": "z", "call": "m:f", "args": [{"$ref": "m"}]},
]


def test_a_mapped_node_ends_with_the_gathering_of_its_children():
    events = [
        start(2),
        done("items", 0, 0.1, 0.1),
        done("m[0]", 0, 0.4, 0.1),
        done("m[1]", 1, 0.4, 0.2),
        done("m", 1, 0.35, 0.35, queued=0.01),  # 0.26 s of expanding, recorded as if just before its gathering
        done("z", 1, 0.8, 0.1),
        end(1.0),
    ]
    told = traced(recorded(events, MAPPED))
    (gathering,) = [e for e in of_phase(told, "X") if e["name"] == "m"]
    assert (gathering["ts"], gathering["dur"]) == (600000.001, 99999.999)
    assert gathering["args"]["ran_us"] == 350000.0
    assert arrows(told) == [
        ("dependency", "items", "m[0]"),
        ("dependency", "items", "m[1]"),
        ("dependency", "m", "z"),
        ("dependency", "m[0]", "m"),
        ("dependency", "m[1]", "m"),
    ]
    critical = [e["name"] for e in of_phase(told, "X") if e["cat"] == "node,critical"]
    assert critical == ["items", "m[1]", "m", "z"]
    assert critical == [e["name"] for e in of_phase(told, "X") if e["args"].get("critical")]


def test_a_steal_leads_from_where_it_is_known_that_a_node_was_stolen():
    events = [
        start(3),
        done("items", 0, 0.1, 0.1),
        done("m[0]", 1, 0.4, 0.1),
        done("m[1]", 0, 0.4, 0.2, stolen=True),  # from worker 1, which made the children
        done("m", 0, 0.6, 0.1, stolen=True),  # it came back
        done("z", 2, 0.8, 0.1, stolen=True),
        end(1.0),
    ]
    told = traced(recorded(events, MAPPED))
    assert [arrow for arrow in arrows(told) if arrow[0] == "steal"] == [("steal", "m", "z")]
    assert [e["tid"] for e in of_phase(told, "i") if e["name"] == "steal"] == [100, 100, 102]


def test_with_many_edges_each_node_has_the_arrow_from_what_made_it_ready(monkeypatch):
    nodes = [{"id": n, "call": "m:f"} for n in "abc"] + [{"id": "d", "call": "m:f", "needs": ["a", "b", "c"]}]
    ends = {"a": 0.1, "b": 0.3, "c": 0.2}
    events = [start(3), *[done(n, i, 0.0, t) for i, (n, t) in enumerate(ends.items())], done("d", 0, 0.4, 0.1), end(1)]
    assert len(arrows(traced(recorded(events, nodes)))) == 3
    assert f"more than\n  {trace.MAX_EDGES} edges" in RUNNING
    monkeypatch.setattr(trace, "MAX_EDGES", 2)
    assert arrows(traced(recorded(events, nodes))) == [("dependency", "b", "d")]


def test_attempts_that_failed_have_a_colour_and_the_first_line_of_their_error():
    nodes = [{"id": n, "call": "m:f"} for n in "abcd"]
    events = [
        start(1),
        NodeTimeout("a", 0, 1, 0.5, lost=False),
        broken(NodeRetry, "a", 0, 0.1, 0.1, wait_s=0.0),
        broken(NodeFailed, "a", 0, 0.3, 0.1, attempt=2),
        broken(NodeFailed, "b", 0, 0.5, 0.1, allowed=True),
        done("c", 0, 0.7, 0.1, cached=True),
        NodeSkipped("d", "needs", "a"),
        end(1.0, ok=False),
    ]
    whole = json.loads(b"".join(chrome_trace(recorded(events, nodes, "failed"))))
    check(whole)
    told = [
        (e["name"], e["args"]["attempt"], e["args"]["state"], e.get("cname"))
        for e in of_phase(whole["traceEvents"], "X")
    ]
    assert told == [
        ("a", 1, "retried", "bad"),
        ("a", 2, "failed", "terrible"),
        ("b", 1, "allowed", "bad"),
        ("c", 1, "cached", "grey"),
    ]
    first = of_phase(whole["traceEvents"], "X")[0]["args"]
    assert (first["error"], first["timeout_s"]) == ("E: no", 0.5)
    assert (whole["otherData"]["state"], whole["otherData"]["skipped"]) == ("failed", 1)


def test_the_counters_are_exact_where_times_are_equal():
    nodes = [{"id": n, "call": "m:f"} for n in "abc"]
    # b is ready when a begins, and begins in the moment at which a and c end
    events = [start(3), done("a", 0, 1e-6, 1e-6), done("c", 2, 1e-6, 1e-6), done("b", 1, 2e-6, 1e-6, queued=1e-6)]
    counts = [(e["ts"], *e["args"].values()) for e in of_phase(traced(recorded(events, nodes)), "C")]
    assert counts == [(1.0, 1, 2), (2.0, 0, 1), (3.0, 0, 0)]


def test_parts_and_warnings_are_moments():
    events = [
        start(),
        done("a", 0, 0.1, 0.1),
        start(at=2000.0),
        done("c", -1, 0.1, 0.2),
        GilSwitchedOn("lib"),
        end(0.4),
    ]
    told = [(e["ts"], e["name"], e["args"]["message"]) for e in of_phase(traced(recorded(events)), "i")]
    assert told == [
        (0.0, "start", ""),
        (200000.0, "resumed", ""),
        (500000.0, "warning", 'importing "lib" switched the GIL on'),
        (600000.0, "end", "ok"),
    ]


def test_an_arrow_comes_from_what_a_node_had_then_not_from_what_a_resumed_run_made_of_it_later():
    # b ran after the first a; the resumed run repeats both
    first = [start(), done("a", 0, 0.1, 0.1), done("b", 1, 0.3, 0.1)]
    events = traced(recorded([*first, start(), done("a", 1, 0.1, 0.1), done("b", 0, 0.3, 0.1), end(0.5)]))
    pairs = [(enclosing(of_phase(events, "X"), e)["ts"]) for e in of_phase(events, "s")]
    assert pairs == [100000.0, 500000.0]
    assert arrows(events) == [("dependency", "a", "b")] * 2


def test_a_run_whose_graph_cannot_be_read_has_its_slices():
    events = traced(recorded(SMALL, nodes=None))
    assert [e["name"] for e in of_phase(events, "X")] == ["a", "c", "b"]
    assert arrows(events) == []
    assert all("call" not in e["args"] and e["cat"] == "node" for e in of_phase(events, "X"))


def test_hostile_names_are_data():
    name = '</script>"\n\x1b[31m\u202e'
    nodes = [{"id": name, "call": "m:f"}]
    (event,) = of_phase(traced(recorded([start(graph=name), done(name, 0, 0.0, 0.1), end(0.2)], nodes)), "X")
    assert event["name"] == event["args"]["node"] == name


NODES = [{"id": f"n{i}", "call": "m:f", "needs": [f"n{j}" for j in range(i)][-2:]} for i in range(6)]
moments = st.integers(0, 40).map(lambda n: n / 1e9) | st.floats(0, 1e5)


@st.composite
def any_events(draw):
    """Events of attempts with any times whatever: as no run records them."""
    events = [start(2)]
    for node in draw(st.lists(st.sampled_from([node["id"] for node in NODES]), max_size=12)):
        worker, stolen = draw(st.integers(-1, 2)), draw(st.booleans())
        events.append(done(node, worker, draw(moments), draw(moments), draw(moments), stolen=stolen))
        events += draw(st.sampled_from([[], [start(3)], [RunWarning("w")]]))
    return [*events, end(draw(moments))] if draw(st.booleans()) else events


@given(any_events())
@settings(max_examples=300, deadline=None)
def test_any_events_make_a_trace_that_keeps_the_rules(events):
    told = traced(recorded(events, NODES))
    attempts = Counter(e.node for e in events if isinstance(e, NodeDone))
    assert Counter(e["name"] for e in of_phase(told, "X")) == attempts
    counts = [tuple(e["args"].values()) for e in of_phase(told, "C")]
    assert all(ready >= 0 and running >= 0 for ready, running in counts)
    assert counts[-1:] in ([], [(0, 0)])
    assert all(one != other for one, other in itertools.pairwise(counts))


async def wait():
    return 1


def fail():
    raise ValueError("no luck")


def test_the_trace_of_a_real_run(tmp_path):
    g = taskrunner.Graph("real")
    waited = [g.call(wait) for _ in range(3)]
    squares = g.map(abs, range(200))
    total = g.call(sum, squares)
    g.run(["true"], needs=[total])
    g.call(fail, retries=1, allow_failure=True)
    g.call(max, *waited, total)
    result = taskrunner.run(g, workers=2, run_dir=tmp_path)
    events = traced(load_run(tmp_path, "last"))
    assert len(of_phase(events, "X")) == result.summary.done + 2
    edges = 200 + 1 + 1 + 3 + 1  # children to mapped, mapped to sum, sum to command, sum and waited to max
    stolen = [e for e in of_phase(events, "X") if e["args"].get("stolen")]
    found = Counter(kind for kind, _, _ in arrows(events))
    assert found["dependency"] == edges
    assert len([e for e in of_phase(events, "i") if e["name"] == "steal"]) == len(stolen)


def test_cpu_time_is_an_argument_where_it_was_measured():
    events = [start(), done("a", 0, 0.0, 1.0, cpu_s=0.25), done("b", 1, 0.0, 1.0), end(1.0)]
    slices = of_phase(traced(recorded(events)), "X")
    assert [each["args"].get("cpu_us") for each in slices] == [250_000.0, None]
