"""The cache from outside: ``exec`` with nodes that use it, and ``taskrunner cache``."""

import json
import os
import signal
import time
from collections import Counter

import pytest

STEPS = """
    import os, time
    from pathlib import Path

    LIMIT = 10

    class Scale:
        factor = 2

    def note(name):
        with open("ran.txt", "ab", buffering=0) as file:
            file.write(name.encode() + b"\\n")

    def helper(n):
        return n + LIMIT

    def double(n):
        note("double")
        return helper(n) * Scale.factor

    def slow(n):
        note(f"slow{n}")
        time.sleep(0.005)
        return {"n": n, "text": "x" * 1000}

    def read(name):
        note("read")
        return Path(name).read_text()

    def unless(stop, n):
        note("unless")
        if Path(stop).exists():
            raise ValueError("not yet")
        return n

    def add(*parts): return sum(parts)
"""
DOUBLE = {"id": "a", "call": "steps:double", "args": [1], "cache": True}
COPY = {"id": "c", "run": "echo copied; cat in.txt > out.txt", "files": ["in.txt"], "creates": ["out.txt"]}


@pytest.fixture
def steps(cli):
    cli.write("steps.py", STEPS)
    cli.write("in.txt", "one")
    return cli


def ran(cli):
    """Return how often each function has run so far."""
    path = cli.folder / "ran.txt"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def change(cli, old, new):
    path = cli.folder / "steps.py"
    text = path.read_text()
    assert text.count(old) == 1
    later = path.stat().st_mtime + 2  # Python compares whole seconds and the size
    path.write_text(text.replace(old, new))
    os.utime(path, (later, later))


def entries(cli):
    return sorted((cli.folder / ".taskrunner/cache").glob("*/*"))


def test_a_cached_node_does_not_run_again(steps):
    graph = steps.graph(DOUBLE)
    first, again = steps("exec", graph), steps("exec", graph)
    assert (first.json, again.json, ran(steps)) == ({"a": 22}, {"a": 22}, {"double": 1})
    assert ("cached" in first.err, "1 done, 1 cached in" in again.err) == (False, True)
    assert len(entries(steps)) == 1


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        ("helper(n) * Scale", "helper(n) - Scale", 9),
        ("return n + LIMIT", "return n - LIMIT", -18),
        ("LIMIT = 10", "LIMIT = 20", 42),
        ("factor = 2", "factor = 3", 33),
    ],
    ids=["function", "helper", "constant", "class"],
)
def test_changed_code_is_run(steps, old, new, result):
    graph = steps.graph(DOUBLE)
    assert steps("exec", graph).json == {"a": 22}
    change(steps, old, new)
    assert [steps("exec", graph).json for _ in range(2)] == [{"a": result}] * 2
    assert ran(steps) == {"double": 2}
    change(steps, new, old)
    assert (steps("exec", graph).json, ran(steps)) == ({"a": 22}, {"double": 2})


def test_code_that_it_does_not_call_is_nothing_to_it(steps):
    steps("exec", steps.graph(DOUBLE))
    change(steps, 'return {"n": n', 'return {"m": n')
    steps("exec", steps.graph(DOUBLE))
    assert ran(steps) == {"double": 1}


def test_a_changed_argument_or_its_type_is_run(steps):
    results = [steps("exec", steps.graph({**DOUBLE, "args": [n]})).json["a"] for n in (1, 2, 1.0, True, 1)]
    assert ([type(result) for result in results], results) == ([int, int, float, int, int], [22, 24, 22.0, 22, 22])
    assert ran(steps) == {"double": 4}


def test_a_changed_file_is_read(steps):
    found = []
    graph = steps.graph({"id": "a", "call": "steps:read", "args": ["in.txt"], "cache": True, "files": ["in.*"]})
    for text in ("one", "two", "two", "one"):
        steps.write("in.txt", text)
        found.append(steps("exec", graph).json["a"])
    assert (found, ran(steps)) == (["one", "two", "two", "one"], {"read": 2})


def test_an_entry_that_is_damaged_anywhere_is_run_and_mended(steps, inside):
    graph = steps.graph(DOUBLE)
    inside("exec", graph)
    (entry,) = entries(steps)
    whole = entry.read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 1):
        before = ran(steps)["double"]
        damaged = bytearray(whole)
        damaged[place] ^= 255
        entry.write_bytes(damaged)
        assert inside("exec", graph).json == {"a": 22}
        assert (ran(steps)["double"], entry.read_bytes()) == (before + 1, whole)


def test_force_runs_all_and_no_cache_neither_reads_nor_writes(steps, inside):
    graph = steps.graph(DOUBLE, COPY)
    cached = []
    for words in (["--no-cache"], [], [], ["--force"], ["--no-cache"], []):
        ended = inside("exec", graph, "--json", *words)
        assert ended.json["outputs"] == {"a": 22, "c": "copied\n"}
        cached.append(ended.json["cached"])
    assert cached == [0, 0, 2, 0, 0, 2]
    assert ran(steps) == {"double": 4}


def test_no_cache_writes_nothing(steps, inside):
    inside("exec", steps.graph(DOUBLE, COPY), "--no-cache")
    assert entries(steps) == []


def test_the_cache_is_where_it_is_told_to_be(steps, inside):
    graph = steps.graph(DOUBLE)
    inside("exec", graph, "--cache-dir", "there")
    inside("exec", graph, "--cache-dir", "there")
    assert (ran(steps), entries(steps)) == ({"double": 1}, [])
    assert inside("cache", "--cache-dir", "there", "--json").json["entries"] == 1


def test_events_say_what_was_cached(steps, inside):
    graph = steps.graph(DOUBLE, {"id": "b", "call": "steps:double", "args": [2]})
    inside("exec", graph)
    inside("exec", graph, "--log-file", "run.log")
    events = [json.loads(line) for line in (steps.folder / "run.log").read_text().splitlines()]
    found = {event["node"]: event["cached"] for event in events if event["event"] == "node.done"}
    assert found == {"a": True, "b": False}
    assert [event["cached"] for event in events if event["event"] == "run.done"] == [1]


def test_what_cannot_be_cached_is_told_and_run(steps, inside):
    graph = steps.graph({"id": "a", "call": "builtins:sum", "args": [[1, 2]], "cache": True})
    told = inside("exec", graph)
    assert (told.code, told.json) == (0, {"a": 3})
    assert 'taskrunner: warning: node "a" (builtins:sum) is not cached: it has no Python code\n' in told.err


def test_two_runs_at_once_share_it(steps):
    """Both run the same nodes, and so write and read the same entries; a third finds them all."""
    nodes = [{"id": f"s{n}", "call": "steps:slow", "args": [n], "cache": True} for n in range(30)]
    graph = steps.graph(*nodes)
    expected = {f"s{n}": {"n": n, "text": "x" * 1000} for n in range(30)}
    for _ in range(2):
        ended = [steps.end(process) for process in [steps.start("exec", graph, "-w", 2) for _ in range(2)]]
        assert [(end.code, end.json) for end in ended] == [(0, expected)] * 2
    third = steps("exec", graph, "--json")
    assert (third.json["cached"], third.json["outputs"]) == (30, expected)
    assert max(ran(steps).values()) <= 2
    assert len(entries(steps)) == 30


def test_a_run_that_is_resumed_keeps_what_had_finished_and_takes_the_rest_from_the_cache(steps, inside):
    nodes = [
        {"id": "a", "call": "steps:slow", "args": [1], "cache": True},
        {"id": "b", "call": "steps:unless", "args": ["stop", {"$ref": "a", "path": ["n"]}]},
        {"id": "c", "call": "steps:slow", "args": [{"$ref": "b"}], "cache": True},
        {"id": "d", "call": "steps:slow", "args": [2], "needs": ["c"], "cache": True},
    ]
    warm = steps.graph({"id": "x", "call": "steps:slow", "args": [2], "cache": True}, file="warm.json")
    inside("exec", warm, "--run-dir", "warm")
    (steps.folder / "stop").touch()
    assert inside("exec", steps.graph(*nodes)).code == 1
    (steps.folder / "stop").unlink()
    ended = inside("exec", "graph.json", "--resume", "last", "--json")
    assert (ended.json["kept"], ended.json["done"], ended.json["cached"]) == (1, 3, 2)
    assert ran(steps) == {"slow1": 1, "slow2": 1, "unless": 2}
    again = inside("exec", "graph.json", "--resume", "last", "--json")
    assert (again.json["kept"], again.json["cached"], again.json["outputs"]) == (4, 0, ended.json["outputs"])


def test_what_came_from_the_cache_is_in_the_journal(steps, inside):
    graph = steps.graph(DOUBLE, {"id": "b", "call": "steps:unless", "args": ["stop", {"$ref": "a"}]})
    inside("exec", steps.graph(DOUBLE, file="warm.json"), "--run-dir", "warm")
    (steps.folder / "stop").touch()
    assert inside("exec", graph, "--json").json["cached"] == 1
    (steps.folder / "stop").unlink()
    ended = inside("exec", graph, "--resume", "last", "--no-cache", "--json")
    assert (ended.json["kept"], ended.json["outputs"], ran(steps)["double"]) == (1, {"b": 22}, 1)


# -- commands ------------------------------------------------------------------------------------------


def test_a_command_that_is_up_to_date_is_skipped_and_its_result_is_what_it_wrote(steps):
    graph = steps.graph(COPY)
    assert [steps("exec", graph, "--json").json["cached"] for _ in range(2)] == [0, 1]
    again = steps("exec", graph)
    assert (again.json, "1 cached" in again.err) == ({"c": "copied\n"}, True)


def test_a_command_is_run_when_it_is_not(steps, inside):
    def is_run(node=COPY):
        return inside("exec", steps.graph(node), "--json").json["cached"] == 0

    def touch():
        at = time.time() + 10
        os.utime(steps.folder / "in.txt", (at, at))

    assert (is_run(), is_run()) == (True, False)
    touch()
    assert is_run()
    steps.write("in.txt", "two")
    assert (is_run(), is_run()) == (True, False)
    (steps.folder / "out.txt").unlink()
    assert (is_run(), is_run()) == (True, False)
    other = {**COPY, "run": "echo changed; cat in.txt > out.txt"}
    assert (is_run(other), is_run(other), is_run(COPY), is_run(COPY)) == (True, False, True, False)
    assert (steps.folder / "out.txt").read_text() == "two"


def test_a_command_that_was_killed_half_way_is_run_again(steps):
    """Its output is there and new, and the same command had made it well before."""
    command = "echo half > out.txt; test -e slow && { touch started; sleep 50; }; echo whole >> out.txt"
    graph = steps.graph({**COPY, "run": command})
    assert steps("exec", graph).code == 0
    (steps.folder / "slow").touch()
    (steps.folder / "out.txt").unlink()
    process = steps.start("exec", graph)
    steps.wait_for("started", process)
    process.send_signal(signal.SIGINT)
    assert steps.end(process).code == 130
    (steps.folder / "slow").unlink()
    assert (steps.folder / "out.txt").read_text() == "half\n"
    assert steps("exec", graph, "--json").json["cached"] == 0
    assert (steps.folder / "out.txt").read_text() == "half\nwhole\n"


# -- taskrunner cache ----------------------------------------------------------------------------------


def test_the_cache_tells_how_much_it_holds(steps, inside):
    assert inside("cache").out == "0 entries, 0.0 MB in .taskrunner/cache\n"
    nodes = [{"id": f"s{n}", "call": "steps:slow", "args": [n], "cache": True} for n in range(3)]
    inside("exec", steps.graph(*nodes))
    size = sum(entry.stat().st_size for entry in entries(steps))
    assert inside("cache").out == "3 entries, 0.0 MB in .taskrunner/cache\n"
    assert inside("cache", "--json").json == {"cache_dir": ".taskrunner/cache", "entries": 3, "bytes": size}


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--older-than", "1.5"], [2]),
        (["--older-than", 5], [0, 1, 2]),
        (["--older-than", 0], []),
        (["--max-size", 0], []),
        (["--max-size", 1], [0, 1, 2]),
        (["--max-size", 0.0025], [1, 2]),
        (["--max-size", 0.0025, "--older-than", 1.5], [2]),
    ],
)
def test_what_was_used_longest_ago_is_pruned(steps, inside, words, left):
    for n in range(3):
        inside("exec", steps.graph({"id": "a", "call": "steps:slow", "args": [n], "cache": True}))
        (entry,) = [entry for entry in entries(steps) if entry.stat().st_mtime > time.time() - 3600]
        at = time.time() - 86_400 * (3 - n)
        os.utime(entry, (at, at))
    pruned = inside("cache", "prune", *words, "--json").json
    assert (pruned["entries"], len(entries(steps))) == (3 - len(left), len(left))
    ran_before = ran(steps)
    for n in left:
        inside("exec", steps.graph({"id": "a", "call": "steps:slow", "args": [n], "cache": True}))
    assert ran(steps) == ran_before


def test_pruning_says_what_it_removed(steps, inside):
    inside("exec", steps.graph(DOUBLE))
    assert inside("cache", "prune", "--max-size", 0).out == "1 entries, 0.0 MB removed from .taskrunner/cache\n"
    assert inside("cache", "prune", "--max-size", 0).out == "0 entries, 0.0 MB removed from .taskrunner/cache\n"


@pytest.mark.parametrize("words", [["prune"], ["prune", "--max-size", "-1"], ["prune", "--older-than", "x"], ["grow"]])
def test_wrong_use_is_told(inside, words):
    ended = inside("cache", *words)
    assert (ended.code, ended.out) == (2, "")


def test_prune_has_a_help_with_an_example(inside):
    told = inside("cache", "prune", "--help")
    assert (told.code, "  taskrunner cache prune --older-than" in told.out) == (0, True)


# -- check ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ({"run": "ls", "cache": True}, "nodes[0].cache: cache has no meaning with run"),
        ({"call": "functions:give", "creates": ["a"]}, "nodes[0].creates: creates has no meaning with call"),
        ({"call": "functions:give", "files": ["a"]}, "nodes[0].files: files has no meaning without cache"),
        ({"run": "ls", "files": ["a"]}, "nodes[0].files: files has no meaning without creates"),
        ({"run": "ls", "files": ["a", 1], "creates": ["b"]}, "nodes[0].files[1]: a path is a string or a reference"),
        ({"run": "ls", "creates": ["b", ["c"]]}, "nodes[0].creates[1]: a path is a string or a reference"),
        ({"run": "ls", "creates": [{"$ref": "x"}]}, 'nodes[0].creates[0].$ref: unknown node "x"'),
        ({"call": "functions:give", "cache": True, "files": [{"$item": True}]}, "nodes[0].files[0]: $item outside"),
    ],
)
def test_check_tells_what_has_no_meaning(cli, inside, node, problem):
    told = inside("check", cli.graph({"id": "a", **node}))
    assert told.code == 3
    assert problem in told.err
    assert len(told.err.splitlines()) == 1


def test_check_takes_what_has(cli, inside):
    nodes = [
        {"id": "a", "call": "functions:give", "cache": True, "files": ["a", {"$param": "p"}]},
        {"id": "b", "run": "ls", "creates": [{"$ref": "a"}], "files": []},
        {"id": "m", "run": "ls", "map": ["x"], "creates": [{"$item": True}], "files": [{"$item": True}]},
    ]
    told = inside("check", cli.graph(*nodes, params={"p": None}))
    assert (told.code, told.out) == (0, "graph.json: ok, 3 nodes, 1 edges, 2 levels\n")
