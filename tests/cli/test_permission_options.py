"""``--allow``, ``--no-commands`` and the project's own list: nothing that is refused is even imported."""

import pytest

CALL = {"id": "a", "call": "marked:give"}
COMMAND = {"id": "b", "run": "touch ran"}
MARKED = """
    from pathlib import Path
    Path("imported").touch()
    def give(value=1): return value
    class Place:
        @staticmethod
        def give(value=2): return value
"""


@pytest.fixture
def project(cli):
    cli.write("marked.py", MARKED)

    def write(text):
        cli.write("pyproject.toml", text)

    return write


@pytest.fixture
def untouched(cli, project):  # noqa: ARG001
    """Say whether nothing was imported and nothing was run."""
    return lambda: not (cli.folder / "imported").exists() and not (cli.folder / "ran").exists()


@pytest.mark.parametrize("words", [("exec",), ("check",), ("exec", "--dry-run")], ids=" ".join)
def test_a_call_that_matches_no_pattern_is_refused_before_anything_is_imported(cli, inside, untouched, words):
    graph = cli.graph(COMMAND, CALL, {"id": "c", "call": "functions:give"})
    told = inside(*words, graph, "--allow", "functions:*", "--allow", "other:f")
    assert (told.code, told.out, untouched()) == (3, "", True)
    column = (cli.folder / graph).read_text().index('"marked:give"') + 1
    where = f"graph.json:1:{column}: nodes[1].call"
    assert told.err == f'{where}: "marked:give" is not allowed; allowed: functions:*, other:f\n'
    assert not (cli.folder / ".taskrunner").exists()


@pytest.mark.parametrize("words", [("exec",), ("check",), ("exec", "--dry-run")], ids=" ".join)
def test_commands_are_refused(cli, inside, untouched, words):
    graph = cli.graph(CALL, COMMAND)
    told = inside(*words, graph, "--no-commands")
    assert (told.code, told.out, untouched()) == (3, "", True)
    column = (cli.folder / graph).read_text().index('"touch ran"') + 1
    assert told.err == f"graph.json:1:{column}: nodes[1].run: commands are not allowed\n"


def test_a_node_that_no_target_needs_is_refused_too(cli, inside, untouched):
    graph = cli.graph({"id": "x", "call": "functions:give"}, CALL)
    assert inside("exec", graph, "x", "--allow", "functions:*").code == 3
    assert untouched()


@pytest.mark.parametrize("pattern", ["marked:*", "*", "marked:give", "m*:g?ve", "marked:[fg]ive"])
def test_a_call_that_matches_is_run(cli, inside, project, pattern):
    project("[project]\nname = 'x'\n")
    assert inside("exec", cli.graph(CALL), "--allow", pattern, "--no-commands").json == {"a": 1}
    assert inside("check", "graph.json", "--allow", pattern).code == 0


def test_the_qualified_name_counts_as_a_whole(cli, inside, project):
    project("")
    graph = cli.graph({"id": "a", "call": "marked:Place.give"})
    assert inside("exec", graph, "--allow", "marked:give").code == 3
    assert inside("exec", graph, "--allow", "marked:Place.*").json == {"a": 2}


@pytest.mark.parametrize(
    "text",
    [
        "[tool.taskrunner]\nallow = ['functions:*']\n",
        "tool.taskrunner.allow = ['functions:*']\n",
        "[tool]\ntaskrunner = {allow = ['functions:*']}\n[tool.other]\nx = 1",
    ],
)
def test_the_project_in_the_working_directory_limits_calls(cli, inside, project, untouched, text):
    project(text)
    for command in ("exec", "check"):
        told = inside(command, cli.graph(CALL))
        assert (told.code, untouched()) == (3, True)
        assert '"marked:give" is not allowed; allowed: functions:*' in told.err
        assert inside(command, cli.graph({"id": "a", "call": "functions:give"})).code == 0


def test_a_call_must_match_one_pattern_of_either(cli, inside, project):
    project("[tool.taskrunner]\nallow = ['functions:*']\n")
    graph = cli.graph(CALL, {"id": "b", "call": "functions:give"})
    assert inside("exec", graph, "--allow", "marked:*").code == 0
    assert inside("exec", graph, "--allow", "other:*").code == 3


def test_a_project_beside_the_graph_says_nothing(cli, inside, project):
    project("")
    cli.write("far/pyproject.toml", "[tool.taskrunner]\nallow = ['functions:*']\n")
    assert inside("exec", cli.graph(CALL, file="far/graph.json")).code == 0


@pytest.mark.parametrize(
    "text",
    [
        "[tool.taskrunner]\nallow = 'functions:*'\n",
        "[tool.taskrunner]\nallow = [3]\n",
        "[tool.taskrunner]\nalow = ['functions:*']\n",
        "[tool.taskrunner]\nallow = []\n",
        "[tool.taskrunner\n",
        "tool = 3 # taskrunner",
    ],
)
@pytest.mark.parametrize("command", ["exec", "check"])
def test_a_project_that_says_something_else_is_told(cli, inside, project, untouched, command, text):
    project(text)
    told = inside(command, cli.graph(CALL))
    assert (told.code, told.out, untouched()) == (2, "", True)
    assert told.err.startswith("taskrunner: pyproject.toml: ")


def test_a_project_that_cannot_be_read_is_told(cli, inside, project):
    project("")
    (cli.folder / "pyproject.toml").unlink()
    (cli.folder / "pyproject.toml").mkdir()
    told = inside("exec", cli.graph(CALL))
    assert (told.code, told.err) == (2, "taskrunner: cannot read pyproject.toml: Is a directory\n")


def test_functions_given_in_python_are_the_program_s_own(cli):
    cli.write("built.py", "import taskrunner\ngraph = taskrunner.Graph('built')\ngraph.call(lambda: 4, id='a')")
    told = cli("exec", "built:graph", "--allow", "functions:*")
    assert (told.code, told.json) == (0, {"a": 4})
