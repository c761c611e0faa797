"""``taskrunner report``: a page of a run that was really run."""

import stat

import pytest

A = {"id": "a", "call": "functions:give"}


def test_the_page_lies_in_the_run_s_folder_and_its_path_is_printed(cli):
    cli("exec", cli.graph(A, {"id": "b", "call": "functions:add", "args": [{"$ref": "a"}, 1]}, name="two"))
    ended = cli("report", "last")
    path = cli.last_run() / "report.html"
    assert (ended.code, ended.out, ended.err) == (0, f".taskrunner/runs/{path.parent.name}/report.html\n", "")
    page = path.read_text()
    assert "<title>two: ok</title>" in page
    assert "<dd>2 done</dd>" in page
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_run_can_be_named_by_the_start_of_its_id_and_the_page_be_put_elsewhere(cli, inside):
    cli("exec", cli.graph(A), "--run-dir", "kept")
    run = cli.last_run("kept").name
    assert inside("report", run[:12], "--run-dir", "kept", "-o", "page.html").out == "page.html\n"
    page = (cli.folder / "page.html").read_text()
    assert run in page
    assert inside("report", run, "--run-dir", "kept", "-o", "-").out == page
    assert not (cli.last_run("kept") / "report.html").exists()


def test_a_failed_run_shows_its_failures_and_what_its_command_wrote(cli):
    nodes = ({"id": "bad", "call": "functions:fail"}, {"id": "c", "run": "echo so far; echo oh no >&2; exit 3"})
    assert cli("exec", cli.graph(*nodes), "--keep-going").code == 1
    cli("report", "last")
    page = (cli.last_run() / "report.html").read_text()
    assert "ValueError: no luck" in page
    assert 'its standard output:</p><pre tabindex="0">so far</pre>' in page
    assert 'its standard error:</p><pre tabindex="0">oh no</pre>' in page


def test_a_run_that_was_killed_has_a_page(cli):
    process = cli.start(
        "exec", cli.graph(A, {"id": "c", "call": "functions:start_and_poll", "args": ["began", "never"]})
    )
    cli.wait_for("began", process)
    process.kill()
    cli.end(process)
    assert cli("report", "last").code == 0
    page = (cli.last_run() / "report.html").read_text()
    assert "This run was killed" in page


def test_a_run_that_was_resumed_has_one_page(cli):
    graph = cli.graph(A, {"id": "c", "run": "test -e ready", "needs": ["a"]})
    assert cli("exec", graph).code == 1
    (cli.folder / "ready").touch()
    assert cli("exec", graph, "--resume", "last").code == 0
    cli("report", "last")
    page = (cli.last_run() / "report.html").read_text()
    assert "This run was resumed" in page
    assert "<dd>2 done</dd>" in page


def test_secrets_stay_hidden(cli):
    node = {"id": "a", "call": "functions:add", "args": [{"$param": "token"}, 1]}
    assert cli("exec", cli.graph(node, params={"token": "hunter22"})).code == 1
    cli("report", "last")
    page = (cli.last_run() / "report.html").read_text()
    assert "called with" in page
    assert "hunter22" not in page


def test_a_run_that_was_recorded_above_info_cannot_be_shown(cli, inside):
    cli("exec", cli.graph(A), "--log-level", "warning")
    ended = inside("report", "last")
    assert (ended.code, ended.out) == (1, "")
    assert "was its log level above info?" in ended.err
    assert not (cli.last_run() / "report.html").exists()


@pytest.mark.parametrize("words", [("last",), ("2031",)])
def test_a_run_that_is_not_there(inside, words):
    ended = inside("report", *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f'taskrunner: no run "{words[0]}" in .taskrunner/runs\n'


def test_a_page_that_cannot_be_written(cli, inside):
    cli("exec", cli.graph(A))
    ended = inside("report", "last", "-o", "nowhere/page.html")
    assert (ended.code, ended.err) == (2, "taskrunner: cannot write nowhere/page.html: No such file or directory\n")
