"""Failures, retries and time-outs as a user of the command line meets them."""

import json
import resource
from pathlib import Path

import pytest

from taskrunner.storage.journal import read

LONG = 60


def call(node, function, **fields):
    return {"id": node, "call": f"functions:{function}", **fields}


def test_a_run_that_takes_too_long_ends_with_4(cli):
    cli.graph(call("n", "start_and_sleep", args=["started"]), call("after", "give", needs=["n"]))
    ended = cli("exec", "graph.json", "--timeout", "1")
    assert ended.code == 4
    assert ended.err.splitlines()[0].startswith("timed out")
    assert "2 skipped" in ended.err


def test_a_time_out_is_a_number_above_0(cli, inside):
    cli.graph(call("n", "give"))
    assert inside("exec", "graph.json", "--timeout", "0").code == 2
    assert inside("exec", "graph.json", "--timeout", "soon").code == 2


def test_attempts_that_failed_are_told_as_they_happen_and_counted(cli):
    cli.graph(call("n", "fail", retries={"max": 2, "backoff": 0.01}))
    ended = cli("exec", "graph.json")
    assert ended.code == 1
    told = [line for line in ended.err.splitlines() if "warning" in line]
    assert told == [
        f'taskrunner: warning: "n" failed and is retried in {wait} s (attempt {n}): ValueError: no luck'
        for n, wait in ((1, "0.01"), (2, "0.02"))
    ]
    assert 'node "n" failed (attempt 3, path: n)' in ended.err
    assert "1 failed, 2 retried" in ended.err


def test_a_failure_that_is_allowed_ends_well(cli, inside):
    cli.graph(call("bad", "fail", allow_failure=True), call("good", "give", needs=["bad"]))
    ended = inside("exec", "graph.json")
    assert (ended.code, ended.json) == (0, {"good": 1})
    assert 'node "bad" failed, which is allowed (path: bad)' in ended.err


def test_a_failure_names_the_arguments_and_so_does_json(cli, inside):
    cli.graph(call("bad", "add", args=[1, "x" * 500]))
    ended = inside("exec", "graph.json", "--json")
    assert ended.code == 1
    (failure,) = ended.json["failures"]
    assert failure["arguments"].startswith("(1, 'xxx")
    assert (failure["attempt"], failure["allowed"]) == (1, False)
    assert f"called with {failure['arguments']}" in ended.err


def test_a_call_that_never_returns_holds_neither_the_run_nor_the_process(cli):
    cli.write("endless.py", "def spin():\n    while True: pass\n")
    cli.graph({"id": "spin", "call": "endless:spin", "timeout": 0.2}, call("good", "give"))
    ended = cli("exec", "graph.json", "-w", "1", "-k")
    assert (ended.code, ended.json) == (1, {"good": 1})
    assert '"spin" timed out after 0.2 s; the call still runs in an abandoned thread' in ended.err
    assert "1 abandoned, still running at exit" in ended.err
    events = [json.loads(line) for line in (cli.last_run() / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events if event.get("node") == "spin"] == ["node.timeout", "node.failed"]


@pytest.mark.slow
def test_a_command_that_ignores_term_is_killed_with_its_children(cli):
    script = 'trap "" TERM; sh -c \'trap "" TERM; echo $$ > inner; sleep 50\' & echo $$ > outer; wait'
    cli.graph({"id": "c", "run": script, "timeout": 0.5})
    ended = cli("exec", "graph.json")
    assert ended.code == 1
    for name in ("inner", "outer"):
        pid = (cli.folder / name).read_text().strip()
        assert not is_alive(pid)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


# -- a disk that is full ------------------------------------------------------------------------------


def limited(cli, kib, *words):
    """Run a command line that may write no file longer than so much: as on a disk that is full."""
    return cli.end(
        cli.start(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, kib * 1024)))
    )


@pytest.fixture
def bulky(cli):
    """Write a graph of 20 KiB whose journal and log are ten times as large."""
    cli.write("bulky.py", "import time\ndef give(number): time.sleep(0.002); return 'x' * 200")
    return cli.graph(*[{"id": f"n{i}", "call": "bulky:give", "args": [i]} for i in range(400)])


def test_a_graph_that_cannot_be_kept_is_told_before_anything_runs(cli, bulky):
    ended = limited(cli, 8, "exec", bulky)
    assert ended.code == 1
    assert ended.err.startswith("taskrunner: cannot write .taskrunner/runs/")
    assert "Traceback" not in ended.err


def test_a_full_disk_costs_records_but_no_results(cli, bulky):
    ended = limited(cli, 60, "exec", bulky, "-w", "2")
    assert (ended.code, len(ended.json)) == (0, 400)
    assert "cannot write the journal: File too large" in ended.err
    assert "observer failed and was disabled" in ended.err
    kept = read(cli.last_run() / "journal")  # what was written is whole
    assert 0 < len(kept) < 400
    again = cli("exec", bulky, "--resume", "last")
    assert (again.code, again.json) == (0, ended.json)


def test_a_summary_that_cannot_be_written_costs_no_results(cli):
    cli.graph(call("n", "give"))
    cli.write("full.py", "def fill(): import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)); return 7")
    cli.graph({"id": "n", "call": "full:fill"})
    ended = cli("exec", "graph.json", "--no-journal", "--log-level", "error")
    assert (ended.code, ended.json) == (0, {"n": 7})
    assert "summary.json: File too large" in ended.err


# -- what was skipped ---------------------------------------------------------------------------------


def test_what_was_skipped_is_told_with_the_failure_that_it_is_because_of(cli, inside):
    late = [call(f"late{i:02}", "give", needs=["bad"]) for i in range(12)]
    cli.graph(call("bad", "fail"), call("other", "fail"), *late, call("last", "give", needs=["other"]))
    ended = inside("exec", "graph.json", "-w", "1", "-k")
    told = [line.strip() for line in ended.err.splitlines() if "because" in line]
    assert len(told) == 2
    assert told[0].startswith("skipped because of it: late")
    assert told[0].endswith(" and 2 more")
    assert told[1] == "skipped because of it: last"
