"""``taskrunner runs``: what lies in the directory of the runs."""

import json

import pytest


def call(node, function, **fields):
    return {"id": node, "call": f"functions:{function}", **fields}


@pytest.fixture
def three(cli):
    """Leave a run that went well, one that failed, and one that was killed."""
    good, bad = cli.graph(call("a", "give"), name="good"), cli.graph(call("b", "fail"), file="bad.json")
    slow = cli.graph(call("c", "start_and_poll", args=["began", "never"]), file="slow.json")
    ids = []
    for graph in (good, bad, slow):
        process = cli.start("exec", graph)
        if graph == slow:
            cli.wait_for("began", process)
            process.kill()
        cli.end(process)
        (new,) = {path.name for path in (cli.folder / ".taskrunner/runs").iterdir()} - set(ids)
        ids.append(new)
    return ids


def listed(ended):
    return {run["run"]: run for run in ended.json}


def test_the_runs_are_listed_with_what_became_of_them(cli, three):
    good, bad, _ = three
    ended = cli("runs", "--json")
    assert ended.code == 0
    assert [run["run"] for run in ended.json] == sorted(three, reverse=True)
    found = listed(ended)
    assert [found[run]["state"] for run in three] == ["ok", "failed", "unfinished"]
    assert (found[good]["graph"], found[good]["nodes"], found[good]["failed"]) == ("good", 1, 0)
    assert (found[bad]["graph"], found[bad]["nodes"], found[bad]["failed"]) == ("bad", 1, 1)
    assert found[good]["started"].replace("-", "").replace(":", "").replace(" ", "-") == good[:15]
    assert found[good]["python"].startswith("CPython 3.")
    table = cli("runs").out.splitlines()
    assert table[0].split() == ["run", "started", "(UTC)", "state", "wall", "nodes", "failed", "graph", "python"]
    assert {line.split()[0] for line in table[1:]} == set(three)
    assert all(line == line.rstrip() for line in table)


def test_a_run_that_goes_on_is_told_and_never_removed(cli):
    process = cli.start("exec", cli.graph(call("c", "start_and_poll", args=["began", "end"])))
    cli.wait_for("began", process)
    (run,) = cli("runs", "--json").json
    assert run["state"] == "running"
    assert cli("runs", "--prune", "0", "--json").json == []
    (cli.folder / "end").touch()
    assert cli.end(process).code == 0
    (run,) = cli("runs", "--json").json
    assert run["state"] == "ok"


def test_all_but_the_newest_are_removed(cli, three):
    newest, *others = sorted(three, reverse=True)
    ended = cli("runs", "--prune", "1", "--json")
    assert list(listed(ended)) == others
    assert list(listed(cli("runs", "--json"))) == [newest]


def test_the_newest_only(inside, three):
    assert list(listed(inside("runs", "-n", "2", "--json"))) == sorted(three, reverse=True)[:2]


def test_no_runs_are_no_error(inside):
    assert json.loads(inside("runs", "--json").out) == []
    assert len(inside("runs").out.splitlines()) == 1


@pytest.mark.usefixtures("three")
def test_a_summary_that_cannot_be_read_is_that_of_a_run_that_has_not_ended(cli, inside):
    for path in (cli.folder / ".taskrunner/runs").glob("*/summary.json"):
        path.write_text("{")
    assert {run["state"] for run in inside("runs", "--json").json} == {"unfinished"}
