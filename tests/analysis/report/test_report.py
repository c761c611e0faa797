"""The page of a run as a whole. What it must look like is looked at in ``test_report_browser.py``."""

import json
import os
import re
from pathlib import Path

import pytest

from taskrunner.analysis.recorded_run import load_run
from taskrunner.analysis.report.report import report
from taskrunner.errors import TaskrunnerError
from taskrunner.events.types import GilSwitchedOn

KEPT = Path(__file__).parent
NODES = [
    {"id": "load", "call": "shop:load"},
    {"id": "price", "call": "shop:price", "map": {"$ref": "load"}, "args": [{"$item": True}]},
    {"id": "poll", "call": "shop:poll"},
    {"id": "print", "run": ["lpr", "list.txt"], "needs": ["price"]},
    {"id": "send", "call": "shop:send", "needs": ["print", "poll"], "retries": 1},
    {"id": "<b>", "call": "shop:check", "needs": ["send"]},
]


def shop(recording):
    """Return a run with a bit of everything."""
    record = recording(*NODES, name="shop")
    record.done("load", 0.25, 0.5, queued_s=0.25).done("poll", 0.5, 2.0, worker=-1)
    record.done("price[0]", 0.75, 1.0, queued_s=0.01).done("price[1]", 0.8, 0.5, worker=1, queued_s=0.06, stolen=True)
    record.done("price", 1.5, 0.4).done("print", 2.0, 0.5, worker=-1, cached=True, queued_s=0.1)
    record.retried("send", 2.5, 0.25).failed("send", 3.0, 0.25, attempt=2, traceback="Traceback:\n  <here>")
    return record.skipped("<b>", "needs", "send").end(3.5, ok=False)


def parts(page):
    """Return the main part of a page and its data."""
    (main,) = re.findall(r"<main>\n(.*?)\n</main>", page, re.DOTALL)
    (data,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    return main + "\n", json.loads(data)


def sections(page):
    return re.findall(r'<section id="(\w+)">', page)


def test_a_page_is_as_it_was(recording):
    """``TASKRUNNER_KEEP=1 pytest`` with this file keeps the page as it is now: look at the difference."""
    main, data = parts(report(shop(recording).run(state="failed")))
    written = json.dumps(data, indent=1) + "\n"
    if os.environ.get("TASKRUNNER_KEEP"):
        (KEPT / "main.html").write_text(main)
        (KEPT / "data.json").write_text(written)
    assert main == (KEPT / "main.html").read_text()
    assert written == (KEPT / "data.json").read_text()


def test_the_same_run_gives_the_same_page(recording):
    assert report(shop(recording).run()) == report(shop(recording).run())


def test_a_run_has_all_sections(recording):
    page = report(shop(recording).run())
    wanted = ["summary", "failures", "timeline", "parallelism", "graph", "path", "nodes", "environment"]
    assert sections(page) == wanted
    assert re.findall(r'<a href="#(\w+)">', page) == wanted[1:]


def test_a_run_of_no_nodes(recording):
    page = report(recording().end(0.0).run())
    assert sections(page) == ["summary", "nodes", "environment"]
    assert "The graph has no nodes." in page


def test_a_run_whose_graph_cannot_be_read(recording):
    page = report(shop(recording).run(has_graph=False))
    assert sections(page) == ["summary", "failures", "timeline", "parallelism", "nodes", "environment"]
    assert "cannot be read" in page
    lanes = parts(page)[1]["timeline"]["lanes"]
    assert [lane["name"] for lane in lanes] == ["worker 0", "worker 1", "event loop 1", "event loop 2"]


def test_a_run_that_was_killed(recording):
    record = recording(*NODES).done("load", 0.0, 1.0)
    page = report(record.run(state="unfinished"))
    assert "This run was killed" in page
    assert "1 done, 5 not ended" in page
    assert "memory" not in page.partition("<script")[0]


def test_a_run_that_was_killed_before_any_node_had_ended(recording):
    page = report(recording(*NODES).run(state="unfinished"))
    assert sections(page) == ["summary", "graph", "nodes", "environment"]
    assert "No node has ended." in page


def test_a_run_that_was_resumed_is_one_run(recording):
    record = recording(*NODES[:1], {"id": "b", "call": "m:f"}).failed("load", 0.0, 1.0).end(2.0)
    page = report(record.begin(at=1_800_000_100.0).done("load", 0.0, 1.0).done("b", 1.0, 1.0).end(2.0).run())
    main, data = parts(page)
    assert "<dd>2 done</dd>" in main
    assert "<dt>wall time</dt><dd>4.00 s</dd>" in main
    assert "08:00:00 UTC, resumed 2027-01-15 08:01:40 UTC" in main
    assert data["timeline"]["parts"] == [2_000_000]


def test_a_run_in_which_all_failed(recording):
    nodes = [{"id": f"n{i}", "call": "m:f"} for i in range(3)]
    record = recording(*nodes)
    for node in nodes:
        record.failed(node["id"], 0.0, 1.0)
    page = report(record.end(1.0, ok=False).run(state="failed"))
    assert "<title>demo: failed</title>" in page
    assert "<dd>3 failed</dd>" in page
    assert page.count("<details open>") == 3


def test_async_nodes_have_a_chart_of_their_own(recording):
    main, _ = parts(report(shop(recording).run()))
    told = re.findall(r'aria-label="(\w[\w ]*?)[:,] .*?, at most ([\d.]+),', main)
    assert told == [("running", "2"), ("async nodes", "1"), ("ready", "1.7")]


def test_a_run_with_the_gil_on(recording):
    page = report(shop(recording).add(GilSwitchedOn(module="old")).run())
    assert "The GIL was on (importing &quot;old&quot; switched it on)" in page


def test_a_graph_without_a_name_has_a_title(recording):
    assert "<title>taskrunner: ok</title>" in report(recording(name="").end(0.0).run())


def test_no_element_has_what_the_policy_forbids(recording):
    main, _ = parts(report(shop(recording).run()))
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", main) == []


def test_a_run_that_was_recorded_above_info_is_told_in_words(recording, tmp_path):
    record = shop(recording)
    record.events = [event for event in record.events if event.level == "error"]
    record.write(tmp_path / "r1")
    with pytest.raises(TaskrunnerError, match="was its log level above info"):
        load_run(tmp_path, "r1")


def test_what_was_written_is_what_is_read(recording, tmp_path):
    record = shop(recording)
    record.write(tmp_path / "r1")
    assert parts(report(load_run(tmp_path, "last")))[1] == parts(report(record.run()))[1]
