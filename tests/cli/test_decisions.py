"""``exec --dry-run`` and ``exec --explain`` decide and refuse as a run does, and write nothing."""

import json
import os
from pathlib import Path

import pytest

from taskrunner.storage.journal import lock_file

MAKE = {"id": "make", "run": "cat in > out", "files": ["in"], "creates": ["out"]}
CACHED = {"id": "cached", "call": "functions:give", "args": [5], "cache": True}
GIVE = {"id": "give", "call": "functions:give"}
FAIL = {"id": "fail", "call": "functions:poll", "args": ["missing"], "timeout": 0.01}


NO_PART = "the result of \"cached\" has no part ['x']: int raised AttributeError: 'int' object has no attribute 'x'"


@pytest.fixture
def files(cli):
    """Return a function that returns each file of the project with its stamp."""
    cli.write("in", "1")

    def stamps():
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in cli.folder.rglob("*")
            if path != cli.folder
        }

    return stamps


@pytest.fixture
def decide(inside, files):
    """Return a function that returns the status of each node in a dry run, which must write nothing."""

    def run(graph, *words):
        before = files()
        ended = inside("exec", graph, *words, "--dry-run", "--json")
        assert (ended.code, ended.err, files()) == (0, "", before)
        return {node["node"]: node["status"] for node in ended.json["nodes"]}

    return run


def events(cli):
    lines = (cli.last_run() / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "node.done"]


def statuses(decide, graph, *words):
    return " ".join(decide(graph, *words).values())


# -- decisions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "up to date cached runs skipped skipped skipped"),
        (("--force",), "runs runs runs skipped skipped skipped"),
        (("--no-cache",), "runs runs runs skipped skipped skipped"),
        (("--cache-dir", "other"), "runs runs runs skipped skipped skipped"),
        (("--set", "on=true"), "up to date cached runs skipped runs runs"),
        (("cached", "make"), "up to date cached"),
        (("--resume", "last"), "kept kept kept skipped skipped skipped"),
        (("--resume", "last", "--set", "on=true"), "kept kept kept skipped runs runs"),
    ],
)
def test_a_second_run(cli, inside, decide, words, expected):  # case 24
    graph = cli.graph(
        MAKE,
        CACHED,
        GIVE,
        {"id": "never", "call": "functions:give", "when": False},
        {"id": "switched", "call": "functions:give", "when": {"$param": "on"}},
        {"id": "after", "call": "functions:give", "args": [{"$ref": "switched"}]},
        params={"on": False},
    )
    assert inside("exec", graph).code == 0
    assert statuses(decide, graph, *words) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"when": {"$ref": "a"}}, "may run"),
        ({"when": {"$ref": "a", "path": ["x", 0]}}, "may run"),
        ({"when": [{"$ref": "a"}]}, "runs"),  # a list with an element is true
        ({"args": [{"$ref": "a"}]}, "runs"),
        ({"args": [{"$ref": "a", "path": [0]}]}, "runs"),
        ({"args": [{"$ref": "a"}], "cache": True}, "may run"),
        ({"needs": ["a"], "cache": True}, "may run"),
        ({"needs": ["a"], "when": False}, "skipped"),
        ({"map": {"$ref": "a"}, "args": [{"$item": True}]}, "may run"),
        ({"map": [{"$ref": "a"}, 2], "args": [{"$item": True}]}, "runs"),
        ({"map": [1, 2], "args": [{"$ref": "a"}]}, "runs"),
        ({"map": [1, 2], "args": [{"$ref": "a"}], "cache": True}, "may run"),
        ({"map": [], "args": [{"$ref": "a"}]}, "done"),
        ({"needs": ["a"], "always": True}, "runs"),
    ],
)
def test_a_node_after_an_executed_one(cli, decide, node, expected):
    graph = cli.graph({"id": "a", "call": "functions:give"}, {"id": "b", "call": "functions:give", **node})
    assert decide(graph) == {"a": "runs", "b": expected}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"when": {"$ref": "a"}}, "runs"),
        ({"when": {"$ref": "a", "path": [1]}}, "skipped"),
        ({"args": [{"$ref": "a"}], "cache": True}, "cached"),
        ({"map": {"$ref": "a"}, "args": [{"$item": True}], "cache": True}, "done"),
        ({"args": [{"$ref": "a", "path": ["x"]}]}, "fails"),
        ({"map": {"$ref": "a", "path": [0]}, "args": [{"$item": True}]}, "fails"),
        ({"map": [1, 2], "args": [{"$item": True, "path": ["x"]}]}, "fails"),
    ],
)
@pytest.mark.parametrize("resume", [(), ("--resume", "last")])
def test_a_node_after_a_reused_one(cli, inside, decide, node, expected, resume):
    first = {"id": "a", "call": "functions:give", "args": [[3, 0]], "cache": True}
    graph = cli.graph(first, {"id": "b", "call": "functions:give", **node}, {**FAIL, "needs": ["a"]})
    inside("exec", graph, "-k", "0")
    is_kept = resume and expected in ("runs", "cached", "done")
    found = decide(graph, *resume)
    assert (found["a"], found["b"]) == ("kept" if resume else "cached", "kept" if is_kept else expected)


def test_resumed_nodes(cli, inside, decide):
    graph = cli.graph(GIVE, {**FAIL, "needs": ["give"]}, {**GIVE, "id": "after", "needs": ["fail"]}, MAKE)
    inside("exec", graph, "-k", "0")
    assert statuses(decide, graph, "--resume", "last") == "kept runs runs kept"
    cli.write("in", "2")
    assert decide(graph, "--resume", "last")["make"] == "runs"
    cli.graph({**GIVE, "args": [2]}, {**FAIL, "needs": ["give"]}, {**GIVE, "id": "after", "needs": ["fail"]}, MAKE)
    assert decide(graph, "--resume", "last")["give"] == "runs"


def test_equal_nodes_store_a_result_for_each_other(cli, inside, decide):
    graph = cli.graph(CACHED, {**CACHED, "id": "equal"}, {**CACHED, "id": "other", "args": [6]})
    assert decide(graph) == {"cached": "may run", "equal": "may run", "other": "runs"}
    assert set(decide(graph, "--force").values()) == {"runs"}
    inside("exec", graph)
    assert set(decide(graph).values()) == {"cached"}


@pytest.mark.parametrize(
    "options",
    [
        {"retries": 3, "timeout": 0.5, "priority": 7, "pool": "p", "allow_failure": True},
        {"retries": {"max": 2, "backoff": 60}, "cache": True, "timeout": 5},
    ],
)
def test_options_of_a_node_do_not_change_the_decision(cli, decide, options):
    graph = cli.graph(
        {"id": "a", "call": "functions:give", **options},
        {"id": "b", "call": "functions:start_and_sleep", "args": ["x"], **options, "cache": False},
        {"id": "c", "call": "functions:give", "map": [1, 2], "args": [{"$item": True}], **options},
        {"id": "d", "run": "sleep 50", **{key: value for key, value in options.items() if key != "cache"}},
        {"id": "e", "call": "functions:give", "args": [{"$ref": "f", "path": ["x"]}], **options},
        {"id": "f", "call": "functions:give", "args": [{"y": 1}], "cache": True},
        pools={"p": 1},
    )
    assert set(decide(graph).values()) <= {"runs", "may run"}


@pytest.mark.parametrize("condition", [{}, {"when": {"$ref": "a"}}])
def test_an_undecided_node_may_equal_a_decided_one(cli, inside, decide, condition):
    graph = cli.graph(GIVE | {"id": "a"}, {**CACHED, "id": "late", "needs": ["a"], **condition}, CACHED)
    assert decide(graph) == {"a": "runs", "late": "may run", "cached": "may run"}
    inside("exec", graph, "--workers", "1", "--cache-dir", "new")
    (hit,) = [event for event in events(cli) if event.get("cached")]
    assert hit["node"] == "cached"  # the one without dependencies


def test_a_node_that_depends_on_an_equal_one_does_not_run_first(cli, decide):
    graph = cli.graph(CACHED, {**GIVE, "needs": ["cached"]}, {**CACHED, "id": "late", "needs": ["give"]})
    assert decide(graph) == {"cached": "runs", "give": "runs", "late": "may run"}


def test_a_failing_node_is_not_retried(cli, inside, decide):
    part = {"id": "b", "call": "functions:give", "args": [{"$ref": "cached", "path": ["x"]}], "retries": 5}
    graph = cli.graph(CACHED, part, {**GIVE, "needs": ["b"]})
    inside("exec", graph, "cached")
    assert statuses(decide, graph) == "cached fails skipped"


def test_a_dry_run_is_no_use_of_the_cache(cli, inside, decide):
    graph = cli.graph(CACHED)
    inside("exec", graph)
    (entry,) = [path for path in Path(".taskrunner", "cache").rglob("*") if path.is_file()]
    os.utime(entry, (1, 1))
    decide(graph)
    assert entry.stat().st_mtime == 1


def test_the_lines_of_a_dry_run(cli, inside):
    graph = cli.graph(
        {"id": "a", "call": "functions:give"},
        CACHED,
        {"id": "b", "run": "true", "needs": ["cached", "a"]},
        {"id": "c", "call": "functions:give", "when": {"$ref": "a"}},
        {"id": "d", "call": "functions:give", "when": False},
    )
    inside("exec", graph)
    assert inside("exec", graph, "--dry-run").out.splitlines() == [
        "a: functions:give",
        "b: $ true (after a)",
        "c: functions:give [when] (after a; may run: its condition is unknown: it depends on the result of a)",
    ]


# -- explanations ------------------------------------------------------------------------------------------


def explain(inside, graph, *words):
    ended = inside("exec", graph, *words, "--dry-run", "--explain")
    assert (ended.code, ended.err) == (0, "")
    return ended.out.splitlines()


def test_reasons_of_a_fresh_run(cli, inside):
    cli.write("in", "1")
    graph = cli.graph(
        {**MAKE, "files": ["in", "extra"]}, {**MAKE, "id": "make2", "creates": ["out2"]}, CACHED, GIVE,
        {"id": "map", "call": "functions:give", "map": [1, 2], "args": [{"$item": True}]},
        {"id": "bad", "call": "functions:give", "args": [{"$ref": "cached", "path": ["x"]}]},
    )  # fmt: skip
    assert explain(inside, graph) == [
        "make: runs: extra does not exist",
        "make2: runs: out2 does not exist",
        "cached: runs: no result is stored for its code, arguments and files",
        "give: runs: every run executes it",
        "map: runs: children: 2 runs (every run executes it)",
        "bad: runs: every run executes it",
    ]
    inside("exec", graph, "cached")
    assert explain(inside, graph, "bad") == [
        "cached: cached: its code, arguments and files are unchanged",
        f"bad: fails: {NO_PART}",
    ]
    assert explain(inside, graph, "cached", "--force") == ["cached: runs: the run is forced"]
    assert explain(inside, graph, "cached", "--no-cache") == ["cached: runs: the cache is not used"]


def test_reasons_of_a_command(cli, inside):
    cli.write("in", "1")
    graph = cli.graph(MAKE)
    inside("exec", graph)
    assert explain(inside, graph) == ["make: up to date: its command and files are unchanged"]
    os.utime(cli.folder / "out", (1, 1))
    assert explain(inside, graph)[0].startswith("make: runs: ")
    cli.graph({**MAKE, "run": "cat in in > out"})
    inside("exec", graph)
    cli.graph(MAKE)
    assert explain(inside, graph) == [
        "make: runs: no earlier run of this command, with the same files, created its outputs"
    ]


def test_reasons_of_a_call_that_is_not_cached(cli, inside):
    cli.write("odd.py", "import threading\nLOCK = threading.local()\ndef f():\n    return LOCK\n")
    (line,) = explain(inside, cli.graph({"id": "a", "call": "odd:f", "cache": True}))
    assert line.startswith("a: runs: it is not cached: ")


def test_reasons_of_a_resumed_run(cli, inside):
    nodes = [
        {**GIVE, "id": "same"}, {**GIVE, "id": "edited"}, {**FAIL, "needs": ["same"]},
        {**GIVE, "id": "after", "needs": ["edited"]}, {**GIVE, "id": "end", "needs": ["after"], "always": True},
    ]  # fmt: skip
    graph = cli.graph(*nodes[:4])
    inside("exec", graph, "-k", "0")
    cli.graph(nodes[0], {**nodes[1], "args": [2]}, *nodes[2:])
    assert explain(inside, graph, "--resume", "last") == [
        "same: kept: it has finished in the resumed run",
        "edited: runs: its definition has changed",
        "fail: runs: it had not finished",
        "after: runs: a node that it depends on runs again",
        "end: runs: it always runs",
    ]


def test_reasons_of_finished_nodes_that_run_again(cli, inside):
    cli.write("in", "1")
    cli.write("odd.py", "def make():\n    return lambda: 1\n\ndef take(value):\n    raise ValueError\n")
    graph = cli.graph(
        MAKE,
        {"id": "odd", "call": "odd:make"},
        {"id": "take", "call": "odd:take", "args": [{"$ref": "odd"}]},
        {**GIVE, "id": "cleaned"},
        {**GIVE, "id": "clean", "needs": ["cleaned"], "always": True},
    )
    inside("exec", graph, "-k", "0")
    cli.write("in", "22")
    assert explain(inside, graph, "--resume", "last", "--no-cache") == [
        "make: runs: its files have changed; the cache is not used",
        "odd: runs: its result could not be stored",
        "take: runs: it had not finished",
        "cleaned: runs: an always node may have removed what it made",
        "clean: runs: it always runs",
    ]


def test_a_run_explains_itself_before_it_begins(cli, inside):
    ended = inside("exec", cli.graph(GIVE), "--explain", "-q")
    assert (ended.code, ended.err) == (0, "give: runs: every run executes it\n")
    refused = inside("exec", cli.graph(GIVE), "--explain", "--log-format", "json")
    assert (refused.code, "--log-file" in refused.err) == (2, True)


def test_reasons_as_json(cli, inside):
    ended = inside("exec", cli.graph(GIVE, {**GIVE, "id": "b", "map": [1], "needs": ["give"]}), "--dry-run", "--json")
    assert json.loads(ended.out) == {
        "nodes": [
            {"node": "give", "status": "runs", "reason": "every run executes it", "after": []},
            {
                "node": "b",
                "status": "runs",
                "reason": "children: 1 runs (every run executes it)",
                "after": ["give"],
            },
        ],
        "children": [{"node": "b[0]", "status": "runs", "reason": "every run executes it"}],
    }


# -- refusals ----------------------------------------------------------------------------------------------

REFUSED = [
    ["--resume", "nosuch"],
    ["--resume", "last~7"],
    ["--resume", "last", "--no-journal"],
    ["--replay", "nosuch"],
    ["--shuffle", "1", "--replay", "last"],
    ["nosuch"],
    ["--set", "nosuch=1"],
    ["--set", "x"],
    ["--workers", "0"],
    ["--workers", "x"],
    ["--timeout", "0"],
    ["--allow", "other:*"],
    ["--no-commands"],
    ["--address", "tcp://x"],
    ["-o", "out.txt"],
    ["--run-dir", "in/runs"],
    ["--log-level", "loud"],
    ["--log-file", "nosuch/log"],
    ["--log-file", "in/log"],
]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_a_dry_run_refuses_what_a_run_refuses(cli, inside, files, words):  # case 24
    graph = cli.graph(GIVE, MAKE, params={"p": 1})
    inside("exec", graph)
    before = files()
    dry = inside("exec", graph, *words, "--dry-run")
    assert files() == before
    real = inside("exec", graph, *words)
    assert (dry.code, dry.out) == (real.code, real.out)
    assert dry.code
    if "--run-dir" not in words:  # the message of a run has its id
        assert dry.err == real.err


@pytest.mark.parametrize(
    "node",
    [
        {"call": "nosuch:f"},
        {"call": "functions:nosuch"},
        {"call": "functions:give", "args": [1, 2]},
        {"call": "functions:give", "args": [{"$param": "p"}]},
        {"call": "functions:give", "args": [{"$ref": "nosuch"}]},
        {"call": "functions:give", "needs": ["a"]},
    ],
    ids=str,
)
def test_a_dry_run_refuses_the_graph_that_a_run_refuses(cli, inside, files, node):
    graph = cli.graph({"id": "a", **node}, params={"p": None})
    before = files()
    dry, real = inside("exec", graph, "--dry-run"), inside("exec", graph)
    assert (dry.code, dry.out, dry.err, files()) == (real.code, real.out, real.err, before)
    assert dry.code


def test_a_dry_run_refuses_a_run_of_another_graph_and_one_in_use(cli, inside, files):
    inside("exec", cli.graph(GIVE, file="other.json", name="other"))
    run = cli.last_run()
    graph = cli.graph(GIVE)
    dry, real = [inside("exec", graph, "--resume", run.name, *words) for words in (("--dry-run",), ())]
    assert (dry.code, dry.err) == (real.code, real.err) == (2, real.err)
    lock = lock_file(run / "events.jsonl")
    try:
        before = files()
        dry = inside("exec", "other.json", "--resume", "last", "--dry-run")
        assert files() == before
        real = inside("exec", "other.json", "--resume", "last")
    finally:
        os.close(lock)
    assert (dry.code, dry.err) == (real.code, real.err)
    assert (dry.code, "another process is using" in dry.err) == (2, True)
