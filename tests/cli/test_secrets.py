"""Secrets: in no file that a run leaves and in no report; and a resumed run still knows whether they are the same."""

import json

import pytest

SECRET = "hunter2-hunter2"  # noqa: S105
TAKES = {"id": "takes", "call": "steps:note", "args": ["takes", {"$param": "api_token"}]}
OTHER = {"id": "other", "call": "steps:note", "args": ["other", {"$param": "n"}]}
AFTER = {"id": "after", "call": "steps:note", "args": ["after", {"$ref": "takes"}]}
SETS = {"id": "sets", "run": "echo sets >> ran.txt", "env": {"DB_PASSWORD": SECRET, "PLAIN": "seen"}}
STEPS = """
    def note(name, value):
        with open("ran.txt", "a") as file:
            file.write(f"{name}\\n")
        return name
    def fail(value):
        raise ValueError(f"cannot log in with {value}", {"password": value})
"""


@pytest.fixture
def steps(cli):
    cli.write("steps.py", STEPS)
    return cli


def ran(cli):
    """Return what has run since somebody asked."""
    path = cli.folder / "ran.txt"
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return sorted(text.split())


def left(cli):
    """Return all that a run has left, file by file; results and what commands wrote are their own."""
    run = cli.last_run()
    return {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "journal"}


def test_no_file_of_a_run_holds_a_secret(steps, inside):
    graph = steps.graph(TAKES, SETS, OTHER, params={"api_token": "a default secret", "n": 1})
    told = inside("exec", graph, "--set", f"api_token={SECRET}", "--log-file", "run.log", "--set", "n=2")
    assert told.code == 0
    files = left(steps) | {"run.log": (steps.folder / "run.log").read_bytes()}
    for secret in (SECRET, "a default secret"):
        assert [name for name, data in files.items() if secret.encode() in data] == []
        assert secret not in told.out + told.err
    assert json.loads(files["params.json"]) == {"api_token": "***", "n": 2}
    kept = json.loads(files["graph.json"])
    assert kept["params"] == {"api_token": "***", "n": 1}
    assert kept["nodes"][1]["env"] == {"DB_PASSWORD": "***", "PLAIN": "seen"}


FAILING = [
    {"call": "steps:fail", "args": [{"$param": "api_token"}]},
    {"run": ["sh", "-c", "exit 3", {"$param": "api_token"}]},
    {"run": ["sh", "-c", "echo $DB_PASSWORD >&2; exit 3"], "env": {"DB_PASSWORD": {"$param": "api_token"}}},
    {"run": f"exit 3 # {SECRET}", "env": {"DB_PASSWORD": SECRET}},
    {"run": [f"./no-such-{SECRET}"], "env": {"DB_PASSWORD": SECRET}},
    {"run": "echo $DB_PASSWORD; exit 3", "env": {"DB_PASSWORD": {"$ref": "made"}}},
    {"run": ["sh", "-c", "exit 3", {"$ref": "made"}], "env": {"DB_PASSWORD": {"$ref": "made"}}},
    {"run": ["no-such-program", {"$ref": "made"}], "env": {"DB_PASSWORD": {"$ref": "made"}}},
    {"run": "echo $DB_PASSWORD", "env": {"DB_PASSWORD": {"$ref": "made"}}, "capture": "json"},
    {"run": "echo $A_TOKEN; exit 3", "env": {"A_TOKEN": {"$item": True}}, "map": [{"$param": "api_token"}]},
]


@pytest.mark.parametrize(
    "words", [(), ("-q",), ("--json",), ("--log-format", "console"), ("--log-format", "json")], ids=" ".join
)
@pytest.mark.parametrize("node", FAILING, ids=lambda node: str(node.get("run", "call")).replace(SECRET, ""))
def test_no_failure_tells_a_secret(steps, inside, node, words):
    made = {"id": "made", "call": "functions:add", "args": [SECRET[:8], SECRET[8:]]}  # known when it has run
    graph = steps.graph(made, {"id": "bad", **node}, params={"api_token": None}, outputs=[])
    value = "another secret" if "made" in str(node) else SECRET
    told = inside("exec", graph, "--set", f"api_token={value}", *words)
    assert told.code == 1
    assert SECRET not in told.out + told.err
    assert "***" in told.out + told.err
    own = ("out", "err", "graph.json" if SECRET in str(node["run" if "run" in node else "call"]) else "")
    files = {name: data for name, data in left(steps).items() if name.rpartition(".")[2] not in own and name not in own}
    assert [name for name, data in files.items() if SECRET.encode() in data] == []


def test_a_value_of_the_wrong_type_is_not_told(cli, inside):
    graph = cli.graph({"id": "a", "call": "functions:give"}, params={"token": 1234567})
    told = inside("exec", graph, "--set", f"token={SECRET}")
    assert (told.code, told.err) == (2, 'taskrunner: parameter "token" takes int, as its default ***, not str ***\n')


GRAPH = (TAKES, OTHER, AFTER, SETS)


@pytest.mark.parametrize("default", ["a default", None])
def test_an_unchanged_secret_leads_to_nothing(steps, inside, default):
    graph = steps.graph(*GRAPH, params={"api_token": default, "n": 1})
    words = ("--set", f"api_token={SECRET}")
    assert inside("exec", graph, *words).code == 0
    assert ran(steps) == ["after", "other", "sets", "takes"]
    for _ in range(2):
        assert inside("exec", graph, "--resume", "last", *words).code == 0
        assert ran(steps) == []


@pytest.mark.parametrize("value", ["another", "***", ""])
def test_a_changed_secret_leads_to_a_rerun_of_what_depends_on_it(steps, inside, value):
    graph = steps.graph(*GRAPH, params={"api_token": None, "n": 1})
    inside("exec", graph, "--set", f"api_token={SECRET}")
    ran(steps)
    for _ in range(2):
        assert inside("exec", graph, "--resume", "last", "--set", f"api_token={value}").code == 0
    assert ran(steps) == ["after", "takes"]


def test_a_changed_default_or_variable_leads_to_a_rerun(steps, inside):
    inside("exec", steps.graph(*GRAPH, params={"api_token": "one secret", "n": 1}))
    ran(steps)
    inside("exec", steps.graph(*GRAPH, params={"api_token": "other secret", "n": 1}), "--resume", "last")
    assert ran(steps) == ["after", "takes"]
    changed = SETS | {"env": SETS["env"] | {"DB_PASSWORD": "another"}}
    inside(
        "exec",
        steps.graph(TAKES, OTHER, AFTER, changed, params={"api_token": "other secret", "n": 1}),
        "--resume",
        "last",
    )
    assert ran(steps) == ["sets"]


def test_a_secret_that_is_needed_again_is_asked_for(steps, inside):
    graph = steps.graph(*GRAPH, params={"api_token": None, "n": 1})
    inside("exec", graph, "--set", f"api_token={SECRET}")
    told = inside("exec", graph, "--resume", "last")
    assert (told.code, told.err) == (
        2,
        'taskrunner: no value for parameter "api_token": set it with --set api_token=…\n',
    )


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1", b"\xff"])
def test_damaged_fingerprints_are_told_or_make_a_rerun(steps, inside, damage):
    graph = steps.graph(*GRAPH, params={"api_token": "a default", "n": 1})
    inside("exec", graph)
    ran(steps)
    (steps.last_run() / "fingerprints.json").write_bytes(damage)
    told = inside("exec", graph, "--resume", "last")
    assert "Traceback" not in told.err
    assert told.code == 1
    assert "cannot read the graph of run" in told.err


def test_a_parameter_that_makes_a_secret_variable_is_one(steps, inside):
    node = {"id": "sets", "run": "echo sets >> ran.txt", "env": {"DB_PASSWORD": {"$param": "word"}}}
    graph = steps.graph(node, params={"word": None})
    inside("exec", graph, "--set", f"word={SECRET}")
    assert SECRET.encode() not in b"".join(left(steps).values())
    ran(steps)
    inside("exec", graph, "--resume", "last", "--set", f"word={SECRET}")
    assert ran(steps) == []
    inside("exec", graph, "--resume", "last", "--set", "word=other")
    assert ran(steps) == ["sets"]
