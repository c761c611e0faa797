import html
import re

import pytest

from taskrunner.analysis.report import failures
from taskrunner.analysis.report.failures import failures_html, tail
from taskrunner.events.types import NodeTimeout
from taskrunner.storage.run_directory import output_files


def call(node, **fields):
    return {"id": node, "call": "m:f", **fields}


def text(run):
    return html.unescape(re.sub(r"<[^>]+>", "", failures_html(run)))


def test_no_failure_no_words(recording):
    assert failures_html(recording(call("a")).done("a", 0.0, 1.0).run()) == ""


def test_a_failure_is_told_with_its_arguments_and_its_traceback(recording):
    run = recording(call("a")).failed("a", 0.0, 1.5, traceback="Traceback:\n\tline 1", arguments="(1, 'x')").run()
    assert text(run).split("\n") == [
        "", "a (failed, after 1.50 s): ValueError: no luck", "called with (1, 'x')", "Traceback:", "\tline 1", ""
    ]  # fmt: skip


def test_attempts_that_were_tried_again_come_after_the_failures_and_are_shut(recording):
    record = recording(call("a"), call("b")).retried("a", 0.0, 1.0).failed("a", 1.0, 1.0, attempt=2)
    record.failed("b", 3.0, 1.0, allowed=True)
    page = failures_html(record.run())
    summaries = re.findall(r"<details( open)?>\n<summary>.*?</span> \((.*?),", page)
    assert summaries == [(" open", "failed"), (" open", "allowed"), ("", "retried")]


def test_what_a_resumed_run_has_run_again_is_said_to_be_and_shows_no_output_of_the_later_one(recording, tmp_path):
    (tmp_path / "commands").mkdir()
    output_files(tmp_path / "commands", "c")[0].write_text("of the second one")
    record = recording({"id": "c", "run": "true"}).failed("c", 0.0, 1.0, worker=-1).end(1.0)
    run = record.begin().done("c", 0.0, 1.0, worker=-1).end(1.0).run(folder=tmp_path)
    assert "c (failed, rerun later, after 1.00 s)" in text(run)
    assert "second" not in text(run)
    assert "<details open" not in failures_html(run)


def test_what_is_hostile_is_escaped(recording):
    bad = "</pre><script>alert(1)</script>\x1b[31m\u202e"
    run = recording(call(bad)).failed(bad, 0.0, 1.0, error=bad, traceback=bad, arguments=bad).run()
    page = failures_html(run)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert page.count("</pre>") == 1


def test_the_output_of_a_command_is_shown_by_its_end(recording, tmp_path):
    node = "make it/all"
    (tmp_path / "commands").mkdir()
    out, err = output_files(tmp_path / "commands", node)
    out.write_text("<b>compiled</b>\n")
    err.write_text("warning\n" * 2000)
    record = recording({"id": node, "run": "make"}).failed(node, 0.0, 1.0, worker=-1, arguments="")
    shown = text(record.run(folder=tmp_path))
    assert "its standard output:<b>compiled</b>" in shown
    assert "its standard error:…\nwarning" in shown
    assert shown.count("warning") == failures.MAX_TAIL_BYTES // len("warning\n") - 1
    assert "its standard" not in text(record.run())


def test_the_end_of_a_file_begins_with_a_whole_line(tmp_path):
    (tmp_path / "x").write_bytes("ä\nsecond\nthird".encode())
    assert tail(tmp_path / "x") == "ä\nsecond\nthird"
    assert tail(tmp_path / "x", 10) == "…\nthird"
    assert tail(tmp_path / "x", 3) == "ird"
    assert tail(tmp_path / "none") == ""


def test_a_call_that_was_given_up_is_said_to_be(recording):
    record = recording(call("a")).add(NodeTimeout(node="a", worker=0, attempt=1, timeout_s=1.0, lost=True))
    assert "The call was abandoned; its thread continued to run." in text(record.failed("a", 0.0, 1.0).run())


@pytest.mark.parametrize(("count", "more"), [(100, ""), (101, "and 1 more"), (1300, "and 1,200 more")])
def test_there_is_an_end_to_the_failures_that_are_shown(recording, count, more):
    record = recording(*[call(f"a{i}") for i in range(count)])
    for i in range(count):
        record.failed(f"a{i}", 0.0, 1.0)
    page = failures_html(record.run())
    assert page.count("<details") == failures.MAX_FAILURES
    assert page.count("<details open") == failures.MAX_OPEN
    assert (more in page) if more else " more:" not in page
