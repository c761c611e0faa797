"""What a shell is offered while a line is typed, by the protocol that click documents, and in a real bash."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import taskrunner
from taskrunner.cli.bash_completion import join_words
from taskrunner.cli.main import main

EVIL = ["$(touch pwned)", "a b", "-x", "'q'", "a;b", "`x`", "~", "*", "new\nline", "\x1b[31m", "a&b", ""]


@pytest.fixture
def complete(cli, monkeypatch, capfd):
    """Return what says what is offered behind a line, whose last word is still being typed; a space ends a word."""

    def call(line, shell="bash"):
        words = line.split(" ")
        monkeypatch.setenv("_TASKRUNNER_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", "\n".join(words))
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert (ended.value.code, err) == (0, "")
        if shell == "zsh":
            return list(zip(out.splitlines()[1::3], out.splitlines()[2::3], strict=True))
        return [line.removeprefix("plain,") for line in out.splitlines() if line]

    monkeypatch.chdir(cli.folder)
    return call


@pytest.fixture
def graph(cli):
    return cli.graph(
        {"id": "load", "call": "functions:give"},
        {"id": "lift", "run": "true"},
        {"id": "report", "run": "true", "needs": ["load"]},
        params={"name": "world", "number": 3, "api_token": "hidden", "open": None},
        name="small",
    )


@pytest.fixture
def ran(cli, graph):
    """Leave two runs; return their ids, the newest first."""
    for _ in range(2):
        assert cli("exec", graph, "--set", "open=1", "-q").code == 0
    return sorted((path.name for path in (cli.folder / ".taskrunner/runs").iterdir()), reverse=True)


def test_commands(complete):
    assert complete("taskrunner s") == ["show", "simulate", "stress", "schema"]


def test_graph_files_and_folders(cli, complete, graph):
    for name in ("other.toml", "packed.msgpack", "notes.txt", ".hidden.json", "sub/one.json", "sub/two.json", "void/x"):
        cli.write(name, "")
    assert complete("taskrunner exec ") == ["graph.json", "other.toml", "packed.msgpack", "sub/", "void/"]
    assert complete("taskrunner show gr") == [graph]
    assert complete("taskrunner check .h") == [".hidden.json"]
    assert complete("taskrunner convert sub/t") == ["sub/two.json"]
    assert complete("taskrunner exec nowhere/") == []


def test_a_folder_that_is_the_only_one_is_opened(cli, complete):
    cli.write("sub/deep/one.json", "")
    assert complete("taskrunner exec su") == ["sub/deep/one.json"]
    cli.write("void/notes.txt", "")
    assert complete("taskrunner exec vo") == ["void/"]


def test_a_folder_that_leads_to_itself(cli, complete):
    (cli.folder / "loop").mkdir()
    (cli.folder / "loop" / "loop").symlink_to(".")
    (offered,) = complete("taskrunner exec lo")
    assert offered.startswith("loop/loop/")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("exec graph.json ", ["load", "lift", "report"]),
        ("exec graph.json load l", ["load", "lift"]),
        ("exec --format json graph.json rep", ["report"]),
        ("exec -w 2 --set name=x graph.json rep", ["report"]),
        ("show graph.json --focus l", ["load", "lift"]),
        ("show --format json graph.json --focus l", ["load", "lift"]),
        ("show --focus l", []),
        ("show --run nothing --focus l", []),
        ("exec missing.json l", []),
        ("exec functions.py l", []),
        ("exec functions:graph l", []),
        ("exec broken.json l", []),
        ("exec - l", []),
    ],
)
@pytest.mark.usefixtures("graph")
def test_nodes(cli, complete, line, expected):
    cli.write("broken.json", '{"nodes": [{"id": 3')
    assert complete(f"taskrunner {line}") == expected


@pytest.mark.parametrize("to", ["other.toml", "other.msgpack"])
def test_nodes_of_each_encoding(cli, complete, to):
    if to.endswith("toml"):
        pytest.importorskip("tomli_w")
    assert cli("convert", cli.graph({"id": "load", "run": "true"}), to).code == 0
    assert complete(f"taskrunner exec {to} ") == ["load"]


def test_nodes_of_a_run(cli, complete, ran, graph):
    (cli.folder / graph).unlink()
    assert complete(f"taskrunner show --run {ran[0][:18]}") == [run for run in ran if run.startswith(ran[0][:18])]
    assert complete("taskrunner show --run last --focus l") == ["load", "lift"]


@pytest.mark.parametrize("option", ["exec graph.json --resume", "show --run", "show graph.json --run"])
def test_runs(complete, ran, option):
    assert complete(f"taskrunner {option} ") == ["last", *ran]
    assert complete(f"taskrunner {option} l") == ["last"]
    assert complete(f"taskrunner {option} {ran[-1]}") == [ran[-1]]
    assert complete(f"taskrunner {option} x") == []


def test_runs_of_another_directory(cli, complete, ran, monkeypatch):
    (cli.folder / ".taskrunner").rename(cli.folder / "elsewhere")
    assert complete("taskrunner show --run ") == []
    assert complete("taskrunner show --run-dir elsewhere/runs --run ") == ["last", *ran]
    monkeypatch.setenv("TASKRUNNER_SHOW_RUN_DIR", "elsewhere/runs")
    assert complete("taskrunner show --run ") == ["last", *ran]


def test_runs_are_told_with_graph_and_state_where_a_shell_shows_it(complete, ran):
    expected = [("last", "small, ok"), *((run, "small, ok") for run in ran)]
    assert complete("taskrunner show --run ", "zsh") == expected
    assert complete("taskrunner show --run ", "fish") == ["\t".join(pair) for pair in expected]


def test_settings(complete, graph):
    assert complete(f"taskrunner exec {graph} --set n") == ["name=", "name=world", "number=", "number=3"]
    assert complete(f"taskrunner exec {graph} --set ap") == ["api_token="]
    assert complete(f"taskrunner exec {graph} --set o") == ["open="]
    assert complete(f"taskrunner show {graph} --set number=", "fish") == ["number=", "number=3"]


def test_only_what_a_shell_takes_as_one_plain_word(cli, complete):
    graph = cli.graph(*({"id": name, "run": "true"} for name in [*EVIL, "plain", "größe", "a.b/c-d"]))
    for shell in ("bash", "fish"):
        assert complete(f"taskrunner exec {graph} ", shell) == ["plain", "größe", "a.b/c-d"]
    (cli.folder / "$(touch pwned).json").touch()
    assert complete("taskrunner exec ") == [graph]


def test_of_too_many_names_what_they_have_in_common(cli, complete):
    names = [f"node-{i:05}" for i in range(12_000)]
    graph = cli.graph(*({"id": name, "run": "true"} for name in names))
    assert complete(f"taskrunner exec {graph} n") == [f"node-{i:03}" for i in range(120)]
    assert complete(f"taskrunner exec {graph} node-003") == names[300:400]


def test_nothing_of_the_user_s_is_imported(cli, complete, graph):
    cli.write("functions.py", "raise SystemExit('imported')")
    assert complete(f"taskrunner exec {graph} l") == ["load", "lift"]
    assert complete("taskrunner exec functions:graph l") == []
    assert "functions" not in sys.modules


def test_words_that_bash_takes_apart_are_put_together(complete, graph, ran):
    """Each space stands for a new word, as bash would hand it over."""
    assert complete(f"taskrunner exec --set name = x {graph} l") == ["load", "lift"]
    assert complete("taskrunner exec --allow builtins : print graph.json l") == ["load", "lift"]
    assert complete(f"taskrunner exec {graph} --set name =") == ["", "world"]
    assert complete(f"taskrunner exec {graph} --set name = w") == ["world"]
    assert complete(f"taskrunner exec {graph} --set name = ") == ["load", "lift", "report"]
    assert complete(f"taskrunner show --run = {ran[0]}") == [ran[0]]
    assert complete("taskrunner show --run =") == ["last", *ran]


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.usefixtures("graph")
def test_in_bash(cli):
    root = Path(taskrunner.__file__).parents[1]
    program = cli.write(
        "bin/taskrunner", f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m taskrunner "$@"\n'
    )
    program.chmod(0o700)
    script = """
        PATH=$PWD/bin:$PATH
        eval "$(_TASKRUNNER_COMPLETE=bash_source taskrunner)"
        complete -p taskrunner
        COMP_WORDS=(taskrunner exec --set name = x graph.json l) COMP_CWORD=7
        _taskrunner_completion taskrunner
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    command = ["bash", "--norc", "-c", script]
    ended = subprocess.run(command, cwd=cli.folder, capture_output=True, text=True, check=False, timeout=60)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == ["complete -o nosort -F _taskrunner_completion taskrunner", "load", "lift"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_docs_tell_how_to_switch_it_on(shell):
    page = (Path(taskrunner.__file__).parents[1] / "docs" / "observing.md").read_text()
    assert f"_TASKRUNNER_COMPLETE={shell}_source taskrunner" in page


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_other_shells(cli, shell):
    told = cli(env={"_TASKRUNNER_COMPLETE": f"{shell}_source"})
    assert (told.code, told.err) == (0, "")
    assert f"_TASKRUNNER_COMPLETE={shell}_complete" in told.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["="], ["="]),
        (["--set", "n", "=", "3", "g"], ["--set", "n=3", "g"]),
        (["--set", "n", "=", ""], ["--set", "n=", ""]),
        (["m", ":", "f", "@", "x", ":", "y"], ["m:f@x:y"]),
        (["a", "==", "b", "c"], ["a==b", "c"]),
    ],
)
def test_joined(words, expected):
    assert join_words(words) == expected
