"""``taskrunner exec``: what goes where, exit codes, signals, and what a run leaves behind."""

import json
import os
import re
import signal
from pathlib import Path

import msgspec
import pytest

GIVE = {"id": "a", "call": "functions:give", "args": [7]}
FAIL = {"id": "bad", "call": "functions:fail"}
SUMMARY = ["ok", "workers", "parallelism", "critical path", "slowest", "python", "memory", "run"]


def events(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def kinds(path):
    return [event["event"] for event in events(path)]


# -- results -----------------------------------------------------------------------------------------


def test_results_go_to_standard_output_and_the_summary_to_standard_error(cli):
    told = cli("exec", cli.graph(GIVE))
    assert (told.code, told.json) == (0, {"a": 7})
    assert [re.match(r"(\w+( path)?)  *", line)[1] for line in told.err.splitlines()] == SUMMARY


def test_only_outputs_are_printed(cli, inside):
    double = {"id": "b", "call": "functions:add", "args": [{"$ref": "a"}, {"$ref": "a"}]}
    assert inside("exec", cli.graph(GIVE, double)).json == {"b": 14}
    assert inside("exec", cli.graph(GIVE, double, outputs=["b", "a"])).json == {"b": 14, "a": 7}


def test_a_graph_without_nodes_is_well(cli, inside):
    told = inside("exec", cli.graph())
    assert (told.code, told.out) == (0, "")


def test_a_target_runs_only_what_it_needs(cli, inside):
    graph = cli.graph(
        {"id": "a", "call": "functions:touch", "args": ["a-ran"]},
        {"id": "b", "call": "functions:give", "args": [3], "needs": ["a"]},
        {"id": "c", "call": "functions:touch", "args": ["c-ran"], "needs": ["b"]},
        {"id": "d", "call": "functions:touch", "args": ["d-ran"]},
    )
    told = inside("exec", graph, "b")
    assert (told.code, told.json) == (0, {"b": 3})
    assert sorted(path.name for path in cli.folder.glob("*-ran")) == ["a-ran"]


def test_json_is_one_object_with_summary_outputs_and_failures(cli, inside):
    told = inside("exec", cli.graph(GIVE, FAIL), "--json", "--keep-going", "-w", 1)
    assert told.code == 1
    summary = told.json
    assert {name: summary[name] for name in ("graph", "ok", "workers", "nodes", "done", "failed", "skipped")} == {
        "graph": "graph", "ok": False, "workers": 1, "nodes": 2, "done": 1, "failed": 1, "skipped": 0,
    }  # fmt: skip
    assert summary["outputs"] == {"a": 7}
    (failure,) = summary["failures"]
    assert failure["node"] == "bad"
    assert failure["path"] == ["bad"]
    assert failure["error"] == "ValueError: no luck"
    assert failure["traceback"].splitlines()[1].startswith(f'  File "{cli.folder}/functions.py"')


@pytest.mark.parametrize(("suffix", "decode"), [("json", json.loads), ("msgpack", msgspec.msgpack.decode)])
def test_outputs_go_to_a_file(cli, inside, suffix, decode):
    told = inside("exec", cli.graph(GIVE), "-o", f"results.{suffix}")
    assert (told.code, told.json) == (0, {"a": 7})
    assert decode((cli.folder / f"results.{suffix}").read_bytes()) == {"a": 7}


def test_a_json_file_of_outputs_ends_its_line(cli, inside):
    inside("exec", cli.graph(GIVE), "-o", "results.json")
    assert (cli.folder / "results.json").read_bytes() == b'{"a":7}\n'


def test_bytes_go_to_a_messagepack_file_as_they_are(cli, inside):
    inside("exec", cli.graph({"id": "a", "run": ["printf", "\\377"], "capture": "bytes"}), "-o", "results.msgpack")
    assert msgspec.msgpack.decode((cli.folder / "results.msgpack").read_bytes()) == {"a": b"\xff"}


ODD = """
    class Bad:
        def __repr__(self): raise RuntimeError
    def odd(): return object
    def bad(): return Bad()
    def big(): return 2**70
    def pairs(): return {(1, 2): 3}
    def surrogate(): return "a\\udcffb"
    def surrogate_key(): return {"a\\udcffb": 1}
    def endless():
        found = []
        found.append(found)
        return found
    def deep():
        found = []
        for _ in range(50_000):
            found = [found]
        return found
"""


@pytest.mark.parametrize("name", ["odd", "bad", "big", "pairs", "surrogate", "surrogate_key", "endless", "deep"])
def test_a_result_that_json_has_not_is_printed_somehow(cli, name):
    cli.write("odd.py", ODD)
    told = cli("exec", cli.graph({"id": "a", "call": f"odd:{name}"}))
    assert "Traceback" not in told.err
    assert (told.code, list(told.json)) == (0, ["a"])


@pytest.mark.parametrize("suffix", ["json", "msgpack"])
@pytest.mark.parametrize("name", ["odd", "surrogate", "endless", "deep"])
def test_a_result_that_cannot_be_written_is_named(cli, inside, name, suffix):
    cli.write("odd.py", ODD)
    told = inside("exec", cli.graph({"id": "a", "call": f"odd:{name}"}), "-q", "-o", f"results.{suffix}")
    assert told.code == 1
    assert told.err.startswith(f'taskrunner: cannot write the result of "a" to results.{suffix}')


def test_an_integer_too_large_for_messagepack_is_named(cli, inside):
    cli.write("odd.py", ODD)
    told = inside("exec", cli.graph({"id": "a", "call": "odd:big"}), "-q", "-o", "results.msgpack")
    assert told.code == 1
    assert told.err.startswith('taskrunner: cannot write the result of "a" to results.msgpack')


def test_a_file_that_cannot_be_written_is_named(cli, inside):
    told = inside("exec", cli.graph(GIVE), "-q", "-o", "no/folder.json")
    assert (told.code, told.err) == (1, "taskrunner: cannot write no/folder.json: No such file or directory\n")


def test_a_reader_that_has_gone_is_no_error_to_shout_about(cli):
    process = cli.start(
        "exec", cli.graph({"id": "a", "call": "functions:give", "args": ["x" * 200_000]}), "-q", "--json"
    )
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 1


# -- options -----------------------------------------------------------------------------------------


def test_quiet_prints_nothing(cli, inside):
    assert inside("exec", cli.graph(GIVE), "-q") == (ended := inside("exec", cli.graph(GIVE), "--quiet"))
    assert (ended.code, ended.raw, ended.err) == (0, b"", "")


def test_quiet_prints_errors(cli, inside):
    told = inside("exec", cli.graph(FAIL), "-q")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith('node "bad" failed (path: bad)\n    Traceback (most recent call last):\n')
    assert told.err.rstrip().endswith("ValueError: no luck")


def test_quiet_tells_that_the_time_was_over(cli, inside):
    told = inside("exec", cli.graph({"id": "a", "run": ["sleep", "60"]}), "-q", "--timeout", "0.1")
    assert (told.code, told.out, told.err) == (4, "", "taskrunner: timed out after 100.0 ms\n")


def test_a_failure_is_told_from_the_user_s_own_frame_on(cli, inside):
    told = inside("exec", cli.graph(GIVE, {**FAIL, "needs": ["a"]}))
    assert told.err.startswith('node "bad" failed (path: a -> bad)\n')
    assert re.findall(r'File "(.*?)"', told.err) == [f"{cli.folder}/functions.py"]


@pytest.mark.parametrize(
    ("default", "text", "expected"),
    [
        (1, "30", 30),
        (1.5, "2", 2),
        (1.5, "0.25", 0.25),
        ("x", "30", "30"),
        ("x", "", ""),
        ("x", "a=b", "a=b"),
        (False, "true", True),
        ([1], "[2, 3]", [2, 3]),
        ({"a": 1}, '{"b": 2}', {"b": 2}),
        (None, "30", 30),
        (None, "thirty", "thirty"),
    ],
)
def test_set_takes_the_type_of_the_default(cli, inside, default, text, expected):
    graph = cli.graph({**GIVE, "args": [{"$param": "n"}]}, params={"n": default})
    assert inside("exec", graph, "--set", f"n={text}").json == {"a": expected}


@pytest.mark.parametrize(
    ("default", "setting", "message"),
    [
        (1, "n=two", "parameter \"n\" takes int, as its default 1, not str 'two'"),
        (1, "n=2.5", 'parameter "n" takes int, as its default 1, not float 2.5'),
        (1, "n=true", 'parameter "n" takes int, as its default 1, not bool True'),
        (False, "n=1", 'parameter "n" takes bool, as its default False, not int 1'),
        (1, "m=1", 'unknown parameter "m"; the graph has: n'),
        (1, "n", '"n" is not of the form name=value'),
    ],
)
def test_set_refuses_what_does_not_fit(cli, inside, default, setting, message):
    graph = cli.graph({**GIVE, "args": [{"$param": "n"}]}, params={"n": default})
    told = inside("exec", graph, "--set", setting)
    assert (told.code, told.out, told.err) == (2, "", f"taskrunner: {message}\n")


def test_a_parameter_without_default_must_be_set(cli, inside):
    told = inside("exec", cli.graph({**GIVE, "args": [{"$param": "n"}]}, params={"n": None}))
    assert (told.code, told.out) == (2, "")
    assert told.err == 'taskrunner: no value for parameter "n": set it with --set n=…\n'


def test_the_environment_gives_options(cli):
    told = cli("exec", cli.graph(GIVE), "--json", env={"TASKRUNNER_EXEC_WORKERS": "3"})
    assert told.json["workers"] == 3
    assert cli("exec", "graph.json", "-w", 2, "--json", env={"TASKRUNNER_EXEC_WORKERS": "3"}).json["workers"] == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("TASKRUNNER_EXEC_JSON", "1"), ("TASKRUNNER_EXEC_SET", "n=8"), ("TASKRUNNER_EXEC_FORMAT", "toml")],
)
def test_a_variable_is_named_after_its_option(cli, inside, monkeypatch, name, value):
    cli.write(
        "graph.txt",
        'taskrunner = 1\nnodes = [{id = "a", call = "functions:give", args = [{"$param" = "n"}]}]\nparams = {n = 7}',
    )
    words = ["exec", "graph.txt", *(() if name.endswith("FORMAT") else ("--format", "toml"))]
    without = inside(*words)
    monkeypatch.setenv(name, value)
    told = inside(*words)
    assert told.code == 0
    assert (told.code, told.raw) != (without.code, without.raw)


def test_settings_of_the_environment_and_of_the_command_line_are_merged(cli, inside, monkeypatch):  # case 26
    nodes = [{"id": name, "call": "functions:give", "args": [{"$param": name}]} for name in ("a", "b", "c")]
    cli.graph(*nodes, params={"a": None, "b": None, "c": None})
    monkeypatch.setenv("TASKRUNNER_EXEC_SET", "a=1.10 b=2")
    told = inside("exec", "graph.json", "--set", "b=3", "--set", "c=007", "-q", "--json")
    assert (told.code, told.json["outputs"]) == (0, {"a": "1.10", "b": 3, "c": "007"})


def test_keep_going(cli, inside):
    nodes = [FAIL, {**FAIL, "id": "worse", "needs": ["a"]}, {**GIVE, "needs": ["b"]}, {**GIVE, "id": "b"}]
    graph = cli.graph(*nodes)
    for words in (("-k",), ("--keep-going",), ("-k", "0"), ("-k", "3"), ("--keep-going=2",)):
        told = inside("exec", graph, "--json", "-w", 1, *words)
        assert (told.code, told.json["failed"]) == (1, 2)


def test_the_first_failure_stops_the_run(cli, inside):
    graph = cli.graph(FAIL, {"id": "later", "call": "functions:touch", "args": ["ran"]})
    told = inside("exec", graph, "--json", "-w", 1)
    assert (told.code, told.json["failed"], told.json["skipped"]) == (1, 1, 1)
    assert not (cli.folder / "ran").exists()


def test_dry_run_runs_nothing(cli, inside):
    graph = cli.graph(
        {"id": "b", "run": ["touch", "ran"], "needs": ["a"]},
        {"id": "a", "call": "functions:touch", "args": ["ran"]},
        {"id": "c", "run": "touch ran"},
    )
    told = inside("exec", graph, "b", "--dry-run")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == ["a: functions:touch", "b: $ touch ran (after a)"]
    assert not (cli.folder / "ran").exists()
    assert not (cli.folder / ".taskrunner").exists()


@pytest.mark.parametrize("python", [(), ("-X", "gil=1")], ids=["off", "on"])
def test_require_nogil(cli, is_free_threaded, python):
    if not is_free_threaded and python:
        pytest.skip("a GIL build knows -X gil, and can only say yes")
    told = cli("exec", cli.graph(GIVE), "--require-nogil", python=python)
    if is_free_threaded and not python:
        assert (told.code, told.json) == (0, {"a": 7})
    else:
        assert (told.code, told.out) == (5, "")
        assert told.err.startswith("taskrunner: the GIL is on: ")
        assert not (cli.folder / ".taskrunner").exists()


def test_require_nogil_and_its_variable(cli, is_free_threaded):
    if not is_free_threaded:
        pytest.skip("PYTHON_GIL is an error on a GIL build")
    told = cli("exec", cli.graph(GIVE), "--require-nogil", env={"PYTHON_GIL": "1"})
    assert (told.code, told.out) == (5, "")


def test_a_gil_that_is_on_is_told_where_it_could_be_off(cli, is_free_threaded):
    told = cli("exec", cli.graph(GIVE), python=("-X", "gil=1") if is_free_threaded else ())
    assert told.code == 0
    assert told.err.startswith("taskrunner: warning: the GIL is on") is is_free_threaded
    assert "GIL on" in told.err


# -- where graphs and modules come from --------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "msgpack", "toml"])
def test_standard_input_in_each_encoding(cli, encoding):
    cli("convert", cli.graph(GIVE, name="piped"), f"other.{encoding}")
    told = cli("exec", "-", "--format", encoding, stdin=(cli.folder / f"other.{encoding}").read_bytes())
    assert (told.code, told.json) == (0, {"a": 7})


def test_a_file_without_a_telling_name(cli, inside):
    graph = cli.graph(GIVE, file="graph")
    assert inside("exec", graph).code == 2
    assert inside("exec", graph, "--format", "json").json == {"a": 7}


def test_toml_written_by_hand(cli, inside):
    cli.write(
        "graph.toml",
        """
        taskrunner = 1
        outputs = ["total"]

        [params]
        n = 2

        [[nodes]]
        id = "items"
        run = ["printf", "1\\n2\\n"]
        capture = "lines"

        [[nodes]]
        id = "total"
        call = "functions:add"
        args = [{"$ref" = "items", path = [0]}, {"$ref" = "items", path = [-1]}]
        """,
    )
    assert inside("exec", "graph.toml").json == {"total": "12"}


def test_a_graph_built_in_python(cli):
    cli.write(
        "built.py",
        """
        import functions, taskrunner
        class Place:
            graph = taskrunner.Graph("built")
        Place.graph.call(functions.give, 7)
        """,
    )
    told = cli("exec", "built:Place.graph")
    assert (told.code, told.json) == (0, {"give": 7})


def test_arguments_that_json_has_not_do_not_hinder_a_run(cli):
    cli.write(
        "built.py",
        """
        import functions, taskrunner
        graph = taskrunner.Graph("built")
        class Bad:
            def __repr__(self): raise RuntimeError
        for value in (object(), {(1, 2): 3}, 2**70, "\\udcff", Bad()):
            graph.call(functions.give, [value])
        total = graph.call(functions.give, 7)
        """,
    )
    told = cli("exec", "built:graph", "give-6")
    assert (told.code, told.json) == (0, {"give-6": 7})


def test_modules_come_from_the_working_directory_before_the_graph_s_folder(cli):
    cli.write("here.py", "def where(): return 'here'")
    cli.write("far/here.py", "def where(): return 'far'")
    cli.write("far/there.py", "def where(): return 'there'")
    graph = cli.graph({"id": "a", "call": "here:where"}, {"id": "b", "call": "there:where"}, file="far/graph.json")
    assert cli("exec", graph, python=("-P",)).json == {"a": "here", "b": "there"}


def test_commands_run_in_the_working_directory(cli, inside):
    graph = cli.graph({"id": "a", "run": "pwd -P", "capture": "lines"}, file="far/graph.json")
    assert inside("exec", graph).json == {"a": [str(cli.folder.resolve())]}


# -- logs and what a run leaves ----------------------------------------------------------------------


def test_what_a_run_leaves(cli, inside):
    command = {"id": "say", "run": "echo out; echo err >&2"}
    inside("exec", cli.graph(GIVE, command, name="left"))
    run = cli.last_run()
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    assert files == [
        "commands/say.err",
        "commands/say.out",
        "events.jsonl",
        "graph.json",
        "journal",
        "params.json",
        "summary.json",
    ]
    assert (run / "commands/say.out").read_text() == "out\n"
    assert (run / "commands/say.err").read_text() == "err\n"
    assert json.loads((run / "graph.json").read_bytes())["nodes"] == [GIVE, command]
    summary = json.loads((run / "summary.json").read_bytes())
    assert (summary["run"], summary["ok"], summary["done"]) == (run.name, True, 2)
    assert kinds(run / "events.jsonl") == ["run.start", "node.done", "node.done", "run.done"]


def test_events_have_the_fields_that_are_promised(cli, inside):
    inside("exec", cli.graph(GIVE, FAIL, {**GIVE, "id": "off", "when": False}), "-k", "-w", 2)
    found = {event["event"]: event for event in events(cli.last_run() / "events.jsonl")}
    assert {"graph", "workers", "python", "free_threaded", "gil", "platform"} <= found["run.start"].keys()
    times = {"node", "worker", "attempt", "queued_s", "ran_s", "stolen", "started_at"}
    assert times <= found["node.done"].keys()
    assert times | {"error", "traceback"} <= found["node.failed"].keys()
    assert {"node": "off", "reason": "when"}.items() <= found["node.skipped"].items()
    assert {"wall_s", "busy", "steals", "critical_path", "peak_memory_bytes"} <= found["run.done"].keys()


def test_events_are_whole_though_a_text_is_not_unicode(cli, inside):
    cli.write("odd.py", "def bad(): raise ValueError('no file \\udcff')")
    inside("exec", cli.graph({"id": "a", "call": "odd:bad"}, {**GIVE, "id": "b"}), "-k")
    assert sorted(kinds(cli.last_run() / "events.jsonl")) == ["node.done", "node.failed", "run.done", "run.start"]


def test_each_run_leaves_a_folder_of_its_own_where_it_is_told_to(cli, inside):
    graph = cli.graph(GIVE)
    inside("exec", graph, "--run-dir", "runs/here")
    inside("exec", graph, "--run-dir", "runs/here")
    assert len(list((cli.folder / "runs/here").iterdir())) == 2
    assert not (cli.folder / ".taskrunner").exists()


def test_a_run_dir_that_cannot_be_made_is_named(cli, inside):
    told = inside("exec", cli.graph(GIVE), "--run-dir", "functions.py/runs")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("taskrunner: cannot create the run directory functions.py/runs/")


@pytest.mark.parametrize("words", [(), ("-q",)], ids=["", "quiet"])
def test_json_log_lines_are_json_each_and_all(cli, words):
    told = cli("exec", cli.graph(GIVE, FAIL), "-w", 1, "--log-format", "json", *words)
    lines = [json.loads(line) for line in told.err.splitlines()]
    assert [line["event"] for line in lines] == ["run.start", "node.done", "node.failed", "run.done"]
    assert [line["level"] for line in lines] == ["info", "info", "error", "error"]


def test_console_log_has_a_line_for_each_event_and_no_colours(cli):
    told = cli("exec", cli.graph(GIVE), "--log-format", "console")
    assert told.json == {"a": 7}
    assert [name for name in ("run.start", "node.done", "run.done") if name in told.err] == [
        "run.start",
        "node.done",
        "run.done",
    ]
    assert "\x1b" not in told.err


@pytest.mark.parametrize("words", [(), ("--log-format", "json")], ids=["default", "json"])
def test_a_log_file_takes_the_log_and_leaves_the_rest(cli, inside, words):
    plain = inside("exec", cli.graph(GIVE))
    told = inside("exec", "graph.json", "--log-file", "run.log", *words)
    assert kinds(cli.folder / "run.log") == ["run.start", "node.done", "run.done"]
    assert (told.code, told.json, len(told.err.splitlines())) == (0, {"a": 7}, len(plain.err.splitlines()))


def test_a_log_file_is_appended_to(cli, inside):
    for _ in range(2):
        inside("exec", cli.graph(GIVE), "--log-file", "run.log")
    assert kinds(cli.folder / "run.log") == ["run.start", "node.done", "run.done"] * 2


def test_a_console_log_file(cli):
    told = cli("exec", cli.graph(GIVE), "--log-file", "run.log", "--log-format", "console", python=("-W", "error"))
    assert told.code == 0
    assert "ResourceWarning" not in told.err
    assert [line for line in (cli.folder / "run.log").read_text().splitlines() if "node.done" in line]


def test_a_log_that_cannot_be_opened_is_named(cli, inside):
    told = inside("exec", cli.graph(GIVE), "--log-file", "no/run.log")
    assert (told.code, told.out) == (1, "")
    assert told.err == "taskrunner: cannot write the log no/run.log: No such file or directory\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_is_told_and_ends_nothing(cli):
    told = cli("exec", cli.graph(GIVE), "--log-file", "/dev/full")
    assert (told.code, told.json) == (0, {"a": 7})
    assert "taskrunner: warning: " in told.err
    assert "Exception ignored" not in told.err


def test_log_level_warning_leaves_node_events_out(cli, inside):
    inside("exec", cli.graph(GIVE), "--log-level", "warning")
    assert kinds(cli.last_run() / "events.jsonl") == []


def test_log_level_error_keeps_failures(cli, inside):
    inside("exec", cli.graph(GIVE, FAIL), "-w", 1, "--log-level", "error")
    assert kinds(cli.last_run() / "events.jsonl") == ["node.failed", "run.done"]


# -- commands ----------------------------------------------------------------------------------------


def test_a_command_that_fails_is_told_with_what_it_wrote(cli, inside):
    told = inside("exec", cli.graph({"id": "a", "run": "echo because >&2; exit 3"}))
    assert told.code == 1
    assert told.err.startswith('node "a" failed (path: a)\n    exit code 3: echo because >&2; exit 3\n    because\n')


@pytest.mark.parametrize(
    "node", [{"run": ["nosuchprogram", "-x"]}, {"run": ["pwd"], "cwd": "nosuchfolder"}], ids=["program", "folder"]
)
def test_a_command_that_cannot_start_is_told_in_words(cli, inside, node):
    told = inside("exec", cli.graph({"id": "a", **node}))
    assert told.code == 1
    assert "No such file or directory" in told.err
    assert "nosuch" in told.err
    assert "Traceback" not in told.err


def test_commands_never_read_the_standard_input_of_the_run(cli):
    told = cli("exec", cli.graph({"id": "a", "run": "cat"}), stdin=b"not for you")
    assert told.json == {"a": ""}


# -- signals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_the_run_in_good_order(cli, number, code):
    graph = cli.graph(
        {"id": "a", "call": "functions:start_and_poll", "args": ["a-started", "a-go"]},
        {"id": "b", "call": "functions:touch", "args": ["b-ran"], "needs": ["a"]},
        {"id": "c", "call": "functions:touch", "args": ["c-ran"], "needs": ["b"], "always": True},
    )
    process = cli.start("exec", graph, "--json")
    cli.wait_for("a-started", process)
    process.send_signal(number)
    first = process.stderr.readline()
    cli.write("a-go", "")
    told = cli.end(process)
    assert first == b"taskrunner: interrupted: waiting for running nodes; interrupt again to exit at once\n"
    assert told.code == code
    assert not (cli.folder / "b-ran").exists()
    assert (cli.folder / "c-ran").exists()
    run = cli.last_run()
    assert json.loads((run / "summary.json").read_bytes())["signal"] == number
    assert told.json["signal"] == number
    assert (told.json["ok"], told.json["done"], told.json["skipped"]) == (False, 2, 1)
    assert kinds(run / "events.jsonl")[-1] == "run.done"
    assert "Traceback" not in told.err


def test_a_second_signal_leaves_at_once(cli):
    graph = cli.graph({"id": "a", "call": "functions:start_and_poll", "args": ["a-started", "never"]})
    process = cli.start("exec", graph)
    cli.wait_for("a-started", process)
    process.send_signal(signal.SIGINT)
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    told = cli.end(process)
    assert (told.code, told.out, told.err) == (130, "", "")


def test_a_signal_cancels_async_nodes(cli):
    process = cli.start("exec", cli.graph({"id": "a", "call": "functions:start_and_sleep", "args": ["a-started"]}))
    cli.wait_for("a-started", process)
    process.send_signal(signal.SIGINT)
    assert cli.end(process).code == 130


def is_alive(pid):
    """Say whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("count", [1, 2], ids=["once", "twice"])
def test_a_signal_ends_a_command_with_its_whole_group(cli, count):
    script = "sleep 50 & echo $$ $! > started.part; mv started.part started; wait"
    other = {"id": "b", "call": "functions:poll", "args": ["never"]} if count > 1 else {**GIVE, "id": "b"}
    process = cli.start("exec", cli.graph({"id": "a", "run": script}, other))
    pids = [int(pid) for pid in cli.wait_for("started", process).read_text().split()]
    assert [is_alive(pid) for pid in pids] == [True, True]
    for _ in range(count):
        process.send_signal(signal.SIGINT)
        process.stderr.readline()
    told = cli.end(process)
    assert told.code == 130
    for pid in pids:
        wait_until_gone(pid)


def wait_until_gone(pid):
    """Wait for what has been killed already: its end is the kernel's, and soon."""
    for _ in range(2000):
        if not is_alive(pid):
            return
        os.sched_yield()
        signal.sigtimedwait((), 0.005)
    pytest.fail(f"process {pid} still runs")


@pytest.mark.parametrize("name", ["graph.json", "slow:graph"])
def test_a_signal_while_modules_are_imported_is_an_interrupt_too(cli, name):
    cli.write("slow.py", "import functions\nfunctions.start_and_poll('importing', 'never')")
    cli.graph({"id": "a", "call": "slow:f"})
    process = cli.start("exec", name)
    cli.wait_for("importing", process)
    process.send_signal(signal.SIGINT)
    told = cli.end(process)
    assert (told.code, told.out) == (130, "")
    assert "Traceback" not in told.err


def test_exit_of_a_nested_task_does_not_hang_the_run(cli):
    cli.write(
        "leaving.py",
        """
        import asyncio, sys
        async def leave(): sys.exit(3)
        async def gathered(): await asyncio.gather(leave())
        """,
    )
    process = cli.start("exec", cli.graph({"id": "a", "call": "leaving:gathered"}), "--json")
    out, err = process.communicate(timeout=10)
    assert process.returncode == 1, err
    assert json.loads(out)["failed"] == 1


def test_tasks_left_behind_on_the_event_loop_are_cancelled(cli):
    cli.write(
        "orphan.py",
        """
        import asyncio
        kept = []
        async def behind():
            try:
                await asyncio.sleep(50)
            except asyncio.CancelledError:
                open("cancelled", "w").close()
                raise
        async def leave():
            kept.append(asyncio.create_task(behind()))
            await asyncio.sleep(0)
        """,
    )
    told = cli("exec", cli.graph({"id": "a", "call": "orphan:leave"}))
    assert told.code == 0
    assert "destroyed" not in told.err
    assert (cli.folder / "cancelled").exists()


# -- CPU time and contention -------------------------------------------------------------------------

GIVES = [{"id": name, "call": "functions:give"} for name in "abcde"]


def rows(told):
    return {line[:13].strip(): line[14:] for line in told.err.splitlines()}


def test_cpu_time_is_measured_when_it_is_asked_for(cli, inside):
    told = inside("exec", cli.graph(*GIVES), "--cpu-time")
    assert re.match(r"\S+ [mu]?s of the \S+ [mu]?s in calls", rows(told)["cpu"])
    assert [event["cpu_s"] >= 0 for event in events(cli.last_run() / "events.jsonl")[1:-1]] == [True] * 5
    told = inside("exec", cli.graph(*GIVES), "--cpu-time", "--json")
    assert told.json["cpu"]["calls"] == 5
    assert "cpu" not in rows(inside("exec", cli.graph(*GIVES)))
    assert inside("exec", cli.graph(*GIVES), "--json").json["cpu"] is None


def test_a_run_is_compared_with_an_earlier_one_with_one_worker(cli, inside, monkeypatch):
    monkeypatch.setattr("os.process_cpu_count", lambda: 2)
    graph = cli.graph(*GIVES)
    assert "contention" not in rows(inside("exec", graph, "-w", 2))
    base = inside("exec", graph, "-w", 1, "--json").json
    assert base["contention"] is None
    told = rows(inside("exec", graph, "-w", 2))["contention"]
    assert told == f"none in 1 function: compared with run {base['run']}, which had 1 worker"
    found = inside("exec", graph, "-w", 2, "--json", "-q").json["contention"]
    assert found == {"run": base["run"], "workers": 2, "gil": base["gil"], "judged": 1, "functions": []}
    assert "none of 1 function was slower" in inside("report", "last", "-o", "-").out
    assert "slower" not in inside("report", base["run"], "-o", "-").out


def test_where_nobody_reads_of_contention_nothing_is_compared(cli, inside, monkeypatch):
    graph = cli.graph(*GIVES)
    inside("exec", graph, "-w", 1, "-q")
    monkeypatch.setattr("taskrunner.cli.commands.exec.baseline", lambda *_, **__: pytest.fail("it was looked for"))
    for quiet in (["-q"], ["--log-format", "json"], ["-w", 1]):
        assert inside("exec", graph, "-w", 2, *quiet).code == 0
