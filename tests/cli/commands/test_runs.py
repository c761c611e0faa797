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
    killed = found[three[2]]
    assert (killed["graph"], killed["nodes"], killed["workers"]) == ("slow", 1, found[good]["workers"])
    assert (killed["python"], killed["wall_s"]) == (found[good]["python"], 0.0)
    table = cli("runs").out.splitlines()
    assert table[0].split() == ["run", "started", "(UTC)", "state", "wall", "nodes", "failed", "graph", "python"]
    assert {line.split()[0] for line in table[1:]} == set(three)
    assert all(line == line.rstrip() for line in table)


def test_a_run_that_goes_on_is_told_and_never_removed(cli):
    process = cli.start("exec", cli.graph(call("c", "start_and_poll", args=["began", "end"])))
    cli.wait_for("began", process)
    (run,) = cli("runs", "--json").json
    assert (run["state"], run["graph"], run["nodes"]) == ("running", "graph", 1)
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


def test_a_run_of_which_nothing_is_known_is_listed(cli, inside):
    cli.write(".taskrunner/runs/20260131-154502-9f3a1c7/graph.json", "{}")
    cli.write(".taskrunner/runs/20260131-154502-9f3a1c7/events.jsonl", "{")
    (run,) = inside("runs", "--json").json
    assert (run["state"], run["graph"], run["python"]) == ("unfinished", "", "")
    assert inside("runs").out.splitlines()[1] == "20260131-154502-9f3a1c7  2026-01-31 15:45:02  unfinished"


def test_an_id_may_be_cut_to_a_unique_start(cli, inside):
    for run in ("20260131-154502-9f3a1c7", "20260131-154503-0000000"):
        cli.write(f".taskrunner/runs/{run}/graph.json", "{}")
    told = inside("show", "--run", "20260131-1545")
    assert (told.code, told.err.startswith('taskrunner: "20260131-1545" matches 2 runs: ')) == (2, True)
    for name, run in (("20260131-154502", "20260131-154502-9f3a1c7"), ("last", "20260131-154503-0000000")):
        assert f"{run}/events.jsonl" in inside("show", "--run", name).err


def test_a_run_without_a_journal_that_goes_on_is_told_and_never_removed_or_resumed(cli):
    graph = cli.graph(call("c", "start_and_poll", args=["began", "end"]))
    process = cli.start("exec", graph, "--no-journal")
    cli.wait_for("began", process)
    (run,) = cli("runs", "--json").json
    assert run["state"] == "running"
    assert cli("runs", "--prune", "0", "--json").json == []
    refused = cli("exec", graph, "--resume", "last")
    assert (refused.code, refused.err) == (2, f"taskrunner: another process is using .taskrunner/runs/{run['run']}\n")
    (cli.folder / "end").touch()
    assert cli.end(process).code == 0


def test_a_folder_that_cannot_be_removed_is_told(cli, inside):
    cli.write("elsewhere/graph.json", "{}")
    (cli.folder / ".taskrunner/runs").mkdir(parents=True)
    (cli.folder / ".taskrunner/runs/link").symlink_to(cli.folder / "elsewhere")
    told = inside("runs", "--prune", "0")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("taskrunner: cannot remove .taskrunner/runs/link: ")
    assert (cli.folder / "elsewhere/graph.json").exists()
