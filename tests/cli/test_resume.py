"""``--resume``: what has finished is not done again, and the outputs are those of an undisturbed run."""

import json
import random
import signal
import time
from collections import Counter

import pytest

from taskrunner.storage.journal import read

STEPS = """
    import os, time
    from pathlib import Path

    def note(name):
        with open("ran.txt", "ab", buffering=0) as file:
            file.write(name.encode() + b"\\n")

    def one(name, *parts):
        note(name)
        return (name, sum(map(weigh, parts), 1))

    def weigh(part):
        return sum(map(weigh, part)) if isinstance(part, list) else part[1]

    def slow(name, *parts):
        time.sleep(0.002)
        return one(name, *parts)

    def unless(name, stop, *parts):
        if Path(stop).exists():
            raise ValueError("not yet")
        return one(name, *parts)

    class Thing:
        def __init__(self, number): self.number = number

    def thing(name):
        note(name)
        return Thing(4)

    def number_of(name, thing):
        note(name)
        return (name, thing.number)
"""


def call(node, function, *args, **fields):
    return {"id": node, "call": f"steps:{function}", "args": [node, *args], **fields}


def ref(node):
    return {"$ref": node}


@pytest.fixture
def steps(cli):
    cli.write("steps.py", STEPS)
    return cli


def ran(cli):
    """Return how often each node has run so far."""
    path = cli.folder / "ran.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def events(cli, kind):
    lines = (cli.last_run() / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


CHAIN = (
    call("a", "one"),
    call("b", "one", ref("a")),
    call("c", "unless", "stop", ref("b")),
    call("d", "one", ref("c"), ref("a")),
)


def test_a_failed_run_goes_on_where_it_failed(steps, inside):
    graph = steps.graph(*CHAIN)
    (steps.folder / "stop").touch()
    assert inside("exec", graph).code == 1
    (steps.folder / "stop").unlink()
    ended = inside("exec", graph, "--resume", "last")
    assert (ended.code, ended.json) == (0, {"d": ["d", 5]})
    assert ran(steps) == {"a": 1, "b": 1, "c": 1, "d": 1}
    (resumed,) = events(steps, "run.resumed")
    assert (resumed["kept"], resumed["changed"], resumed["unstored"]) == (2, [], [])
    assert len(list((steps.folder / ".taskrunner/runs").iterdir())) == 1


def test_a_finished_run_is_only_reported_again(steps, inside):
    graph = steps.graph(*CHAIN)
    first = inside("exec", graph)
    again = inside("exec", graph, "--resume", "last")
    assert (again.code, again.json) == (0, first.json)
    assert set(ran(steps).values()) == {1}


def test_a_run_is_found_by_a_unique_start_of_its_id(steps, inside):
    graph = steps.graph(*CHAIN)
    inside("exec", graph)
    run_id = steps.last_run().name
    assert inside("exec", graph, "--resume", run_id[:-1]).code == 0
    assert inside("exec", graph, "--resume", run_id).code == 0
    inside("exec", graph)
    ended = inside("exec", graph, "--resume", run_id[:3])
    assert (ended.code, "matches 2 runs" in ended.err) == (2, True)


def test_a_run_that_is_not_there_is_told(steps, inside):
    ended = inside("exec", steps.graph(*CHAIN), "--resume", "last")
    assert (ended.code, ended.err) == (2, 'taskrunner: no run "last" in .taskrunner/runs\n')


def test_what_has_changed_runs_again_and_so_does_what_needs_it(steps, inside):
    inside("exec", steps.graph(*CHAIN, call("e", "one", ref("a"))))
    changed = steps.graph(CHAIN[0], call("b", "one", ref("a"), ref("a")), *CHAIN[2:], call("e", "one", ref("a")))
    ended = inside("exec", changed, "--resume", "last")
    assert ended.json == {"d": ["d", 6], "e": ["e", 2]}
    assert ran(steps) == {"a": 1, "b": 2, "c": 2, "d": 2, "e": 1}
    (resumed,) = events(steps, "run.resumed")
    assert (resumed["kept"], resumed["changed"]) == (2, ["b", "c", "d"])


@pytest.mark.parametrize("value", ["1.0", "true", "2"])
def test_a_parameter_of_another_value_or_type_is_a_change(steps, inside, value):
    nodes = ({"id": "a", "call": "functions:give", "args": [{"$param": "n"}]}, call("b", "one"))
    graph = steps.graph(*nodes, params={"n": None})
    inside("exec", graph, "--set", "n=1")
    ended = inside("exec", graph, "--set", f"n={value}", "--resume", "last")
    assert ended.json["a"] == json.loads(value)
    assert events(steps, "run.resumed")[0]["changed"] == ["a"]
    assert ran(steps) == {"b": 1}


def test_a_changed_node_that_did_not_finish_again_is_not_taken_for_finished(steps, inside):
    steps.write("stop", "")
    inside("exec", steps.graph(call("a", "one")))
    changed = steps.graph(call("a", "unless", "stop"))
    assert inside("exec", changed, "--resume", "last").code == 1
    (steps.folder / "stop").unlink()
    assert inside("exec", changed, "--resume", "last").json == {"a": ["a", 1]}
    assert ran(steps) == {"a": 2}


def test_a_result_that_cannot_be_stored_is_made_again_and_named(steps, inside):
    nodes = (call("t", "thing"), call("u", "thing"), call("v", "number_of", ref("u")))
    stopping = call("c", "unless", "stop", ref("n"), needs=["v"])  # v has run when the run stops
    later = call("z", "number_of", ref("t"), needs=["c"])
    graph = steps.graph(*nodes, call("n", "number_of", ref("t")), stopping, later, outputs=["v", "z"])
    (steps.folder / "stop").touch()
    assert inside("exec", graph).code == 1
    (steps.folder / "stop").unlink()
    ended = inside("exec", graph, "--resume", "last")
    assert ended.json == {"v": ["v", 4], "z": ["z", 4]}
    assert ran(steps) == {"t": 2, "u": 1, "v": 1, "n": 2, "c": 1, "z": 1}  # n: another t may give another n
    assert events(steps, "run.resumed")[0]["unstored"] == ["t"]
    assert '"t"' in ended.err


VALUES = """
    import dataclasses, datetime, zoneinfo
    from pathlib import Path

    @dataclasses.dataclass
    class Partial:
        key: int
        note: str = dataclasses.field(default="", compare=False)
        made: int = dataclasses.field(default=7, init=False)
        seed: dataclasses.InitVar[int] = 0

        def __post_init__(self, seed):
            self.doubled = 2 * seed

    def date(change):
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        return datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zone) if change else (
            datetime.datetime(2026, 3, 1, 9, tzinfo=zone))

    def partial():
        made = Partial(1, "n", seed=21)
        made.made, made.more = 8, ["x"]
        return made

    def shared():
        row = [0]
        return [row, row]

    def show(date, fold, partial, rows, stop):
        if Path(stop).exists():
            raise ValueError("not yet")
        rows[0].append(1)
        later = date + datetime.timedelta(days=60)
        return [later.isoformat(), str(fold.utcoffset()), repr(partial), repr(vars(partial)), rows]
"""


def test_a_resumed_run_computes_with_the_values_of_a_fresh_one(cli, inside):
    """Case 8."""
    cli.write("values.py", VALUES)
    made = [
        {"id": "date", "call": "values:date", "args": [False]},
        {"id": "fold", "call": "values:date", "args": [True]},
        {"id": "partial", "call": "values:partial"},
        {"id": "rows", "call": "values:shared"},
    ]
    show = {"id": "show", "call": "values:show", "args": [*(ref(node["id"]) for node in made), "stop"]}
    graph = cli.graph(*made, show, outputs=["show"])
    cli.write("stop", "")
    assert inside("exec", graph).code == 1
    (cli.folder / "stop").unlink()
    ended = inside("exec", graph, "--resume", "last")
    [resumed] = events(cli, "run.resumed")
    assert (resumed["kept"], resumed["unstored"]) == (4, [])
    assert ended.json == inside("exec", graph).json
    assert ended.json["show"][:2] == ["2026-04-30T09:00:00+02:00", "1:00:00"]


def test_the_finished_children_of_a_mapped_node_are_kept(steps, inside):
    mapped = {
        "id": "m",
        "call": "steps:unless",
        "map": ["x", "stop", "y", "z"],
        "args": [{"$item": True}, {"$item": True}],
    }
    graph = steps.graph(mapped, call("s", "one", ref("m")))
    (steps.folder / "stop").touch()
    assert inside("exec", graph, "-w", "1", "-k", "0").code == 1
    (steps.folder / "stop").unlink()
    ended = inside("exec", graph, "--resume", "last")
    assert ended.json == {"s": ["s", 5]}
    assert ran(steps) == {"x": 1, "y": 1, "z": 1, "stop": 1, "s": 1}
    assert ended.err.startswith("taskrunner: 3 finished nodes restored\n")


def test_children_that_no_target_needs_are_not_counted_as_kept(steps, inside):
    mapped = {"id": "m", "call": "steps:unless", "map": ["x", "stop"], "args": [{"$item": True}, {"$item": True}]}
    graph = steps.graph(mapped, call("s", "one"))
    (steps.folder / "stop").touch()
    assert inside("exec", graph, "-w", "1", "-k", "0").code == 1
    ended = inside("exec", graph, "s", "--resume", "last", "--json")
    assert (ended.json["kept"], ended.json["done"]) == (1, 0)


def test_cleaning_up_is_done_again(steps, inside):
    graph = steps.graph(call("a", "one"), call("clean", "one", needs=["a"], always=True))
    inside("exec", graph)
    inside("exec", graph, "--resume", "last")
    assert ran(steps) == {"a": 2, "clean": 2}  # case 3: it may have removed what a has made


def test_a_run_without_a_journal_cannot_be_resumed_with_one_switched_off(steps, inside):
    graph = steps.graph(*CHAIN)
    inside("exec", graph, "--no-journal")
    assert not (steps.last_run() / "journal").exists()
    assert inside("exec", graph, "--no-journal", "--resume", "last").code == 2
    assert inside("exec", graph, "--resume", "last").json == {"d": ["d", 5]}
    assert ran(steps)["a"] == 2


def test_a_second_process_is_refused_while_the_first_runs(steps):
    waiting = {"id": "w", "call": "functions:start_and_poll", "args": ["started", "go"]}
    graph = steps.graph(call("a", "one"), waiting)
    first = steps.start("exec", graph)
    steps.wait_for("started", first)
    second = steps("exec", graph, "--resume", "last")
    assert (second.code, "another process is using" in second.err) == (2, True)  # case 23
    (steps.folder / "go").touch()
    assert steps.end(first).code == 0


def layered(width, depth):
    rng = random.Random(width * depth)  # noqa: S311
    nodes = [call(f"n0-{i}", "slow") for i in range(width)]
    for level in range(1, depth):
        for i in range(width):
            needed = [ref(f"n{level - 1}-{k}") for k in rng.sample(range(width), 2)]
            nodes.append(call(f"n{level}-{i}", "slow", *needed))
    nodes.append({"id": "m", "call": "steps:slow", "map": [f"m{i}" for i in range(8)], "args": [{"$item": True}]})
    nodes.append(call("end", "one", ref("m"), *[ref(f"n{depth - 1}-{i}") for i in range(width)]))
    return nodes


def kill_and_resume(steps, graph, expected, delay):
    """Kill a run after a while, resume it, kill that too, and so on until one comes through."""
    (steps.folder / "ran.txt").unlink(missing_ok=True)
    process = steps.start("exec", graph)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    steps.end(process)
    runs = sorted((steps.folder / ".taskrunner/runs").glob("*/graph.json"))
    if not runs:  # it did not come so far
        return
    run = runs[-1].parent
    done = set(read(run / "journal"))
    before = ran(steps)
    ended = steps("exec", graph, "--resume", run.name)
    assert (ended.code, ended.json) == (0, expected)
    again = {name for name, count in ran(steps).items() if count > before[name]}
    children = {f"m{name[2:-1]}" if name.startswith("m[") else name for name in done}
    assert not again & children
    for path in runs:
        path.rename(path.with_name("used.json"))


@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=[pytest.mark.stress, pytest.mark.timeout(600)])])
def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(steps, rounds):
    rng = random.Random(rounds)  # noqa: S311
    graphs = [steps.graph(*layered(w, d), file=f"{w}-{d}.json") for w, d in ((4, 6), (10, 10), (2, 30))]
    expected = [steps("exec", graph).json for graph in graphs]
    for run in (steps.folder / ".taskrunner/runs").glob("*/graph.json"):
        run.rename(run.with_name("used.json"))
    for number in range(rounds):
        which = number % len(graphs)
        kill_and_resume(steps, graphs[which], expected[which], rng.uniform(0.15, 0.6))


def test_a_line_of_the_events_that_was_torn_spoils_no_other(cli):
    graph = cli.graph({"id": "a", "call": "functions:give"}, {"id": "b", "call": "functions:fail", "needs": ["a"]})
    cli("exec", graph)
    events = cli.last_run() / "events.jsonl"
    events.write_bytes(events.read_bytes()[:-20])  # as a full disk leaves it
    cli("exec", graph, "--resume", "last")
    told = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert (told.count("run.start"), told.count("run.done")) == (2, 1)
    assert cli("show", "--run", "last").code == 0
