import re

import pytest

from taskrunner.analysis.report.overview import environment_html, notices_html, summary_html
from taskrunner.analysis.totals import totals_of
from taskrunner.events.types import GilSwitchedOn, RunWarning

A = {"id": "a<b>", "call": "m:f"}


def facts(html):
    return {name: re.sub("<.*?>", "", value) for name, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)}


def notes(run):
    return re.findall(r'<p class="notice">(.*?)</p>', notices_html(run))


def test_the_summary(recording):
    run = recording(A).retried("a<b>", 0.0, 1.0).done("a<b>", 1.0, 1.0, attempt=2, stolen=True).end(4.0).run()
    assert facts(summary_html(run, totals_of(run))) == {
        "nodes": "1 done, 1 attempt retried",
        "wall time": "4.00 s",
        "work": "2.00 s in calls and commands: parallelism 0.50 on average",
        "workers": "2, busy 50% 0%, 1 steal",
        "critical path": "2.00 s (50% of the wall time), 1 node",
        "slowest": "a&lt;b&gt; 2.00 s",
        "memory": "20 MiB at most",
        "run": "r1",
    }


def test_a_failure_that_is_allowed_is_said_to_be_one(recording):
    run = recording(A).failed("a<b>", 0.0, 1.0, allowed=True).end(1.0).run()
    assert facts(summary_html(run, totals_of(run)))["nodes"] == "1 failed, which is allowed"


def test_a_run_that_went_well_needs_no_words(recording):
    assert notes(recording(A).done("a<b>", 0.0, 1.0).end(1.0).run()) == []
    assert notes(recording().end(0.0).run()) == []


@pytest.mark.parametrize(
    ("state", "words"), [("unfinished", "This run was killed"), ("running", "This run is still running")]
)
def test_a_run_without_an_end_is_said_to_have_none(recording, state, words):
    (note,) = notes(recording(A).done("a<b>", 0.0, 1.0).run(state=state))
    assert note.startswith(words)


def test_a_resumed_run_is_said_to_have_parts(recording):
    (note,) = notes(recording(A).done("a<b>", 0.0, 1.0).end(1.5).begin().end(0.5).run())
    assert note.startswith("This run was resumed, at 1.50 s:")


def test_a_run_in_which_nothing_ended_and_whose_graph_cannot_be_read(recording):
    first, second = notes(recording(A).run(has_graph=False))
    assert first.startswith("The graph of this run cannot be read")
    assert second == "No node has ended."


def test_warnings_are_told(recording):
    record = recording(A).done("a<b>", 0.0, 1.0).add(RunWarning(message="<b>no</b>"))
    assert notes(record.run()) == ["&lt;b&gt;no&lt;/b&gt;"]


def test_who_switched_the_gil_on_is_told(recording):
    run = recording(A).done("a<b>", 0.0, 1.0).add(GilSwitchedOn(module="old_module")).run()
    who = "The GIL was on (importing &quot;old_module&quot; switched it on): Python calls ran one at a time."
    assert notes(run) == [who]
    assert facts(environment_html(run))["GIL"] == "on (importing &quot;old_module&quot; switched it on)"


def test_a_build_with_the_gil(recording):
    run = recording(A, free_threaded=False, gil=True, python="CPython 3.13.9").done("a<b>", 0.0, 1.0).run()
    assert notes(run) == ["The GIL was on: Python calls ran one at a time."]
    assert facts(environment_html(run)) == {
        "python": "CPython 3.13.9",
        "build": "with the GIL",
        "GIL": "on",
        "platform": "Linux",
        "processors": "2",
        "started": "2027-01-15 08:00:00 UTC",
        "versions": "msgspec 0.22.0",
    }


def test_cpu_time_stands_there_where_it_was_measured(recording):
    record = recording(A, cpu_time=True).done("a<b>", 0.0, 1.0, cpu_s=0.25).end(1.0)
    run = record.run()
    assert facts(summary_html(run, totals_of(run)))["cpu"] == "250.0 ms of the 1.00 s in calls; waited: m:f 750.0 ms"
