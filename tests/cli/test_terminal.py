"""Whatever names, messages and commands hold: what goes to a terminal moves no cursor and forges no line."""

import json
import re

import pytest

# An escape sequence, a title, a newline with a forged line behind it, a C1 control, text that is turned round.
EVIL = "\x1b[31mx\x1b]0;t\x07\nok forged\r\x9b2J\u202e"
SHOWN = r"\x1b[31mx\x1b]0;t\x07\nok forged\r\x9b2J\u202e"


def is_plain(text):
    return all(line.isprintable() for line in text.replace("\t", "").split("\n"))


@pytest.fixture
def evil(cli):
    """Return a graph in which everything has such a name."""
    return cli.graph(
        {"id": EVIL, "call": "functions:give"},
        {"id": "b", "run": ["echo", EVIL, {"$ref": EVIL}], "needs": [EVIL]},
        name=EVIL,
        outputs=[EVIL],
    )


@pytest.mark.parametrize(
    "words",
    [(), ("-q",), ("--log-format", "console"), ("--log-level", "debug", "--log-format", "console")],
    ids=" ".join,
)
def test_exec(inside, evil, words):
    told = inside("exec", evil, *words)
    assert told.code == 0
    assert is_plain(told.err)
    if not words:
        assert f"ok            {SHOWN}: 2 done in " in told.err
        assert f": {SHOWN} -> b\n" in told.err


def test_a_log_line_of_a_name_in_which_there_is_no_space(cli, inside):
    told = inside("exec", cli.graph({"id": "\x1b[2J", "call": "functions:give"}), "--log-format", "console")
    assert is_plain(told.err)
    assert r"node='\x1b[2J'" in told.err


def test_dry_run(inside, evil):
    told = inside("exec", evil, "--dry-run")
    assert is_plain(told.out)
    first, second = told.out.splitlines()
    assert first == f"{SHOWN}: functions:give"
    assert second.startswith(f"b: $ echo {SHOWN} ")
    assert second.endswith(f"(after {SHOWN})")


def test_runs(inside, evil):
    inside("exec", evil)
    told = inside("runs")
    assert is_plain(told.out)
    assert f"  {SHOWN}  " in told.out


@pytest.mark.parametrize("form", ["text", "dot", "mermaid"])
def test_what_became_of_nodes(cli, inside, form):
    graph = cli.graph({"id": EVIL, "call": "functions:fail"}, {"id": "b", "run": "true", "needs": [EVIL]}, name=EVIL)
    inside("exec", graph)
    told = inside("show", graph, "--run", "last", "--format", form)
    assert (told.code, told.err) == (0, "")
    assert is_plain(told.out)
    told = inside("show", cli.graph({"id": "c", "run": "true"}), "--run", "last", "--format", form)
    assert is_plain(told.err)
    assert SHOWN in told.err


@pytest.mark.parametrize("form", ["text", "dot", "mermaid"])
def test_show(inside, evil, form):
    told = inside("show", evil, "--format", form)
    assert (told.code, told.err) == (0, "")
    assert is_plain(told.out)
    shown = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), told.out) if form == "mermaid" else told.out
    assert SHOWN in shown


def test_show_as_json_stays_as_it_is(inside, evil):
    assert inside("show", evil, "--format", "json").json["nodes"][0]["id"] == EVIL


def test_two_names_stay_two_in_dot(cli, inside):
    drawn = inside("show", cli.graph({"id": "a\nb", "run": "true"}, {"id": "a\\nb", "run": "true"}), "--format", "dot")
    assert [line.split(" [")[0] for line in drawn.out.splitlines()[3:5]] == [r'  "a\nb"', r'  "a\\nb"']


def test_failures_of_calls(cli, inside):
    cli.write("bad.py", f"def fail():\n\traise ValueError({EVIL!r})")
    graph = cli.graph({"id": EVIL, "call": "bad:fail"}, {"id": "b", "run": "true", "needs": [EVIL]})
    for words in ((), ("-q",), ("--log-format", "console")):
        told = inside("exec", graph, *words)
        assert told.code == 1
        assert is_plain(told.err)
        assert f'node "{SHOWN}" failed (path: {SHOWN})' in told.err
    assert f"ValueError: {SHOWN}".partition(r"\n")[0] in told.err


def test_what_a_failed_command_wrote(cli, inside):
    graph = cli.graph({"id": "a", "run": "printf '\\033[2J\\007one\\r\\ntwo\\n\\302\\2332J' >&2; exit 3"})
    told = inside("exec", graph, "-q")
    assert told.code == 1
    assert is_plain(told.err)
    assert "    \\x1b[2J\\x07one\\r\n    two\n    \\x9b2J\n" in told.err


def test_a_command_that_cannot_start(cli, inside):
    told = inside("exec", cli.graph({"id": "a", "run": [f"./{EVIL}"]}), "-q")
    assert told.code == 1
    assert is_plain(told.err)


@pytest.mark.parametrize(
    "words",
    [
        ("exec", "good.json", EVIL),
        ("exec", "good.json", "--set", EVIL),
        ("exec", "good.json", "--set", f"{EVIL}=1"),
        ("exec", "good.json", "--resume", EVIL),
        ("exec", f"{EVIL}.json"),
        ("exec", "good.json", "--output", f"{EVIL}.json/x.json"),
        ("exec", "good.json", "--log-file", f"{EVIL}/log"),
        ("exec", "good.json", "--run-dir", f"good.json/{EVIL}"),
        ("show", "good.json", "--focus", EVIL),
        ("show", "good.json", "--run", EVIL),
        ("check", f"bad {EVIL}.json"),
        ("check", "cycle.json"),
        ("check", "import.json"),
        ("check", f"good {EVIL}.json"),
        ("convert", "good.json", f"{EVIL}/graph.toml"),
    ],
    ids=ascii,
)
def test_errors(cli, inside, words):
    cli.write("evil.py", f"raise ValueError({EVIL!r})")
    cli.graph({"id": "a", "run": "true"}, file="good.json")
    cli.graph({"id": "a", "run": "true"}, file=f"good {EVIL}.json")
    cli.graph({"id": "a", "run": "true", EVIL: 1}, file=f"bad {EVIL}.json")
    cli.graph({"id": EVIL, "run": "true", "needs": [EVIL]}, file="cycle.json")
    cli.graph({"id": EVIL, "call": "evil:f"}, file="import.json")
    told = inside(*words)
    assert is_plain(told.out)
    assert is_plain(told.err)
    assert len((told.out + told.err).splitlines()) <= 12
    assert "Traceback" not in told.err


def test_what_a_resumed_run_says(cli, inside):
    inside("exec", cli.graph({"id": EVIL, "call": "functions:give"}))
    told = inside("exec", cli.graph({"id": EVIL, "call": "functions:give", "args": [2]}), "--resume", "last")
    assert f'"{SHOWN}" (changed)' in told.err
    assert is_plain(told.err)


def test_an_earlier_graph_that_is_bad_is_told_on_one_line(cli, inside):
    inside("exec", cli.graph({"id": "a", "call": "functions:give"}))
    (cli.last_run() / "graph.json").write_text('{"taskrunner": 1,\n "nodes": [3, 4]}')
    told = inside("exec", "graph.json", "--resume", "last")
    assert (told.code, len(told.err.splitlines())) == (2, 1)
    assert "nodes[0]: a node is an object, not a number; the earlier graph:2:15: nodes[1]" in told.err


def test_logs_in_json_hold_the_names_as_they_are(cli, inside, evil):
    inside("exec", evil)
    lines = [json.loads(line) for line in (cli.last_run() / "events.jsonl").read_text().splitlines()]
    assert EVIL in [line.get("node") for line in lines]
