"""``taskrunner simulate``: a recorded run on other numbers of workers."""

import json
from xml.etree import ElementTree as ET

import pytest

RUNS = ".taskrunner/runs"


def call(node, function, **fields):
    return {"id": node, "call": f"functions:{function}", **fields}


def recorded(cli, name="20260101-000000-a", *, graph=None, events=None):
    """Leave a run of two nodes of one second each, the one after the other, on two workers."""
    nodes = [call("a", "give"), call("b", "give", needs=["a"])]
    start = {"event": "run.start", "run": name, "graph": "two", "nodes": 2, "workers": 2, "python": "CPython 3.13",
             "free_threaded": True, "gil": False, "platform": "linux", "at": 1.0, "processors": 2}  # fmt: skip
    done = {"event": "node.done", "worker": 0, "attempt": 1, "queued_s": 0.0, "ran_s": 1.0, "stolen": False}
    ended = [done | {"node": "a", "started_at": 0.0}, done | {"node": "b", "started_at": 1.0}]
    lines = [start, *ended] if events is None else [start, *events]
    cli.write(f"{RUNS}/{name}/graph.json", json.dumps({"taskrunner": 1, "nodes": nodes}) if graph is None else graph)
    cli.write(f"{RUNS}/{name}/params.json", "{}")
    cli.write(f"{RUNS}/{name}/events.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def test_a_run_is_simulated_on_the_numbers_of_workers_that_were_asked_for(cli):
    graph = cli.graph(
        call("a", "give"), call("b", "give", map=[1, 2], args=[{"$item": True}]), {"id": "c", "run": "true"}
    )
    assert cli("exec", graph, "-q").code == 0
    ended = cli("simulate", "last", "--workers", "4,1,2,2")
    assert (ended.code, ended.err) == (0, "")
    table = ended.out.split("\n\n")[2].splitlines()
    assert [line.split()[0] for line in table] == ["workers", "1", "2", "4"]
    found = cli("simulate", "last", "--json").json
    assert [one["workers"] for one in found["predictions"]] == [1, 2, 4, 8, 16, 32]
    assert found["predictions"][0]["speedup"] == 1
    assert found["run"] == cli.last_run().name


def test_the_run_may_be_named_as_elsewhere(cli, inside):
    recorded(cli)
    recorded(cli, "20260202-000000-b")
    assert inside("simulate", "last", "--json").json["run"] == "20260202-000000-b"
    assert inside("simulate", "202601", "--json").json["run"] == "20260101-000000-a"
    (cli.folder / ".taskrunner").rename(cli.folder / "moved")
    assert inside("simulate", "202601", "--run-dir", "moved/runs", "--json").code == 0
    ended = inside("simulate", "2026", "--run-dir", "moved/runs")
    assert (ended.code, "matches 2 runs" in ended.err) == (2, True)


def test_the_advice_is_for_as_many_workers_as_asked_for(cli, inside):
    recorded(cli)
    assert "\nadvice for 2 workers\n" in inside("simulate", "last").out
    assert "\nadvice for 7 workers\n" in inside("simulate", "last", "--advise", "7").out
    assert inside("simulate", "last", "--advise", "0").code == 2


@pytest.mark.parametrize(
    "counts", ["0", "1,", "", "-1", "two", "1.5", "4097", "99999999999999", "٣", ",".join(map(str, range(1, 102)))]
)
def test_numbers_of_workers_that_are_none_are_refused(cli, inside, counts):
    recorded(cli)
    ended = inside("simulate", "last", "--workers", counts)
    assert (ended.code, ended.out) == (2, "")
    assert "workers" in ended.err


def test_the_curve_is_drawn_and_the_text_told_as_well(cli, inside):
    recorded(cli)
    ended = inside("simulate", "last", "--svg", "curve.svg", "-o", "report.txt")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert ET.parse(cli.folder / "curve.svg").getroot().tag.endswith("svg")  # noqa: S314  our own picture
    assert "speed-up █" in (cli.folder / "report.txt").read_text()
    ended = inside("simulate", "last", "--svg", "nowhere/curve.svg")
    assert (ended.code, ended.out, ended.err) == (
        2,
        "",
        "taskrunner: cannot write nowhere/curve.svg: No such file or directory\n",
    )


def test_lines_suit_the_terminal_and_its_encoding(cli):
    recorded(cli)
    ended = cli("simulate", "last", env={"COLUMNS": "50", "PYTHONIOENCODING": "ascii"})
    assert ended.code == 0
    assert "speed-up #, allowed by the bound -" in ended.out
    bars = ended.out.split("\n\n")[3].splitlines()[1:]
    assert max(map(len, bars)) <= 50


def test_names_that_the_encoding_does_not_have_are_escaped(cli):
    done = {"event": "node.done", "node": "ä\x1b", "worker": 0, "attempt": 1, "queued_s": 0.0, "ran_s": 1.0,
            "stolen": False, "started_at": 0.0}  # fmt: skip
    recorded(cli, graph=json.dumps({"taskrunner": 1, "nodes": [call("ä\x1b", "give")]}), events=[done])
    ended = cli("simulate", "last", env={"PYTHONIOENCODING": "ascii"})
    assert (ended.code, ended.err) == (0, "")
    assert "\\xe4\\x1b" in ended.out


def test_a_run_that_tells_too_little_is_refused_in_words(cli, inside):
    recorded(cli, events=[])
    ended = inside("simulate", "last")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "taskrunner: nothing to simulate: no node of run 20260101-000000-a has a recorded duration\n"
    recorded(cli, graph='{"taskrunner": 1, "nodes": 7}')
    ended = inside("simulate", "last")
    assert (ended.code, ended.out) == (1, "")
    assert "the graph of run 20260101-000000-a cannot be read" in ended.err


def test_a_run_whose_log_left_the_nodes_out_is_refused_in_words(cli):
    assert cli("exec", cli.graph(call("a", "give")), "-q", "--log-level", "warning").code == 0
    ended = cli("simulate", "last")
    assert (ended.code, ended.out) == (1, "")
    assert "log level" in ended.err


def test_a_run_that_was_killed_is_simulated_as_far_as_it_came(cli):
    graph = cli.graph(
        call("a", "give"),
        call("b", "start_and_poll", args=["began", "end"], needs=["a"]),
        call("c", "give", needs=["b"]),
    )
    process = cli.start("exec", graph, "-w", "1")
    cli.wait_for("began", process)
    log = cli.last_run() / "events.jsonl"
    while b"node.done" not in log.read_bytes():
        assert process.poll() is None
    process.kill()
    cli.end(process)
    found = cli("simulate", "last", "--json").json
    assert (found["nodes"], found["measured_s"]) == (1, None)
    assert found["notes"][-1] == "the run did not finish: only its recorded attempts are simulated"
    (cli.folder / "end").touch()
    assert cli("exec", graph, "-q", "--resume", "last").code == 0
    found = cli("simulate", "last", "--json").json
    assert (found["nodes"], found["measured_s"]) == (3, None)
    assert not any("did not finish" in note for note in found["notes"])


def test_a_gil_that_was_on_is_noted(cli, is_free_threaded):
    assert cli("exec", cli.graph(call("a", "give")), "-q").code == 0
    notes = cli("simulate", "last", "--json").json["notes"]
    assert any("the GIL was on" in note for note in notes) is not is_free_threaded
