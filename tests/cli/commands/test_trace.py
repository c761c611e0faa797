"""``taskrunner trace``: where the trace goes, and what is said of a run that does not show everything."""

import json
import shutil

import pytest


def call(node, function, **fields):
    return {"id": node, "call": f"functions:{function}", **fields}


@pytest.fixture
def ran(cli, inside):
    """Run a small graph; return the folder that the run has left."""
    graph = cli.graph(call("a", "give"), call("b", "give", args=[{"$ref": "a"}]), name="small")
    assert inside("exec", graph, "-q").code == 0
    return cli.last_run()


def slices(data):
    return [event["name"] for event in json.loads(data)["traceEvents"] if event["ph"] == "X"]


def test_it_goes_to_standard_output(inside, ran):
    told = inside("trace", ran.name[:-1])
    assert (told.code, told.err) == (0, "")
    assert slices(told.raw) == ["a", "b"]


@pytest.mark.usefixtures("ran")
def test_it_goes_to_a_file(cli, inside):
    told = inside("trace", "last", "-o", "trace.json")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert slices((cli.folder / "trace.json").read_bytes()) == ["a", "b"]
    assert inside("trace", "last").raw == (cli.folder / "trace.json").read_bytes()


@pytest.mark.usefixtures("ran")
def test_a_file_that_cannot_be_written(inside):
    told = inside("trace", "last", "-o", "nowhere/trace.json")
    assert (told.code, told.err) == (2, "taskrunner: cannot write nowhere/trace.json: No such file or directory\n")


def test_there_is_no_such_run(inside):
    told = inside("trace", "last")
    assert (told.code, told.err) == (2, 'taskrunner: no run "last" in .taskrunner/runs\n')


def test_a_run_that_was_killed(cli, inside):
    nodes = call("a", "give"), call("slow", "start_and_poll", args=["began", "never"], needs=["a"])
    process = cli.start("exec", cli.graph(*nodes))
    cli.wait_for("began", process)
    events = cli.last_run() / "events.jsonl"
    while b"node.done" not in events.read_bytes():
        assert process.poll() is None
    process.kill()
    cli.end(process)
    told = inside("trace", "last")
    assert told.code == 0
    assert told.err == f"run {cli.last_run().name}: it was killed: attempts running at that time are missing\n"
    assert slices(told.raw) == ["a"]


def test_a_run_that_goes_on(cli, inside):
    process = cli.start("exec", cli.graph(call("slow", "start_and_poll", args=["began", "end"])))
    cli.wait_for("began", process)
    told = inside("trace", "last")
    run = cli.last_run().name
    assert (told.code, slices(told.raw)) == (0, [])
    assert told.err == (
        f"run {run}: still running: the trace contains completed attempts only\nrun {run}: no attempt has completed\n"
    )
    (cli.folder / "end").touch()
    assert cli.end(process).code == 0


def test_a_resumed_run_has_both_parts(cli, inside):
    graph = cli.graph(call("a", "give"), call("b", "poll", args=["flag"], needs=["a"], timeout=0.01))
    assert inside("exec", graph, "-q").code == 1
    (cli.folder / "flag").touch()
    assert inside("exec", graph, "-q", "--resume", "last").code == 0
    told = inside("trace", "last")
    assert (told.code, told.err, slices(told.raw)) == (0, "", ["a", "b", "b"])


def test_a_run_that_recorded_no_nodes_says_so(cli, inside):
    assert inside("exec", cli.graph(call("a", "give")), "-q", "--log-level", "warning").code == 0
    told = inside("trace", "last")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("taskrunner: .taskrunner/runs/")
    assert told.err.endswith("events.jsonl does not record a run: was its log level above info?\n")


def test_a_graph_that_cannot_be_read(inside, ran):
    (ran / "graph.json").write_text("{")
    told = inside("trace", "last")
    assert (told.code, slices(told.raw)) == (0, ["a", "b"])
    assert told.err == f"run {ran.name}: cannot read its graph, so the trace has no arrows and no critical path\n"


def test_names_of_runs_are_escaped_where_they_are_told(inside, ran):
    hostile = ran.with_name("x\x1b[31m")
    shutil.copytree(ran, hostile)
    (hostile / "graph.json").write_text("{")
    told = inside("trace", "x")
    assert told.err.startswith("run x\\x1b[31m: cannot read its graph")
    assert "\x1b" not in told.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--endpoint", "http://localhost"], "--endpoint requires --otel"),
        (["--otel", "-o", "f"], "--otel sends the run and writes no --output"),
    ],
)
def test_options_that_do_not_go_together(inside, words, complaint):
    told = inside("trace", "last", *words)
    assert (told.code, told.err) == (2, f"taskrunner: {complaint}\n")


@pytest.mark.usefixtures("ran")
def test_opentelemetry_is_imported_only_to_send(cli):
    told = cli("trace", "last", python=("-X", "importtime"))
    assert told.code == 0
    assert "taskrunner.analysis.trace.chrome" in told.err
    assert "opentelemetry" not in told.err


@pytest.mark.usefixtures("ran")
def test_a_reader_that_has_gone_is_no_error_to_shout_about(cli):
    process = cli.start("trace", "last")
    process.stdout.close()
    process.stdin.close()
    err = process.stderr.read().decode()
    assert (process.wait(60), err) == (1, "")
